"""The audit as one self-contained page, and the text that ends a run on the terminal.

In: all artefacts of a released study. Out: <results>/report.html, <results>/summary.txt
"""


rule make_report:
    input:
        "<results>/figures/figure_8.csv",
        study_json="<results>/study.json",
        versions="<results>/versions.json",
        tables=[f"<results>/tables/table_{n}.csv" for n in (4, 5)],
        figures=[f"<results>/figures/figure_{n}.svg" for n in (3, 8)],
        claims="<results>/claims.csv",
        data_quality="<results>/data_quality.csv",
        labels_check="<results>/labels_check.csv",
        forecast_scores="<results>/forecast_scores.csv",
        sensitivity="<results>/sensitivity.csv",
        sensitivity_summary="<results>/sensitivity_summary.csv",
        curves="<results>/curves.csv",
        fits=MAIN_FITS,
        subphases="<results>/subphases.csv",
    output:
        out=report("<results>/report.html", caption="../captions/report.rst", category="Report"),
        record="<results>/report.record.json",
    log:
        "<logs>/report.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.make_report),
    message:
        "writing the report"
    shell:
        job("audit_report")


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
        out="<results>/summary.txt",
        record="<results>/summary.record.json",
    log:
        "<logs>/summary.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.summary),
    message:
        "summing up"
    shell:
        job("audit_summary")


localrules:
    report,
