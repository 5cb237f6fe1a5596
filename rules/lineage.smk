"""Lineage: the records of all jobs become the pointers of DVC (docs/lineage.md).

In: everything that the study makes. Out: lineage/STUDY/dvc.yaml, lineage/STUDY/dvc.lock
"""


# Pointers are committed: `update` keeps the present ones until the new ones are whole.
rule lineage:
    input:
        "<results>/report.html",
        "<results>/summary.txt",
        HYPOTHESES,
    output:
        stages=update(f"lineage/{study.name}/dvc.yaml"),
        lock=update(f"lineage/{study.name}/dvc.lock"),
    log:
        "<logs>/lineage.log",
    conda:
        "../envs/analysis.yaml"
    params:
        config=settings.model_dump_json(exclude=NO_CHOICE),
    message:
        "recording the lineage"
    shell:
        "python -m workflow_scripts.record_lineage --config {params.config:q} > {log} 2>&1;"
        " sed '$d' {log}"


localrules:
    lineage,
