"""Data: every split of the lab's task, drawn from one seed and strictly disjoint.

In: the study alone. Out: <data>/SPLIT.parquet, each with its manifest
"""

from retu.data.lab_splits import SPLITS


rule make_data:
    output:
        **{split: f"<data>/{split}.parquet" for split in SPLITS},
        **{f"_{split}_manifest": f"<data>/{split}.manifest.json" for split in SPLITS},
        record="<data>.record.json",
    log:
        "<logs>/make_data.log",
    cache: True
    conda:
        "../envs/lab.yaml"
    params:
        **stage(plan.make_data),
    message:
        "drawing the data"
    shell:
        job("make_data")
