"""Supervised fine-tuning on expert trajectories: checkpoints and the validation loss curve.

In: <results>/base, <results>/sft_sets. Out: <results>/sft/{model}/{dataset}/seed{seed}
"""


rule train_sft:
    input:
        "<results>/base/{model}/manifest.json",
        "<results>/sft_sets/{dataset}.manifest.json",
        "<data>/validation.manifest.json",
        base="<results>/base/{model}/checkpoints",
        train="<results>/sft_sets/{dataset}.parquet",
        validation="<data>/validation.parquet",
    output:
        checkpoints=directory("<results>/sft/{model}/{dataset}/seed{seed}/checkpoints"),
        losses="<results>/sft/{model}/{dataset}/seed{seed}/losses.csv",
        manifest="<results>/sft/{model}/{dataset}/seed{seed}/manifest.json",
        record="<results>/sft/{model}/{dataset}/seed{seed}/train.record.json",
    log:
        "<logs>/train_sft/{model}_{dataset}_seed{seed}.log",
    wildcard_constraints:
        dataset=none_of(IMPORTED_RUNS) + f"(?:{one_of(study.datasets)})",
    cache: True
    conda:
        f"../envs/{TRAINING}.yaml"
    threads: study.execution.threads
    resources:
        processes=1,
        nodes=1,
    params:
        **stage(plan.train_sft),
    message:
        "SFT of {wildcards.model} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        job(
            "train_sft",
            environment=TRAINING,
            many=True,
            title="{wildcards.dataset} seed {wildcards.seed}",
        )
