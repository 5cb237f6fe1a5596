"""Curves and fits: every score against its compute, and the sigmoid of every RL branch.

In: grades and compute of all runs. Out: <results>/curves.csv, <results>/fits.csv
"""


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
        "python -m workflow_scripts.curves --study {params.spec} --results $(dirname {output})"
        " --runs {params.runs} --out {output} > {log} 2>&1"


rule fit_curves:
    input:
        curves="<results>/curves.csv",
        subphases="<results>/subphases.csv",
    output:
        "<results>/fits.csv",
    log:
        "<logs>/fit_curves.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.fits),
    message:
        "fitting the sigmoid law to every RL branch"
    shell:
        "python -m workflow_scripts.fit_curves --curves {input.curves} --subphases {input.subphases}"
        " --spec {params.spec:q} --out {output} > {log} 2>&1"
