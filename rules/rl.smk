"""Reinforcement learning from a branch point, or from the base model (Pure RL).

In: checkpoints of SFT or base, RL prompts (with expert trajectories for the mixed paradigms), benchmarks.
Out: <results>/rl/{model}/{dataset}/step{sft_step}/{recipe}/seed{seed}
"""

BRANCH = "<results>/rl/{model}/{dataset}/step{sft_step}/{recipe}/seed{seed}"


rule train_rl:
    input:
        lambda wildcards: f"{start_folder(wildcards)}/manifest.json",
        lambda wildcards: f"{prompts_of(wildcards)}.manifest.json",
        "<data>/benchmarks.manifest.json",
        start=lambda wildcards: f"{start_folder(wildcards)}/checkpoints",
        prompts=lambda wildcards: f"{prompts_of(wildcards)}.parquet",
        benchmarks="<data>/benchmarks.parquet",
    output:
        checkpoints=directory(f"{BRANCH}/checkpoints"),
        generations=f"{BRANCH}/generations.parquet",
        history=f"{BRANCH}/history.parquet",
        compute=f"{BRANCH}/compute.csv",
        manifest=f"{BRANCH}/manifest.json",
        record=f"{BRANCH}/train.record.json",
    log:
        "<logs>/train_rl/{model}_{dataset}_step{sft_step}_{recipe}_seed{seed}.log",
    cache: True
    conda:
        f"../envs/{TRAINING}.yaml"
    threads: study.execution.threads
    resources:
        processes=1,
        nodes=1,
    params:
        **stage(plan.train_rl),
    message:
        "RL ({wildcards.recipe}) of {wildcards.model} from {wildcards.dataset} step"
        " {wildcards.sft_step}, seed {wildcards.seed}"
    shell:
        job(
            "train_rl",
            environment=TRAINING,
            many=True,
            title="{wildcards.dataset} step {wildcards.sft_step} seed {wildcards.seed}",
        )
