"""The base model of a lab study, made from documents.

In: <data>/documents.parquet. Out: <results>/base/{model}
"""


rule pretrain_base:
    input:
        documents="<data>/documents.parquet",
        manifest="<data>/documents.manifest.json",
    output:
        checkpoints=directory("<results>/base/{model}/checkpoints"),
        losses="<results>/base/{model}/losses.csv",
        manifest="<results>/base/{model}/manifest.json",
        record="<results>/base/{model}/train.record.json",
    log:
        "<logs>/pretrain_base/{model}.log",
    cache: True
    conda:
        f"../envs/{TRAINING}.yaml"
    threads: study.execution.threads
    params:
        **stage(plan.pretrain_base),
    message:
        "pre-training the base model {wildcards.model}"
    shell:
        job("pretrain_base", environment=TRAINING)
