"""Tables and figures as another grader has them (regrade.smk).

In, out: as in tables.smk, with the other grader's curves and fits, below <results>/regraded/NAME
"""


use rule make_table_4 as regrade_make_table_4 with:
    input:
        fits=REGRADED_FITS,
        curves="<results>/regraded/{grader}/curves.csv",
    output:
        out_csv="<results>/regraded/{grader}/tables/table_4.csv",
        out_md="<results>/regraded/{grader}/tables/table_4.md",
        out_tex="<results>/regraded/{grader}/tables/table_4.tex",
        record="<results>/regraded/{grader}/tables/table_4.record.json",
    log:
        "<logs>/regrade_make_table_4/{grader}.log",
    params:
        **again("make_table_4"),
    message:
        "table 4 as {wildcards.grader} has it"


use rule make_figure_2 as regrade_make_figure_2 with:
    input:
        curves="<results>/regraded/{grader}/curves.csv",
        fits=REGRADED_FITS,
    output:
        out_svg="<results>/regraded/{grader}/figures/figure_2.svg",
        out_png="<results>/regraded/{grader}/figures/figure_2.png",
        out_pdf="<results>/regraded/{grader}/figures/figure_2.pdf",
        out_csv="<results>/regraded/{grader}/figures/figure_2.csv",
        out_md="<results>/regraded/{grader}/figures/figure_2.md",
        record="<results>/regraded/{grader}/figures/figure_2.record.json",
    log:
        "<logs>/regrade_make_figure_2/{grader}.log",
    params:
        **again("make_figure_2"),
    message:
        "figure 2 as {wildcards.grader} has it"


use rule make_figure_8 as regrade_make_figure_8 with:
    input:
        fits=REGRADED_FITS,
        subphases="<results>/subphases.csv",
    output:
        out_svg="<results>/regraded/{grader}/figures/figure_8.svg",
        out_png="<results>/regraded/{grader}/figures/figure_8.png",
        out_pdf="<results>/regraded/{grader}/figures/figure_8.pdf",
        out_csv="<results>/regraded/{grader}/figures/figure_8.csv",
        record="<results>/regraded/{grader}/figures/figure_8.record.json",
    log:
        "<logs>/regrade_make_figure_8/{grader}.log",
    params:
        **again("make_figure_8"),
    message:
        "figure 8 as {wildcards.grader} has it"
