"""How far the published numbers hold: other recipes, other fixed points, a verdict on each.

In: curves.csv, subphases.csv, fits of all protocols, claims/ (published values).
Out: <results>/sensitivity.csv, fixed_points.csv, claims.csv
"""

FITS = [f"<results>/fits/{protocol}.csv" for protocol in study.fit.protocols]
DRAWS = [f"<results>/fits/{protocol}.draws.parquet" for protocol in study.fit.protocols]


rule fixed_points:
    input:
        "<results>/curves.csv",
    output:
        points="<results>/fixed_points.csv",
        record="<results>/fixed_points.record.json",
    log:
        "<logs>/fixed_points.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.fixed_points),
        listed=study.fit.listed["paper"],
    message:
        "looking for the published fits among the fixed points of trimming"
    shell:
        job(
            "fixed_points",
            "--curves {input} --spec {params.spec:q}"
            " --listed {params.listed} --table-4 claims/table_4.csv --out {output.points}",
        )


rule refit_by_recipes:
    input:
        curves="<results>/curves.csv",
        subphases="<results>/subphases.csv",
    output:
        branches="<results>/sensitivity.csv",
        recipes="<results>/sensitivity_recipes.csv",
        summary="<results>/sensitivity_summary.csv",
        md="<results>/sensitivity.md",
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
        job(
            "sensitivity",
            "--curves {input.curves}"
            " --subphases {input.subphases} --spec {params.spec:q} --out {output.branches}"
            " --out-recipes {output.recipes} --out-summary {output.summary} --out-md {output.md}",
        )


rule judge_claims:
    input:
        curves="<results>/curves.csv",
        subphases="<results>/subphases.csv",
        fits=FITS,
        draws=DRAWS[0],
    output:
        csv="<results>/claims.csv",
        md="<results>/claims.md",
        record="<results>/claims.record.json",
    log:
        "<logs>/claims.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.judge_claims),
        settings=RELEASE.kit_settings,
    message:
        "judging every published number"
    shell:
        job(
            "claims_ledger",
            "--claims-dir claims --curves {input.curves}"
            " --subphases {input.subphases} --fits {input.fits} --draws {input.draws}"
            " --settings {params.settings} --out {output.csv} --out-md {output.md}",
        )


rule sensitivity:
    input:
        rules.refit_by_recipes.output,


rule claims:
    input:
        rules.judge_claims.output,


localrules:
    sensitivity,
    claims,
