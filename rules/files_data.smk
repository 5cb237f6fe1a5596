"""Data of your own: SFT sets, validation, RL prompts and benchmarks from files or a hub's data sets.

In: the files that the study names, read by their bytes. Out: <data>/SPLIT.parquet,
<results>/sft_sets/{dataset}.parquet
"""

from retu.config.files_study import FileBenchmark

OWN_SETS = [name for name in study.datasets if name not in (*DRAWN, *NAMED_ONLY)]
TRAINED = [name for name in ("pool", "reference") if getattr(study.data, name)]
OWN_SPLITS = ["validation", *study.data.prompts, *TRAINED]


def made_rows_of(wildcards):
    """The file of a set, if a rule makes it; the user's are told by the plan."""
    if "dataset" in wildcards.keys():
        return plan.find_made_files(study.datasets[wildcards.dataset])
    return plan.find_made_files(plan.find_rows(wildcards.split))


def judged_sets(wildcards):
    """The sets of which this one must have no problem."""
    trained = "dataset" in wildcards.keys() or wildcards.split in TRAINED
    names = ["benchmarks", *(["validation"] if trained else [])]
    return [f"data/{study.name}/{name}.parquet" for name in names]


def judged_manifests(wildcards):
    """Their manifests."""
    return [path.replace(".parquet", ".manifest.json") for path in judged_sets(wildcards)]


rule load_file_benchmarks:
    input:
        rows=plan.find_made_files(*study.benchmarks.values()),
    output:
        out="<data>/benchmarks.parquet",
        _manifest="<data>/benchmarks.manifest.json",
        record="<data>/benchmarks.record.json",
    log:
        "<logs>/load_file_benchmarks.log",
    conda:
        "../envs/lab.yaml"
    params:
        **stage(plan.load_file_benchmarks),
    message:
        "reading the benchmarks"
    shell:
        job("load_file_benchmarks", network=True)


rule load_file_split:
    input:
        judged_manifests,
        rows=made_rows_of,
        judged=judged_sets,
    output:
        out="<data>/{split}.parquet",
        _manifest="<data>/{split}.manifest.json",
        record="<data>/{split}.record.json",
    log:
        "<logs>/load_file_split/{split}.log",
    wildcard_constraints:
        split=one_of(OWN_SPLITS),
    conda:
        "../envs/lab.yaml"
    params:
        **stage(plan.load_file_split),
    message:
        "reading {wildcards.split}"
    shell:
        job("load_file_set", network=True)


rule load_file_set:
    input:
        judged_manifests,
        rows=made_rows_of,
        judged=judged_sets,
    output:
        out="<results>/sft_sets/{dataset}.parquet",
        _manifest="<results>/sft_sets/{dataset}.manifest.json",
        record="<results>/sft_sets/{dataset}.record.json",
    log:
        "<logs>/load_file_set/{dataset}.log",
    wildcard_constraints:
        dataset=one_of(OWN_SETS),
    conda:
        "../envs/lab.yaml"
    params:
        **stage(plan.load_file_set),
    message:
        "reading the SFT set {wildcards.dataset}"
    shell:
        job("load_file_set", network=True)
