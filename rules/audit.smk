"""Published and refitted values side by side: tables and figures of a released study.

In: curves.csv, subphases.csv, fits of all protocols, claims/ (published values). Out: <results>/tables, <results>/figures
"""


rule make_table_4:
    input:
        fits=FITS,
        fixed_points="<results>/fixed_points.csv",
    output:
        out_csv=report(
            "<results>/tables/table_4.csv", caption="../captions/table_4.rst", category="Fits"
        ),
        out_md="<results>/tables/table_4.md",
        out_tex="<results>/tables/table_4.tex",
        record="<results>/tables/table_4.record.json",
    log:
        "<logs>/table_4.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(lambda: plan.plan_artefact("table_4")),
    message:
        "table 4: every fit as published and refitted"
    shell:
        job("audit_table_4")


rule make_table_5:
    input:
        fits=FITS,
        draws=DRAWS,
        subphases="<results>/subphases.csv",
    output:
        out_csv=report(
            "<results>/tables/table_5.csv", caption="../captions/table_5.rst", category="Fits"
        ),
        out_md="<results>/tables/table_5.md",
        out_tex="<results>/tables/table_5.tex",
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
        job("audit_table_5")


rule make_figure_3:
    input:
        curves="<results>/curves.csv",
        fits=MAIN_FITS,
        subphases="<results>/subphases.csv",
        table_4="<results>/tables/table_4.csv",
    output:
        out_svg=report(
            "<results>/figures/figure_3.svg", caption="../captions/figure_3.rst", category="Fits"
        ),
        out_png="<results>/figures/figure_3.png",
        out_pdf="<results>/figures/figure_3.pdf",
        out_csv="<results>/figures/figure_3.csv",
        record="<results>/figures/figure_3.record.json",
    log:
        "<logs>/figure_3.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(lambda: plan.plan_artefact("figure_3")),
    message:
        "figure 3: all branches, measured, published and refitted"
    shell:
        job("audit_figure_3")


rule make_figure_8:
    input:
        fits=FITS,
        draws=DRAWS,
        subphases="<results>/subphases.csv",
        sensitivity="<results>/sensitivity_recipes.csv",
    output:
        out_svg=report(
            "<results>/figures/figure_8.svg", caption="../captions/figure_8.rst", category="Fits"
        ),
        out_png="<results>/figures/figure_8.png",
        out_pdf="<results>/figures/figure_8.pdf",
        out_csv="<results>/figures/figure_8.csv",
        record="<results>/figures/figure_8.record.json",
    log:
        "<logs>/figure_8.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(lambda: plan.plan_artefact("figure_8")),
    message:
        "figure 8: highest ceiling against minimum validation loss"
    shell:
        job("audit_figure_8")
