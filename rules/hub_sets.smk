"""SFT sets as their authors released them, and RL prompts that are matched with their trajectories.

In: <results>/base of the model whose tokens are counted. Out: <results>/sft_sets/{dataset}.parquet,
<data>/{split}.parquet
"""


def experts_of(wildcards):
    """The SFT set whose trajectories prompts are matched with."""
    return [f"{RESULTS}/sft_sets/{MATCHED[wildcards.split].experts}.parquet"]


def candidates_of(wildcards):
    """The prompts that are matched; none where they are those of the SFT set."""
    prompts = MATCHED[wildcards.split].prompts
    return [f"data/{study.name}/{prompts}.parquet"] if prompts else []


def manifests_of(find):
    """The manifests of the files that an input function finds."""
    return lambda wildcards: [
        path.replace(".parquet", ".manifest.json") for path in find(wildcards)
    ]


rule load_sft_set:
    input:
        f"{COUNTING}/manifest.json",
        tokenizer=f"{COUNTING}/checkpoints",
    output:
        out="<results>/sft_sets/{dataset}.parquet",
        _manifest="<results>/sft_sets/{dataset}.manifest.json",
        record="<results>/sft_sets/{dataset}.record.json",
    log:
        "<logs>/load_sft_set/{dataset}.log",
    wildcard_constraints:
        dataset=one_of(name for name in study.datasets if name not in DRAWN),
    cache: True
    conda:
        "../envs/lab.yaml"
    threads: COUNTING_THREADS
    params:
        **stage(plan.load_sft_set),
    message:
        "loading the SFT set {wildcards.dataset}"
    shell:
        job("load_expert_set", network=True, threads=True)


rule match_prompts:
    input:
        manifests_of(experts_of),
        manifests_of(candidates_of),
        experts=experts_of,
        prompts=candidates_of,
    output:
        out="<data>/{split}.parquet",
        _manifest="<data>/{split}.manifest.json",
        record="<data>/{split}.record.json",
    log:
        "<logs>/match_prompts/{split}.log",
    wildcard_constraints:
        split=one_of(MATCHED),
    cache: True
    conda:
        "../envs/lab.yaml"
    params:
        **stage(plan.match_prompts),
    message:
        "matching the prompts of {wildcards.split} with expert trajectories"
    shell:
        job("match_prompts")
