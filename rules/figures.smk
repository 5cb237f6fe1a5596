"""Figures, named as in the paper: `snakemake figure_3`. A study may lack the runs that one is about.

In: dataset_stats.csv, subphases.csv, curves.csv, fits. Out: <results>/figures
"""


rule make_figure_2:
    input:
        curves="<results>/curves.csv",
        fits=MAIN_FITS,
    output:
        out_svg=report(
            "<results>/figures/figure_2.svg", caption="../captions/figure_2.rst", category="Scores"
        ),
        out_png="<results>/figures/figure_2.png",
        out_pdf="<results>/figures/figure_2.pdf",
        out_csv="<results>/figures/figure_2.csv",
        out_md="<results>/figures/figure_2.md",
        record="<results>/figures/figure_2.record.json",
    log:
        "<logs>/figure_2.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(lambda: plan.plan_artefact("figure_2")),
    message:
        "figure 2: the paradigms"
    shell:
        job("figure_2")


rule make_figure_3:
    input:
        curves="<results>/curves.csv",
        fits=MAIN_FITS,
        subphases="<results>/subphases.csv",
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
        "figure 3: RL from every branch point"
    shell:
        job("figure_3")


rule make_figure_4:
    input:
        curves=shown("figure_4", "curves.csv"),
    output:
        out_svg=report(
            "<results>/figures/figure_4.svg", caption="../captions/figure_4.rst", category="Scores"
        ),
        out_png="<results>/figures/figure_4.png",
        out_pdf="<results>/figures/figure_4.pdf",
        out_csv="<results>/figures/figure_4.csv",
        record="<results>/figures/figure_4.record.json",
    log:
        "<logs>/figure_4.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(lambda: plan.plan_artefact("figure_4")),
    message:
        "figure 4: scores out of distribution"
    shell:
        job("figure_4")


rule make_figure_7:
    input:
        curves=shown("figure_7", "curves.csv"),
        fits=shown("figure_7", FITS),
        subphases=shown("figure_7", "subphases.csv"),
        stats="<results>/dataset_stats.csv",
    output:
        out_svg=report(
            "<results>/figures/figure_7.svg", caption="../captions/figure_7.rst", category="Fits"
        ),
        out_png="<results>/figures/figure_7.png",
        out_pdf="<results>/figures/figure_7.pdf",
        out_csv="<results>/figures/figure_7.csv",
        record="<results>/figures/figure_7.record.json",
    log:
        "<logs>/figure_7.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(lambda: plan.plan_artefact("figure_7")),
    message:
        "figure 7: RL from data sets of growing size"
    shell:
        job("figure_7")


rule make_figure_8:
    input:
        fits=MAIN_FITS,
        subphases="<results>/subphases.csv",
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
        "figure 8: ceiling against minimum validation loss"
    shell:
        job("figure_8")
