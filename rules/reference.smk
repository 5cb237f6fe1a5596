"""The reference model, whose win rate measures difficulty: trained here, or a base model as it is.

In: <results>/base, <data>. Out: <results>/reference
"""

REFERENCE = "reference" if study.reference.recipe else f"base/{study.reference.model}"

if study.reference.recipe:

    rule train_reference:
        input:
            f"<results>/base/{study.reference.model}/manifest.json",
            "<data>/reference.manifest.json",
            "<data>/validation.manifest.json",
            base=f"<results>/base/{study.reference.model}/checkpoints",
            train="<data>/reference.parquet",
            validation="<data>/validation.parquet",
        output:
            checkpoints=directory("<results>/reference/checkpoints"),
            losses="<results>/reference/losses.csv",
            manifest="<results>/reference/manifest.json",
            record="<results>/reference/train.record.json",
        log:
            "<logs>/train_reference.log",
        cache: True
        conda:
            f"../envs/{TRAINING}.yaml"
        threads: study.execution.threads
        resources:
            processes=1,
            nodes=1,
        params:
            **stage(plan.train_reference),
        message:
            "training the reference model"
        shell:
            job("train_sft", environment=TRAINING, many=True, title="reference")


rule generate_reference:
    input:
        f"<results>/{REFERENCE}/manifest.json",
        "<data>/pool.manifest.json",
        checkpoints=f"<results>/{REFERENCE}/checkpoints",
        problems="<data>/pool.parquet",
    output:
        out="<results>/reference/generations.parquet",
        record="<results>/reference/generations.record.json",
    log:
        "<logs>/generate_reference.log",
    cache: True
    conda:
        f"../envs/{TRAINING}.yaml"
    threads: study.execution.threads
    params:
        **stage(plan.generate_reference),
    message:
        f"letting the reference model try the pool, {study.reference.attempts} attempts a problem"
    shell:
        job("generate", environment=TRAINING, title="reference")
