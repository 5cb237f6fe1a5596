"""Tables and figures without released data: what is published, its verdict, and what is missing.

In: claims.csv. Out: <results>/published
"""

from retu.planning.released_plan import UNRELEASED_ARTEFACTS

for artefact in UNRELEASED_ARTEFACTS:

    rule:
        name:
            f"make_{artefact}"
        input:
            claims="<results>/claims.csv",
        output:
            out_csv=f"<results>/published/{artefact}.csv",
            out_md=f"<results>/published/{artefact}.md",
            out_tex=f"<results>/published/{artefact}.tex",
            record=f"<results>/published/{artefact}.record.json",
        log:
            f"<logs>/{artefact}.log",
        conda:
            "../envs/analysis.yaml"
        params:
            **stage(lambda artefact=artefact: plan.plan_artefact(artefact)),
        message:
            f"{artefact}: as published"
        shell:
            job("published_artefact")


rule make_per_benchmark:
    input:
        curves="<results>/curves.csv",
    output:
        out_csv="<results>/tables/per_benchmark.csv",
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
