"""What the paper and others state, judged on a training study's own numbers.

In: curves, sub-phases, fits with their draws, data sets, grades of SFT runs, claims/.
Out: <results>/claims.csv, <results>/claims.md
"""


rule judge_claims:
    input:
        curves="<results>/curves.csv",
        subphases="<results>/subphases.csv",
        fits=MAIN_FITS,
        draws=MAIN_FITS.replace(".csv", ".draws.parquet"),
        stats="<results>/dataset_stats.csv",
        grades=[f"<results>/{run.path}/grades.parquet" for run in plan.list_sft_runs()],
    output:
        out=report("<results>/claims.csv", caption="../captions/claims.rst", category="Claims"),
        out_md="<results>/claims.md",
        record="<results>/claims.record.json",
    log:
        "<logs>/claims.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.judge_claims),
    message:
        "judging what the paper and others state on the study's own numbers"
    shell:
        job("study_claims")


rule claims:
    input:
        rules.judge_claims.output,


localrules:
    claims,
