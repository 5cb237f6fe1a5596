"""Tables of their own for artefacts that show few of the study's runs: nothing else is trained for them.

In: as of all runs (evaluate.smk, subphases.smk, fit.smk). Out: <results>/parts/PART
"""


def runs_of_part(wildcards):
    """The runs that a part of the study has curves of."""
    return evaluated_runs(plan.parts[wildcards.part])


wildcard_constraints:
    part=one_of(plan.parts),


use rule curves as part_curves with:
    input:
        grades=of_runs(f"{RESULTS}/{{run}}/grades.parquet", runs_of_part),
        compute=lambda wildcards: list_compute(runs_of_part(wildcards)),
    output:
        out="<results>/parts/{part}/curves.csv",
        record="<results>/parts/{part}/curves.record.json",
    log:
        "<logs>/part_curves/{part}.log",
    params:
        **stage(plan.part_curves),
    message:
        "gathering scores and compute of the part {wildcards.part}"


use rule subphases as part_subphases with:
    input:
        tables=lambda wildcards: [
            f"{RESULTS}/{run.path}/subphases.csv"
            for run in plan.parts[wildcards.part].list_sft_runs()
        ],
    output:
        out="<results>/parts/{part}/subphases.csv",
        record="<results>/parts/{part}/subphases.record.json",
    log:
        "<logs>/part_subphases/{part}.log",
    params:
        **stage(plan.part_subphases),
    message:
        "gathering the sub-phases of the part {wildcards.part}"


use rule fit_curves as part_fit_curves with:
    input:
        curves="<results>/parts/{part}/curves.csv",
        subphases="<results>/parts/{part}/subphases.csv",
    output:
        out="<results>/parts/{part}/fits/{protocol}.csv",
        out_draws="<results>/parts/{part}/fits/{protocol}.draws.parquet",
        record="<results>/parts/{part}/fits/{protocol}.record.json",
    log:
        "<logs>/part_fit_curves/{part}_{protocol}.log",
    params:
        **stage(plan.part_fit_curves),
    message:
        "fitting the RL branches of the part {wildcards.part}, protocol {wildcards.protocol}"
