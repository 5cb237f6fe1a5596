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


rule load_benchmarks:
    output:
        out=f"<data>/{LOADED_BENCHMARKS}.parquet",
        _manifest=f"<data>/{LOADED_BENCHMARKS}.manifest.json",
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
        job("load_benchmarks", network=True)


rule load_prompts:
    input:
        f"{COUNTING}/manifest.json",
        tokenizer=f"{COUNTING}/checkpoints",
    output:
        out="<data>/{split}.parquet",
        _manifest="<data>/{split}.manifest.json",
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
        job("load_expert_set", network=True, threads=True)


if study.data.pool:

    rule rebuild_pool:
        input:
            f"{COUNTING}/manifest.json",
            tokenizer=f"{COUNTING}/checkpoints",
        output:
            out="<data>/pool.parquet",
            _manifest="<data>/pool.manifest.json",
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
            job("rebuild_pool", network=True, threads=True)


if study.data.decontamination:
    EMBEDDER = f"<results>/base/{study.data.decontamination.embedder}"
    TRAINED_ON = [
        f"<results>/sft_sets/{name}" if name in study.datasets else f"<data>/{name}"
        for name in study.data.decontamination.against
    ]

    rule decontaminate:
        input:
            f"{EMBEDDER}/manifest.json",
            f"<data>/{ALL_BENCHMARKS_SPLIT}.manifest.json",
            [f"{name}.manifest.json" for name in TRAINED_ON],
            embedder=f"{EMBEDDER}/checkpoints",
            benchmarks=f"<data>/{ALL_BENCHMARKS_SPLIT}.parquet",
            against=[f"{name}.parquet" for name in TRAINED_ON],
        output:
            out="<data>/benchmarks.parquet",
            _manifest="<data>/benchmarks.manifest.json",
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
            job("decontaminate", environment=TRAINING)
