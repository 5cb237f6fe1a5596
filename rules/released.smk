"""The authors' released curves: fetched, checked, read as curves, their checkpoints labelled.

In: the files named in studies/released/caches.csv. Out: <data>/caches, <results>/curves.csv,
<results>/subphases.csv, <results>/labels_check.csv, <results>/data_quality.csv
"""

import os
import shlex

RELEASE = study.release
# Where the files come from is no part of what they are: their hashes say that.
MIRROR = settings.mirror or os.environ.get("RETU_MIRROR", "")
if MIRROR and not Path(MIRROR).is_dir():
    sys.exit(f"error: mirror: there is no folder {MIRROR}; correct --config mirror or RETU_MIRROR")


rule fetch_caches:
    output:
        out=directory("<data>/caches"),
        manifest="<data>/caches.manifest.json",
        record="<data>/caches.record.json",
    log:
        "<logs>/fetch_caches.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.fetch_caches),
    message:
        "fetching the released curves"
    shell:
        job("fetch_caches")


rule import_curves:
    input:
        "<data>/caches.manifest.json",
        caches_dir="<data>/caches",
    output:
        out="<results>/curves.csv",
        record="<results>/curves.record.json",
    log:
        "<logs>/import_curves.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.import_curves),
    message:
        "reading the released curves"
    shell:
        job("import_curves")


rule label_published:
    input:
        curves="<results>/curves.csv",
    output:
        out="<results>/subphases.csv",
        out_check="<results>/labels_check.csv",
        record="<results>/subphases.record.json",
    log:
        "<logs>/label_published.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.label_published),
    message:
        "labelling the checkpoints from the published validation losses"
    shell:
        job("label_published")


rule data_quality:
    input:
        "<data>/caches.manifest.json",
        curves="<results>/curves.csv",
        caches_dir="<data>/caches",
    output:
        out="<results>/data_quality.csv",
        out_md="<results>/data_quality.md",
        record="<results>/data_quality.record.json",
    log:
        "<logs>/data_quality.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.data_quality),
    message:
        "looking for faults in the released curves"
    shell:
        job("data_quality")
