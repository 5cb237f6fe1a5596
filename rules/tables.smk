"""Tables and figures, named as in the paper: `snakemake table_4`, `snakemake figure_3`.

In: dataset_stats.csv, subphases.csv, curves.csv, fits. Out: <results>/tables, <results>/figures
"""


rule make_table_3:
    input:
        stats="<results>/dataset_stats.csv",
    output:
        out_csv="<results>/tables/table_3.csv",
        out_md="<results>/tables/table_3.md",
        record="<results>/tables/table_3.record.json",
    log:
        "<logs>/table_3.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(lambda: plan.plan_artefact("table_3")),
    message:
        "table 3: the data sets"
    shell:
        job("table_3")


rule make_table_4:
    input:
        fits=MAIN_FITS,
        curves="<results>/curves.csv",
    output:
        out_csv="<results>/tables/table_4.csv",
        out_md="<results>/tables/table_4.md",
        record="<results>/tables/table_4.record.json",
    log:
        "<logs>/table_4.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(lambda: plan.plan_artefact("table_4")),
    message:
        "table 4: the fitted curve of every branch"
    shell:
        job("table_4")


rule make_figure_2:
    input:
        curves="<results>/curves.csv",
        fits=MAIN_FITS,
    output:
        out_svg="<results>/figures/figure_2.svg",
        out_png="<results>/figures/figure_2.png",
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
        out_svg="<results>/figures/figure_3.svg",
        out_png="<results>/figures/figure_3.png",
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


rule make_figure_8:
    input:
        fits=MAIN_FITS,
        subphases="<results>/subphases.csv",
    output:
        out_svg="<results>/figures/figure_8.svg",
        out_png="<results>/figures/figure_8.png",
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


rule table_3:
    input:
        rules.make_table_3.output,


rule table_4:
    input:
        rules.make_table_4.output,


rule figure_2:
    input:
        rules.make_figure_2.output,


rule figure_3:
    input:
        rules.make_figure_3.output,


rule figure_8:
    input:
        rules.make_figure_8.output,


localrules:
    table_3,
    table_4,
    figure_2,
    figure_3,
    figure_8,
