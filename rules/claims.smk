"""How far the published numbers hold: other recipes, other fixed points, a verdict on each.

In: curves.csv, subphases.csv, fits of all protocols, claims/ (published values).
Out: <results>/sensitivity.csv, fixed_points.csv, claims.csv
"""

FITS = [f"<results>/fits/{protocol}.csv" for protocol in study.fit.protocols]
DRAWS = [f"<results>/fits/{protocol}.draws.parquet" for protocol in study.fit.protocols]


rule fixed_points:
    input:
        curves="<results>/curves.csv",
    output:
        out="<results>/fixed_points.csv",
        record="<results>/fixed_points.record.json",
    log:
        "<logs>/fixed_points.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.fixed_points),
    message:
        "looking for the published fits among the fixed points of trimming"
    shell:
        job("fixed_points")


rule refit_by_recipes:
    input:
        curves="<results>/curves.csv",
        subphases="<results>/subphases.csv",
    output:
        out="<results>/sensitivity.csv",
        out_recipes="<results>/sensitivity_recipes.csv",
        out_summary="<results>/sensitivity_summary.csv",
        out_md="<results>/sensitivity.md",
        record="<results>/sensitivity.record.json",
    log:
        "<logs>/sensitivity.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.refit_by_recipes),
    message:
        "refitting every branch under a grid of recipes"
    shell:
        job("sensitivity")


rule judge_claims:
    input:
        curves="<results>/curves.csv",
        subphases="<results>/subphases.csv",
        fits=FITS,
        draws=DRAWS[0],
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
        "judging every published number"
    shell:
        job("claims_ledger")


rule sensitivity:
    input:
        rules.refit_by_recipes.output,


rule claims:
    input:
        rules.judge_claims.output,


localrules:
    sensitivity,
    claims,
