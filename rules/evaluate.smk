"""Evaluation: generations are stored first and graded by a rule of its own.

A new grader therefore regrades without a model; a generation is never made twice. The last rule
gathers every score with its compute in <results>/curves.csv.
"""


rule generate_base:
    input:
        checkpoints="<results>/base/{model}/checkpoints",
        checkpoints_manifest="<results>/base/{model}/manifest.json",
        problems="<data>/benchmarks.parquet",
        problems_manifest="<data>/benchmarks.manifest.json",
    output:
        generations="<results>/base/{model}/generations.parquet",
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
        job(
            "generate",
            "--spec {params.spec:q} --title {wildcards.model}"
            " --checkpoints {input.checkpoints} --problems {input.problems} --out {output.generations}",
            environment=TRAINING,
        )


use rule generate_base as generate_sft with:
    input:
        checkpoints="<results>/sft/{model}/{dataset}/seed{seed}/checkpoints",
        checkpoints_manifest="<results>/sft/{model}/{dataset}/seed{seed}/manifest.json",
        problems="<data>/benchmarks.parquet",
        problems_manifest="<data>/benchmarks.manifest.json",
    output:
        generations="<results>/sft/{model}/{dataset}/seed{seed}/generations.parquet",
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
        "<results>/{run}/generations.parquet",
    output:
        grades="<results>/{run}/grades.parquet",
        record="<results>/{run}/grades.record.json",
    log:
        "<logs>/grade/{run}.log",
    wildcard_constraints:
        run=r"(reference|(base|sft|rl)/.+)",
    cache: True
    conda:
        "../envs/lab.yaml"
    params:
        **stage(plan.grade),
    message:
        "grading {wildcards.run}"
    shell:
        job(
            "grade",
            "--generations {input} --spec {params.spec:q}" " --out {output.grades}",
        )


rule curves:
    input:
        run_files,
    output:
        curves="<results>/curves.csv",
        record="<results>/curves.record.json",
    log:
        "<logs>/curves.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.curves),
        runs=lambda wildcards: [run.path for run in evaluated_runs()],
    message:
        "gathering scores and compute of all runs"
    shell:
        job(
            "curves",
            "--spec {params.spec:q} --results $(dirname {output.curves})"
            " --runs {params.runs} --out {output.curves}",
        )
