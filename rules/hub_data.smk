"""Data of a hub: benchmarks, RL prompts, the validation set and the pool that sets are drawn from.

In: <results>/base of the model whose tokens are counted. Out: <data>/SPLIT.parquet, each with its
manifest
"""

from retu.config.hub_study import MatchedSet
from retu.planning.hub_plan import ALL_BENCHMARKS_SPLIT, BENCHMARKS_SPLIT, VALIDATION_SPLIT

MATCHED = {n: made for n, made in study.data.prompts.items() if isinstance(made, MatchedSet)}
RELEASED_SPLITS = [VALIDATION_SPLIT, *(name for name in study.data.prompts if name not in MATCHED)]
LOADED_BENCHMARKS = ALL_BENCHMARKS_SPLIT if study.data.decontamination else BENCHMARKS_SPLIT
COUNTING = f"<results>/base/{study.data.tokenizer}"
COUNTING_THREADS = study.execution.threads


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


rule load_benchmarks:
    output:
        data=f"<data>/{LOADED_BENCHMARKS}.parquet",
        manifest=f"<data>/{LOADED_BENCHMARKS}.manifest.json",
        record=f"<data>/{LOADED_BENCHMARKS}.record.json",
    log:
        "<logs>/load_benchmarks.log",
    cache: True
    conda:
        "../envs/lab.yaml"
    params:
        **stage(plan.load_benchmarks),
    message:
        "loading the benchmarks"
    shell:
        job(
            "load_benchmarks",
            "--spec {params.spec:q} --out {output.data}",
            network=True,
        )


rule load_prompts:
    input:
        tokenizer=f"{COUNTING}/checkpoints",
        tokenizer_manifest=f"{COUNTING}/manifest.json",
    output:
        data="<data>/{split}.parquet",
        manifest="<data>/{split}.manifest.json",
        record="<data>/{split}.record.json",
    log:
        "<logs>/load_prompts/{split}.log",
    wildcard_constraints:
        split=one_of(RELEASED_SPLITS),
    cache: True
    conda:
        "../envs/lab.yaml"
    threads: COUNTING_THREADS
    params:
        **stage(plan.load_prompts),
    message:
        "loading {wildcards.split}"
    shell:
        job(
            "load_expert_set",
            "--spec {params.spec:q} --tokenizer {input.tokenizer}/step-000000"
            " --threads {threads} --out {output.data}",
            network=True,
        )


rule match_prompts:
    input:
        experts=experts_of,
        experts_manifest=manifests_of(experts_of),
        prompts=candidates_of,
        prompts_manifest=manifests_of(candidates_of),
    output:
        data="<data>/{split}.parquet",
        manifest="<data>/{split}.manifest.json",
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
        job(
            "match_prompts",
            "--spec {params.spec:q} --experts {input.experts} --prompts {input.prompts}"
            " --out {output.data}",
        )


if study.data.pool:

    rule rebuild_pool:
        input:
            tokenizer=f"{COUNTING}/checkpoints",
            tokenizer_manifest=f"{COUNTING}/manifest.json",
        output:
            data="<data>/pool.parquet",
            manifest="<data>/pool.manifest.json",
            record="<data>/pool.record.json",
        log:
            "<logs>/rebuild_pool.log",
        cache: True
        conda:
            "../envs/lab.yaml"
        threads: COUNTING_THREADS
        params:
            **stage(plan.rebuild_pool),
        message:
            "gathering the pool of expert trajectories"
        shell:
            job(
                "rebuild_pool",
                "--spec {params.spec:q} --tokenizer {input.tokenizer}/step-000000"
                " --threads {threads} --out {output.data}",
                network=True,
            )


if study.data.decontamination:
    EMBEDDER = f"<results>/base/{study.data.decontamination.embedder}"
    TRAINED_ON = [
        f"<results>/sft_sets/{name}" if name in study.datasets else f"<data>/{name}"
        for name in study.data.decontamination.against
    ]

    rule decontaminate:
        input:
            embedder=f"{EMBEDDER}/checkpoints",
            embedder_manifest=f"{EMBEDDER}/manifest.json",
            benchmarks=f"<data>/{ALL_BENCHMARKS_SPLIT}.parquet",
            benchmarks_manifest=f"<data>/{ALL_BENCHMARKS_SPLIT}.manifest.json",
            against=[f"{name}.parquet" for name in TRAINED_ON],
            against_manifest=[f"{name}.manifest.json" for name in TRAINED_ON],
        output:
            data="<data>/benchmarks.parquet",
            manifest="<data>/benchmarks.manifest.json",
            left_out="<data>/contaminated.csv",
            record="<data>/benchmarks.record.json",
        log:
            "<logs>/decontaminate.log",
        cache: True
        conda:
            f"../envs/{TRAINING}.yaml"
        threads: study.execution.threads
        params:
            **stage(plan.decontaminate),
        message:
            "leaving out benchmark problems that training has seen"
        shell:
            job(
                "decontaminate",
                "--spec {params.spec:q} --embedder {input.embedder}/step-000000"
                " --benchmarks {input.benchmarks} --against {input.against}"
                " --out {output.data} --left-out {output.left_out}",
                environment=TRAINING,
            )
