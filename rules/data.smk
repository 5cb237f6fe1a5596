"""Data: every split of the lab's task, drawn from one seed and strictly disjoint.

In: the study alone. Out: <data>/SPLIT.parquet, each with its manifest
"""


rule make_data:
    output:
        **{
            f"{split}{kind}": f"<data>/{split}{suffix}"
            for split in (
                "benchmarks",
                "validation",
                "rl_prompts",
                "mixed",
                "pool",
                "reference",
                "documents",
            )
            for kind, suffix in (("", ".parquet"), ("_manifest", ".manifest.json"))
        },
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
        job(
            "make_data",
            "--spec {params.spec:q} --out $(dirname {output.pool})",
        )
