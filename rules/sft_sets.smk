"""SFT sets: drawn from the pool, by the reference model's win rate where the study says so.

In: <data>/pool.parquet, <results>/reference. Out: <results>/sft_sets, <results>/dataset_stats.csv
"""


rule select_sft_set:
    input:
        pool="<data>/pool.parquet",
        pool_manifest="<data>/pool.manifest.json",
        benchmarks="<data>/benchmarks.parquet",
        benchmarks_manifest="<data>/benchmarks.manifest.json",
        validation="<data>/validation.parquet",
        validation_manifest="<data>/validation.manifest.json",
        # Without a reference, sets are drawn at random and carry no win rate.
        reference_grades=["<results>/reference/grades.parquet"] if study.reference else [],
    output:
        data="<results>/sft_sets/{dataset}.parquet",
        manifest="<results>/sft_sets/{dataset}.manifest.json",
        record="<results>/sft_sets/{dataset}.record.json",
    log:
        "<logs>/select_sft_set/{dataset}.log",
    wildcard_constraints:
        dataset=one_of(DRAWN),
    cache: True
    conda:
        "../envs/lab.yaml"
    params:
        **stage(plan.select_sft_set),
    message:
        "drawing the SFT set {wildcards.dataset}"
    shell:
        job(
            "select_sft_set",
            "--spec {params.spec:q} --pool {input.pool}"
            " --reference-grades {input.reference_grades} --benchmarks {input.benchmarks}"
            " --validation {input.validation} --out {output.data}"
            # Drawn data are disjoint; of those of a hub, what is held out is left out here.
            + (" --overlap leave_out" if HUB else ""),
        )


rule dataset_stats:
    input:
        sets=[f"<results>/sft_sets/{name}.parquet" for name in study.datasets],
        splits=[f"<data>/{name}.parquet" for name in plan.measured_splits],
    output:
        stats="<results>/dataset_stats.csv",
        record="<results>/dataset_stats.record.json",
    log:
        "<logs>/dataset_stats.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.dataset_stats),
    message:
        "measuring the data sets"
    shell:
        job(
            "dataset_stats",
            "--spec {params.spec:q} --sets {input.sets}"
            " --splits {input.splits} --out {output.stats}",
        )
