"""Published and refitted values side by side: tables and figures of a released study.

In: curves.csv, subphases.csv, fits of all protocols, claims/ (published values). Out: <results>/tables, <results>/figures
"""

ORDER = ",".join(study.datasets)


rule make_table_4:
    input:
        fits=FITS,
        fixed_points="<results>/fixed_points.csv",
    output:
        csv="<results>/tables/table_4.csv",
        md="<results>/tables/table_4.md",
        record="<results>/tables/table_4.record.json",
    log:
        "<logs>/table_4.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(lambda: plan.plan_artefact("table_4")),
        order=ORDER,
    message:
        "table 4: every fit as published and refitted"
    shell:
        job(
            "audit_table_4",
            "--published claims/table_4.csv"
            " --fits {input.fits} --fixed-points {input.fixed_points} --order {params.order}"
            " --out-csv {output.csv} --out-md {output.md}",
        )


rule make_table_5:
    input:
        fits=FITS,
        draws=DRAWS,
        subphases="<results>/subphases.csv",
    output:
        csv="<results>/tables/table_5.csv",
        md="<results>/tables/table_5.md",
        record="<results>/tables/table_5.record.json",
    log:
        "<logs>/table_5.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(lambda: plan.plan_artefact("table_5")),
    message:
        "table 5: ceilings and minimum losses over sets of growing size"
    shell:
        job(
            "audit_table_5",
            "--published claims/table_5.csv"
            " --fits {input.fits} --draws {input.draws} --subphases {input.subphases}"
            " --out-csv {output.csv} --out-md {output.md}",
        )


rule make_figure_3:
    input:
        curves="<results>/curves.csv",
        fits=MAIN_FITS,
        subphases="<results>/subphases.csv",
        table_4="<results>/tables/table_4.csv",
    output:
        svg="<results>/figures/figure_3.svg",
        png="<results>/figures/figure_3.png",
        record="<results>/figures/figure_3.record.json",
    log:
        "<logs>/figure_3.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(lambda: plan.plan_artefact("figure_3")),
        order=ORDER,
    message:
        "figure 3: all branches, measured, published and refitted"
    shell:
        job(
            "audit_figure_3",
            "--curves {input.curves} --fits {input.fits}"
            " --subphases {input.subphases} --table-4 {input.table_4} --order {params.order}"
            " --out-svg {output.svg} --out-png {output.png}",
        )


rule make_figure_8:
    input:
        fits=FITS,
        draws=DRAWS,
        subphases="<results>/subphases.csv",
        recipes="<results>/sensitivity_recipes.csv",
    output:
        svg="<results>/figures/figure_8.svg",
        png="<results>/figures/figure_8.png",
        csv="<results>/figures/figure_8.csv",
        record="<results>/figures/figure_8.record.json",
    log:
        "<logs>/figure_8.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(lambda: plan.plan_artefact("figure_8")),
        order=ORDER,
    message:
        "figure 8: highest ceiling against minimum validation loss"
    shell:
        job(
            "audit_figure_8",
            "--published claims/figure_8.csv"
            " --fits {input.fits} --draws {input.draws} --subphases {input.subphases}"
            " --sensitivity {input.recipes} --order {params.order} --out-svg {output.svg}"
            " --out-png {output.png} --out-csv {output.csv}",
        )


rule table_4:
    input:
        rules.make_table_4.output,


rule table_5:
    input:
        rules.make_table_5.output,


rule figure_3:
    input:
        rules.make_figure_3.output,


rule figure_8:
    input:
        rules.make_figure_8.output,


localrules:
    table_4,
    table_5,
    figure_3,
    figure_8,
