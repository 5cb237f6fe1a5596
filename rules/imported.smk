"""SFT runs that were trained elsewhere: their checkpoints, losses and, where there are any, scores.

In: the folders that the study names, read by their bytes. Out: <results>/sft/{model}/{dataset}/seed{seed}
"""


rule import_sft:
    input:
        "<results>/base/{model}/manifest.json",
        lambda wildcards: [path.replace(".parquet", ".manifest.json") for path in set_of(wildcards)],
        base="<results>/base/{model}/checkpoints",
        train=lambda wildcards: set_of(wildcards),
    output:
        checkpoints=directory("<results>/sft/{model}/{dataset}/seed{seed}/checkpoints"),
        losses="<results>/sft/{model}/{dataset}/seed{seed}/losses.csv",
        manifest="<results>/sft/{model}/{dataset}/seed{seed}/manifest.json",
        record="<results>/sft/{model}/{dataset}/seed{seed}/train.record.json",
    log:
        "<logs>/import_sft/{model}_{dataset}_seed{seed}.log",
    wildcard_constraints:
        dataset=pairs_of(IMPORTED_RUNS),
    conda:
        "../envs/lab.yaml"
    params:
        **stage(plan.import_sft),
    message:
        "taking the SFT run of {wildcards.model} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        job("import_sft")


rule import_scores:
    input:
        "<data>/benchmarks.manifest.json",
        problems="<data>/benchmarks.parquet",
    output:
        out="<results>/sft/{model}/{dataset}/seed{seed}/grades.parquet",
        record="<results>/sft/{model}/{dataset}/seed{seed}/grades.record.json",
    log:
        "<logs>/import_scores/{model}_{dataset}_seed{seed}.log",
    wildcard_constraints:
        dataset=pairs_of(SCORED_RUNS),
    conda:
        "../envs/lab.yaml"
    params:
        **stage(plan.import_scores),
    message:
        "taking the scores of {wildcards.model} on {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        job("import_scores")
