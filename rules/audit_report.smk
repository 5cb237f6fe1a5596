"""The audit as one self-contained page, and the text that ends a run on the terminal.

In: all artefacts of a released study. Out: <results>/report.html, <results>/summary.txt
"""


rule make_report:
    input:
        study="<results>/study.json",
        versions="<results>/versions.json",
        tables=[f"<results>/artefacts/table_{n}.csv" for n in (4, 5)],
        figures=[f"<results>/artefacts/figure_{n}.svg" for n in (3, 8)],
        correlations="<results>/artefacts/figure_8.csv",
        claims="<results>/claims.csv",
        quality="<results>/data_quality.csv",
        labels="<results>/labels_check.csv",
        forecasts="<results>/forecast_scores.csv",
        sensitivity="<results>/sensitivity.csv",
        recipes="<results>/sensitivity_summary.csv",
    output:
        "<results>/report.html",
    log:
        "<logs>/report.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.report),
        caches=RELEASE.caches,
    message:
        "writing the report"
    shell:
        "python -m workflow_scripts.audit_report --study-json {input.study}"
        " --versions {input.versions} --artefacts-dir $(dirname {input.correlations})"
        " --claims {input.claims} --data-quality {input.quality} --labels-check {input.labels}"
        " --forecast-scores {input.forecasts} --sensitivity {input.sensitivity}"
        " --sensitivity-summary {input.recipes} --caches {params.caches} --out {output}"
        " > {log} 2>&1"


rule report:
    input:
        rules.make_report.output,


rule summary:
    input:
        claims="<results>/claims.csv",
        table_4="<results>/artefacts/table_4.csv",
        figure_8="<results>/artefacts/figure_8.csv",
        report="<results>/report.html",
    output:
        "<results>/summary.txt",
    log:
        "<logs>/summary.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.summary),
        study=study.name,
    message:
        "summing up"
    shell:
        "python -m workflow_scripts.audit_summary --study {params.study} --claims {input.claims}"
        " --table-4 {input.table_4} --figure-8 {input.figure_8} --report {input.report}"
        " --out {output} > {log} 2>&1"


localrules:
    report,
