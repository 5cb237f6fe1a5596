"""Tables, named as in the paper: `snakemake table_4`. A study may lack the runs that one is about.

In: dataset_stats.csv, subphases.csv, curves.csv, fits. Out: <results>/tables
"""


rule make_table_1:
    input:
        curves=shown("table_1", "curves.csv"),
        subphases=shown("table_1", "subphases.csv"),
    output:
        out_csv=report(
            "<results>/tables/table_1.csv", caption="../captions/table_1.rst", category="Scores"
        ),
        out_md="<results>/tables/table_1.md",
        out_tex="<results>/tables/table_1.tex",
        record="<results>/tables/table_1.record.json",
    log:
        "<logs>/table_1.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(lambda: plan.plan_artefact("table_1")),
    message:
        "table 1: the highest score of every paradigm and data set"
    shell:
        job("table_1")


rule make_table_3:
    input:
        stats="<results>/dataset_stats.csv",
    output:
        out_csv=report(
            "<results>/tables/table_3.csv", caption="../captions/table_3.rst", category="Data"
        ),
        out_md="<results>/tables/table_3.md",
        out_tex="<results>/tables/table_3.tex",
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
        "table 4: the fitted curve of every branch"
    shell:
        job("table_4")


rule make_table_5:
    input:
        fits=shown("table_5", FITS),
        subphases=shown("table_5", "subphases.csv"),
        stats="<results>/dataset_stats.csv",
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
        job("table_5")


rule make_table_6:
    input:
        fits=shown("table_6", FITS),
        curves=shown("table_6", "curves.csv"),
        subphases=shown("table_6", "subphases.csv"),
    output:
        out_csv=report(
            "<results>/tables/table_6.csv", caption="../captions/table_6.rst", category="Fits"
        ),
        out_md="<results>/tables/table_6.md",
        out_tex="<results>/tables/table_6.tex",
        record="<results>/tables/table_6.record.json",
    log:
        "<logs>/table_6.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(lambda: plan.plan_artefact("table_6")),
    message:
        "table 6: RL of a larger model, from step 0 on"
    shell:
        job("table_6")


rule make_per_benchmark:
    input:
        curves="<results>/curves.csv",
    output:
        out_csv=report(
            "<results>/tables/per_benchmark.csv",
            caption="../captions/per_benchmark.rst",
            category="Scores",
        ),
        out_md="<results>/tables/per_benchmark.md",
        out_tex="<results>/tables/per_benchmark.tex",
        record="<results>/tables/per_benchmark.record.json",
    log:
        "<logs>/per_benchmark.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(lambda: plan.plan_artefact("per_benchmark")),
    message:
        "every run benchmark by benchmark"
    shell:
        job("per_benchmark")
