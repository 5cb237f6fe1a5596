"""Hypotheses that were registered before the runs, judged over models that are replicates.

In: grades of the replicates' SFT and RL runs, sub-phases, fits, data sets, claims/hypotheses.yaml.
Out: <results>/hypotheses.csv, hypotheses_replicates.csv, hypotheses.md, figures/hypotheses
"""


def grades_of_replicates(wildcards):
    """The grades of every SFT and RL run of a replicate, the latter known once labels are."""
    runs = [run for run in evaluated_runs() if run.model in study.hypotheses.replicates]
    return [f"{RESULTS}/{run.path}/grades.parquet" for run in runs]


rule judge_hypotheses:
    input:
        decisions,
        grades=grades_of_replicates,
        subphases="<results>/subphases.csv",
        fits=MAIN_FITS,
        stats="<results>/dataset_stats.csv",
    output:
        out="<results>/hypotheses.csv",
        out_replicates="<results>/hypotheses_replicates.csv",
        out_md="<results>/hypotheses.md",
        out_svg="<results>/figures/hypotheses.svg",
        out_png="<results>/figures/hypotheses.png",
        out_pdf="<results>/figures/hypotheses.pdf",
        record="<results>/hypotheses.record.json",
    log:
        "<logs>/hypotheses.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.judge_hypotheses),
    message:
        "judging the registered hypotheses over replicates"
    shell:
        job("judge_hypotheses")


rule hypotheses:
    input:
        rules.judge_hypotheses.output,


localrules:
    hypotheses,
