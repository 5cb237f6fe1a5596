"""Curves and fits: every score against its compute, and the sigmoid of every RL branch.

In: grades and compute of all runs. Out: <results>/curves.csv, <results>/fits.csv
"""


def run_files(wildcards):
    """Grades and compute of every run that enters the curves, and grades of the base models."""
    compute = {"sft": "losses.csv", "rl": "compute.csv"}
    runs = evaluated_runs()
    folders = {run.path for run in runs} | {f"base/{run.model}" for run in runs}
    return [
        *(f"{RESULTS}/{folder}/grades.parquet" for folder in sorted(folders)),
        *(f"{RESULTS}/{run.path}/{compute[run.kind]}" for run in runs),
    ]


rule curves:
    input:
        run_files,
    output:
        "<results>/curves.csv",
    log:
        "<logs>/curves.log",
    params:
        **stage(plan.curves),
        runs=lambda wildcards: [run.path for run in evaluated_runs()],
        results=RESULTS,
    message:
        "gathering scores and compute of all runs"
    shell:
        "python -m workflow_scripts.curves --study {params.spec} --results {params.results}"
        " --runs {params.runs} --out {output} > {log} 2>&1"


rule fit_curves:
    input:
        curves="<results>/curves.csv",
        subphases="<results>/subphases.csv",
    output:
        "<results>/fits.csv",
    log:
        "<logs>/fit_curves.log",
    params:
        **stage(plan.fits),
    message:
        "fitting the sigmoid law to every RL branch"
    shell:
        "python -m workflow_scripts.fit_curves --curves {input.curves} --subphases {input.subphases}"
        " --spec {params.spec:q} --out {output} > {log} 2>&1"
