"""Evaluation: generations are stored first and graded by a rule of its own.

A new grader therefore regrades without a model; a generation is never made twice. The last rule
gathers every score with its compute in <results>/curves.csv.
"""

SCORED = "|".join(f"sft/{re.escape(f'{run.model}/{run.dataset}')}/" for run in SCORED_RUNS)
GRADED = f"(?!{SCORED or '(?!)'})(reference|(base|sft|rl)/.+)"


rule generate_base:
    input:
        "<results>/base/{model}/manifest.json",
        "<data>/benchmarks.manifest.json",
        checkpoints="<results>/base/{model}/checkpoints",
        problems="<data>/benchmarks.parquet",
    output:
        out="<results>/base/{model}/generations.parquet",
        record="<results>/base/{model}/generations.record.json",
    log:
        "<logs>/generate_base/{model}.log",
    cache: True
    conda:
        f"../envs/{TRAINING}.yaml"
    threads: study.execution.threads
    params:
        **stage(plan.generate_base),
    message:
        "answering the benchmarks with the base model {wildcards.model}"
    shell:
        job("generate", environment=TRAINING, title="{wildcards.model}")


use rule generate_base as generate_sft with:
    input:
        "<results>/sft/{model}/{dataset}/seed{seed}/manifest.json",
        "<data>/benchmarks.manifest.json",
        checkpoints="<results>/sft/{model}/{dataset}/seed{seed}/checkpoints",
        problems="<data>/benchmarks.parquet",
    output:
        out="<results>/sft/{model}/{dataset}/seed{seed}/generations.parquet",
        record="<results>/sft/{model}/{dataset}/seed{seed}/generations.record.json",
    log:
        "<logs>/generate_sft/{model}_{dataset}_seed{seed}.log",
    cache: True
    params:
        **stage(plan.generate_sft),
    message:
        "answering the benchmarks with the checkpoints of {wildcards.dataset}, seed {wildcards.seed}"


rule grade:
    input:
        generations="<results>/{run}/generations.parquet",
    output:
        out="<results>/{run}/grades.parquet",
        record="<results>/{run}/grades.record.json",
    log:
        "<logs>/grade/{run}.log",
    wildcard_constraints:
        run=GRADED,
    cache: True
    conda:
        "../envs/lab.yaml"
    params:
        **stage(plan.grade),
    message:
        "grading {wildcards.run}"
    shell:
        job("grade")


rule curves:
    input:
        decisions,
        grades=of_runs(f"{RESULTS}/{{run}}/grades.parquet"),
        compute=compute_of_runs,
    output:
        out="<results>/curves.csv",
        record="<results>/curves.record.json",
    log:
        "<logs>/curves.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.curves),
    message:
        "gathering scores and compute of all runs"
    shell:
        job("curves")
