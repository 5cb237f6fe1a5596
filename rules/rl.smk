"""Reinforcement learning from a branch point, or from the base model (Pure RL).

In: checkpoints of SFT or base, RL prompts (with expert trajectories for the mixed paradigms), benchmarks.
Out: <results>/rl/{model}/{dataset}/step{sft_step}/{recipe}/seed{seed}
"""


rule train_rl:
    input:
        start=lambda wildcards: f"{start_folder(wildcards)}/checkpoints",
        start_manifest=lambda wildcards: f"{start_folder(wildcards)}/manifest.json",
        prompts=lambda wildcards: f"{prompts_of(wildcards)}.parquet",
        prompts_manifest=lambda wildcards: f"{prompts_of(wildcards)}.manifest.json",
        benchmarks="<data>/benchmarks.parquet",
        benchmarks_manifest="<data>/benchmarks.manifest.json",
    output:
        checkpoints=directory(
            "<results>/rl/{model}/{dataset}/step{sft_step}/{recipe}/seed{seed}/checkpoints"
        ),
        generations="<results>/rl/{model}/{dataset}/step{sft_step}/{recipe}/seed{seed}/generations.parquet",
        history="<results>/rl/{model}/{dataset}/step{sft_step}/{recipe}/seed{seed}/history.parquet",
        compute="<results>/rl/{model}/{dataset}/step{sft_step}/{recipe}/seed{seed}/compute.csv",
        manifest="<results>/rl/{model}/{dataset}/step{sft_step}/{recipe}/seed{seed}/manifest.json",
        record="<results>/rl/{model}/{dataset}/step{sft_step}/{recipe}/seed{seed}/train.record.json",
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
            "--spec {params.spec:q}"
            " --title '{wildcards.dataset} step {wildcards.sft_step} seed {wildcards.seed}'"
            " --start {input.start} --prompts {input.prompts} --benchmarks {input.benchmarks}"
            " --checkpoints {output.checkpoints} --generations {output.generations}"
            " --history {output.history} --compute {output.compute} --manifest {output.manifest}",
            environment=TRAINING,
            many=True,
        )
