"""The reference model, whose win rate measures difficulty: trained here, or a base model as it is.

In: <results>/base, <data>. Out: <results>/reference
"""

REFERENCE = "reference" if study.reference.recipe else f"base/{study.reference.model}"

if study.reference.recipe:

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
            job(
                "train_sft",
                "--spec {params.spec:q} --title reference"
                " --base {input.base} --train {input.train} --validation {input.validation}"
                " --checkpoints {output.checkpoints} --losses {output.losses}"
                " --manifest {output.manifest}",
                environment=TRAINING,
                many=True,
            )


rule generate_reference:
    input:
        checkpoints=f"<results>/{REFERENCE}/checkpoints",
        checkpoints_manifest=f"<results>/{REFERENCE}/manifest.json",
        problems="<data>/pool.parquet",
        problems_manifest="<data>/pool.manifest.json",
    output:
        generations="<results>/reference/generations.parquet",
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
        job(
            "generate",
            "--spec {params.spec:q} --title reference"
            " --checkpoints {input.checkpoints} --problems {input.problems} --out {output.generations}",
            environment=TRAINING,
        )
