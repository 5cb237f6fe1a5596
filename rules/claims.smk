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
        "<results>/fixed_points.csv",
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
        "python -m workflow_scripts.fixed_points --curves {input} --spec {params.spec:q}"
        " --listed {params.listed} --table-4 claims/table_4.csv --out {output} > {log} 2>&1"


rule refit_by_recipes:
    input:
        curves="<results>/curves.csv",
        subphases="<results>/subphases.csv",
    output:
        branches="<results>/sensitivity.csv",
        recipes="<results>/sensitivity_recipes.csv",
        summary="<results>/sensitivity_summary.csv",
        md="<results>/sensitivity.md",
    log:
        "<logs>/sensitivity.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.sensitivity),
    message:
        "refitting every branch under a grid of recipes"
    shell:
        "python -m workflow_scripts.sensitivity --curves {input.curves}"
        " --subphases {input.subphases} --spec {params.spec:q} --out {output.branches}"
        " --out-recipes {output.recipes} --out-summary {output.summary} --out-md {output.md}"
        " > {log} 2>&1"


rule judge_claims:
    input:
        curves="<results>/curves.csv",
        subphases="<results>/subphases.csv",
        fits=FITS,
        draws=DRAWS[0],
    output:
        csv="<results>/claims.csv",
        md="<results>/claims.md",
    log:
        "<logs>/claims.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.claims),
        settings=RELEASE.kit_settings,
    message:
        "judging every published number"
    shell:
        "python -m workflow_scripts.claims_ledger --claims-dir claims --curves {input.curves}"
        " --subphases {input.subphases} --fits {input.fits} --draws {input.draws}"
        " --settings {params.settings} --out {output.csv} --out-md {output.md} > {log} 2>&1"


rule sensitivity:
    input:
        rules.refit_by_recipes.output,


rule claims:
    input:
        rules.judge_claims.output,


localrules:
    sensitivity,
    claims,
