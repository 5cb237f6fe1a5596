"""Sub-phases of SFT (paper Eq. 5-9): they decide where RL branches off.

In: losses.csv of an SFT run. Out: subphases.csv beside it, and of all runs together
"""


checkpoint label_subphases:
    input:
        losses="<results>/sft/{model}/{dataset}/seed{seed}/losses.csv",
    output:
        out="<results>/sft/{model}/{dataset}/seed{seed}/subphases.csv",
        record="<results>/sft/{model}/{dataset}/seed{seed}/subphases.record.json",
    log:
        "<logs>/label_subphases/{model}_{dataset}_seed{seed}.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.label_subphases),
    message:
        "labelling the checkpoints of {wildcards.dataset}, seed {wildcards.seed}"
    shell:
        job("label_subphases")


rule subphases:
    input:
        tables=[f"<results>/{run.path}/subphases.csv" for run in plan.list_sft_runs()],
    output:
        out="<results>/subphases.csv",
        record="<results>/subphases.record.json",
    log:
        "<logs>/subphases.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.subphases),
    message:
        "gathering the sub-phases of all SFT runs"
    shell:
        job("concatenate")
