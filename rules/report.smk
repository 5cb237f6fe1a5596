"""The answer, the report (one self-contained page), and the text that ends a run on the terminal.

In: all tables and figures. Out: <results>/answer.json, <results>/report.html, <results>/summary.txt
"""

from retu.planning.artefact_choice import list_further_artefacts

ANSWERED = [run for run in plan.list_sft_runs() if not plan.has_scores(run)]
FURTHER = list_further_artefacts(study)
SHOWN_FIGURES = ("figure_2", "figure_3", "figure_8", "collapses")
FURTHER_FIGURES = [name for name in FURTHER if name.startswith("figure_")]


rule answer:
    input:
        curves="<results>/curves.csv",
        subphases="<results>/subphases.csv",
        fits=MAIN_FITS,
        grades=[f"<results>/{run.path}/grades.parquet" for run in plan.list_sft_runs()],
    output:
        out="<results>/answer.json",
        record="<results>/answer.record.json",
    log:
        "<logs>/answer.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.answer),
    message:
        "saying what the data allow"
    shell:
        job("answer")


rule make_report:
    input:
        decisions,
        "<results>/figures/figure_2.csv",
        "<results>/figures/figure_8.csv",
        study_json="<results>/study.json",
        answer="<results>/answer.json",
        versions="<results>/versions.json",
        curves="<results>/curves.csv",
        fits=MAIN_FITS,
        subphases="<results>/subphases.csv",
        collapses="<results>/collapses.csv",
        tables=[f"<results>/tables/table_{n}.{kind}" for n in (3, 4) for kind in ("csv", "md")],
        figures=[f"<results>/figures/{name}.svg" for name in SHOWN_FIGURES],
        further_tables=[f"<results>/tables/{n}.csv" for n in FURTHER if n not in FURTHER_FIGURES],
        further_figures=[f"<results>/figures/{n}.svg" for n in FURTHER_FIGURES],
        histories=histories_of_branches,
        grades=[f"<results>/{run.path}/grades.parquet" for run in ANSWERED],
        generations=[f"<results>/{run.path}/generations.parquet" for run in ANSWERED],
        hypotheses=[f"<results>/{n}.csv" for n in ("hypotheses",) if JUDGED],
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
        job("report")


rule report:
    input:
        rules.make_report.output,


rule summary:
    input:
        fits=MAIN_FITS,
        curves="<results>/curves.csv",
        answer="<results>/answer.json",
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
        job("summary")


localrules:
    report,
