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
        "<results>/base/{model}/generations.parquet",
    log:
        "<logs>/generate_base/{model}.log",
    cache: True
    conda:
        "../envs/lab.yaml"
    threads: study.execution.threads
    params:
        **stage(lambda model: plan.generations(plan.base(model))),
    message:
        "answering the benchmarks with the base model {wildcards.model}"
    shell:
        "python -m workflow_scripts.generate --spec {params.spec:q} --title {wildcards.model}"
        " --checkpoints {input.checkpoints} --problems {input.problems} --out {output}"
        " 3>&2 > {log} 2>&1"


use rule generate_base as generate_sft with:
    input:
        checkpoints="<results>/sft/{model}/{dataset}/seed{seed}/checkpoints",
        checkpoints_manifest="<results>/sft/{model}/{dataset}/seed{seed}/manifest.json",
        problems="<data>/benchmarks.parquet",
        problems_manifest="<data>/benchmarks.manifest.json",
    output:
        "<results>/sft/{model}/{dataset}/seed{seed}/generations.parquet",
    log:
        "<logs>/generate_sft/{model}_{dataset}_seed{seed}.log",
    cache: True
    params:
        **stage(lambda model, dataset, seed: plan.generations(plan.sft(model, dataset, seed))),
    message:
        "answering the benchmarks with the checkpoints of {wildcards.dataset}, seed {wildcards.seed}"


rule grade:
    input:
        "<results>/{run}/generations.parquet",
    output:
        "<results>/{run}/grades.parquet",
    log:
        "<logs>/grade/{run}.log",
    wildcard_constraints:
        run=r"(reference|(base|sft|rl)/.+)",
    cache: True
    conda:
        "../envs/lab.yaml"
    params:
        **stage(plan.graded),
    message:
        "grading {wildcards.run}"
    shell:
        "python -m workflow_scripts.grade --generations {input} --spec {params.spec:q}"
        " --out {output} > {log} 2>&1"


rule curves:
    input:
        run_files,
    output:
        "<results>/curves.csv",
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
        "python -m workflow_scripts.curves --spec {params.spec:q} --results $(dirname {output})"
        " --runs {params.runs} --out {output} > {log} 2>&1"
