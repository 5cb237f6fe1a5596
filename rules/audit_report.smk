"""The audit as one self-contained page, and the text that ends a run on the terminal.

In: all artefacts of a released study. Out: <results>/report.html, <results>/summary.txt
"""


rule make_report:
    input:
        study="<results>/study.json",
        versions="<results>/versions.json",
        tables=[f"<results>/tables/table_{n}.csv" for n in (4, 5)],
        figures=[f"<results>/figures/figure_{n}.svg" for n in (3, 8)],
        correlations="<results>/figures/figure_8.csv",
        claims="<results>/claims.csv",
        quality="<results>/data_quality.csv",
        labels="<results>/labels_check.csv",
        forecasts="<results>/forecast_scores.csv",
        sensitivity="<results>/sensitivity.csv",
        recipes="<results>/sensitivity_summary.csv",
    output:
        page="<results>/report.html",
        record="<results>/report.record.json",
    log:
        "<logs>/report.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.make_report),
        caches=RELEASE.caches,
    message:
        "writing the report"
    shell:
        job(
            "audit_report",
            "--study-json {input.study}"
            " --versions {input.versions} --tables-dir $(dirname {input.tables[0]}) --figures-dir $(dirname {input.figures[0]})"
            " --claims {input.claims} --data-quality {input.quality} --labels-check {input.labels}"
            " --forecast-scores {input.forecasts} --sensitivity {input.sensitivity}"
            " --sensitivity-summary {input.recipes} --caches {params.caches} --out {output.page}",
        )


rule report:
    input:
        rules.make_report.output,


rule summary:
    input:
        claims="<results>/claims.csv",
        table_4="<results>/tables/table_4.csv",
        figure_8="<results>/figures/figure_8.csv",
        report="<results>/report.html",
    output:
        text="<results>/summary.txt",
        record="<results>/summary.record.json",
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
        job(
            "audit_summary",
            "--study {params.study} --claims {input.claims}"
            " --table-4 {input.table_4} --figure-8 {input.figure_8} --report {input.report}"
            " --out {output.text}",
        )


localrules:
    report,
