"""Collapses explained: the history of every RL branch that collapsed, and what moved first.

In: curves.csv, fits of the main protocol, what RL logged. Out: <results>/collapses.csv, figures/collapses.svg
"""


def histories_of_branches(wildcards):
    """What every RL run that enters the curves has logged: known once labels are."""
    runs = [run for run in evaluated_runs() if run.kind == "rl"]
    return [f"{RESULTS}/{run.path}/history.parquet" for run in runs]


rule make_collapses:
    input:
        decisions,
        curves="<results>/curves.csv",
        fits=MAIN_FITS,
        histories=histories_of_branches,
    output:
        out="<results>/collapses.csv",
        out_svg="<results>/figures/collapses.svg",
        record="<results>/collapses.record.json",
    log:
        "<logs>/collapses.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.make_collapses),
    message:
        "what was logged of branches that collapsed"
    shell:
        job("collapses")


rule collapses:
    input:
        rules.make_collapses.output,


localrules:
    collapses,
