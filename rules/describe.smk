"""What a study is and what ran it, for its report.

In: the study alone. Out: <results>/study.json, <results>/versions.json
"""


rule describe_study:
    output:
        out_study="<results>/study.json",
        out_versions="<results>/versions.json",
        record="<results>/study.record.json",
    log:
        "<logs>/describe_study.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.describe_study),
    message:
        "describing the study"
    shell:
        job("describe_study")
