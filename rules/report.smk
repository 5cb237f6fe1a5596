"""The report: one self-contained page, and the table that ends a run on the terminal.

In: all tables and figures. Out: <results>/report.html, <results>/summary.txt
"""


rule make_report:
    input:
        study="<results>/study.json",
        versions="<results>/versions.json",
        curves="<results>/curves.csv",
        fits=MAIN_FITS,
        subphases="<results>/subphases.csv",
        tables=[f"<results>/artefacts/table_{n}.{kind}" for n in (3, 4) for kind in ("csv", "md")],
        figures=[f"<results>/artefacts/figure_{n}.svg" for n in (2, 3, 8)],
        paradigms="<results>/artefacts/figure_2.csv",
        correlation="<results>/artefacts/figure_8.csv",
    output:
        "<results>/report.html",
    log:
        "<logs>/report.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.report),
    message:
        "writing the report"
    shell:
        "python -m workflow_scripts.report --study-json {input.study} --versions {input.versions}"
        " --artefacts-dir $(dirname {input.correlation}) --curves {input.curves} --fits {input.fits}"
        " --subphases {input.subphases} --out {output} > {log} 2>&1"


rule report:
    input:
        rules.make_report.output,


rule summary:
    input:
        fits=MAIN_FITS,
        report="<results>/report.html",
    output:
        "<results>/summary.txt",
    log:
        "<logs>/summary.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(lambda: plan.artefact("summary")),
    message:
        "summing up"
    shell:
        "python -m workflow_scripts.summary --fits {input.fits} --report {input.report}"
        " --out {output} > {log} 2>&1"


localrules:
    report,
