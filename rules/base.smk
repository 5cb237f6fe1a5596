"""Models to start from: the base model, and the reference model that measures difficulty.

In: <data>. Out: <results>/base/{model}, <results>/reference
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
        "../envs/lab.yaml"
    threads: study.execution.threads
    params:
        **stage(plan.pretrain_base),
    message:
        "pre-training the base model {wildcards.model}"
    shell:
        job(
            "pretrain_base",
            "--spec {params.spec:q}"
            " --documents {input.documents} --checkpoints {output.checkpoints}"
            " --losses {output.losses} --manifest {output.manifest}",
        )


rule train_reference:
    input:
        base=f"<results>/base/{study.reference.model}/checkpoints",
        base_manifest=f"<results>/base/{study.reference.model}/manifest.json",
        train="<data>/reference.parquet",
        train_manifest="<data>/reference.manifest.json",
        validation="<data>/validation.parquet",
        validation_manifest="<data>/validation.manifest.json",
    output:
        checkpoints=directory("<results>/reference/checkpoints"),
        losses="<results>/reference/losses.csv",
        manifest="<results>/reference/manifest.json",
        record="<results>/reference/train.record.json",
    log:
        "<logs>/train_reference.log",
    cache: True
    conda:
        "../envs/lab.yaml"
    threads: study.execution.threads
    params:
        **stage(plan.train_reference),
    message:
        "training the reference model"
    shell:
        job(
            "train_sft",
            "--spec {params.spec:q} --title reference"
            " --base {input.base} --train {input.train} --validation {input.validation}"
            " --checkpoints {output.checkpoints} --losses {output.losses}"
            " --manifest {output.manifest}",
        )


rule generate_reference:
    input:
        checkpoints="<results>/reference/checkpoints",
        checkpoints_manifest="<results>/reference/manifest.json",
        problems="<data>/pool.parquet",
        problems_manifest="<data>/pool.manifest.json",
    output:
        generations="<results>/reference/generations.parquet",
        record="<results>/reference/generations.record.json",
    log:
        "<logs>/generate_reference.log",
    cache: True
    conda:
        "../envs/lab.yaml"
    threads: study.execution.threads
    params:
        **stage(plan.generate_reference),
    message:
        f"letting the reference model try the pool, {study.reference.attempts} attempts a problem"
    shell:
        job(
            "generate",
            "--spec {params.spec:q} --title reference"
            " --checkpoints {input.checkpoints} --problems {input.problems} --out {output.generations}",
        )
