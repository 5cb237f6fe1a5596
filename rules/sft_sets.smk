"""SFT sets: drawn from the pool, by the reference model's win rate where the study says so.

In: <data>/pool.parquet, <results>/reference. Out: <results>/sft_sets, <results>/dataset_stats.csv
"""


rule select_sft_set:
    input:
        "<data>/pool.manifest.json",
        "<data>/benchmarks.manifest.json",
        "<data>/validation.manifest.json",
        pool="<data>/pool.parquet",
        benchmarks="<data>/benchmarks.parquet",
        validation="<data>/validation.parquet",
        # Without a reference, sets are drawn at random and carry no win rate.
        reference_grades=["<results>/reference/grades.parquet"] if study.reference else [],
    output:
        out="<results>/sft_sets/{dataset}.parquet",
        _manifest="<results>/sft_sets/{dataset}.manifest.json",
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
        job("select_sft_set")


rule dataset_stats:
    input:
        sets=[
            f"<results>/sft_sets/{name}.parquet"
            for name in study.datasets
            if name not in NAMED_ONLY
        ],
        splits=[f"<data>/{name}.parquet" for name in plan.measured_splits],
    output:
        out="<results>/dataset_stats.csv",
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
        job("dataset_stats")
