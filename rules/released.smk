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
        caches=directory("<data>/caches"),
        manifest="<data>/caches.manifest.json",
        record="<data>/caches.record.json",
    log:
        "<logs>/fetch_caches.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.fetch_caches),
        release=RELEASE,
    message:
        "fetching the released curves"
    shell:
        job(
            "fetch_caches",
            "--caches {params.release.caches}"
            " --repository {params.release.repository} --commit {params.release.commit}"
            f" --mirror {shlex.quote(MIRROR)} --out {{output.caches}} --manifest {{output.manifest}}",
        )


rule import_curves:
    input:
        caches="<data>/caches",
        manifest="<data>/caches.manifest.json",
    output:
        curves="<results>/curves.csv",
        record="<results>/curves.record.json",
    log:
        "<logs>/import_curves.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.import_curves),
        listed=RELEASE.caches,
    message:
        "reading the released curves"
    shell:
        job(
            "import_curves",
            "--caches-dir {input.caches}"
            " --caches {params.listed} --spec {params.spec:q} --out {output.curves}",
        )


rule label_published:
    input:
        "<results>/curves.csv",
    output:
        subphases="<results>/subphases.csv",
        check="<results>/labels_check.csv",
        record="<results>/subphases.record.json",
    log:
        "<logs>/label_published.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.label_published),
        losses=RELEASE.losses,
        model=study.model,
        seed=study.seed,
    message:
        "labelling the checkpoints from the published validation losses"
    shell:
        job(
            "label_published",
            "--losses {params.losses} --curves {input}"
            f" --study {study.name} --model {{params.model}} --seed {{params.seed}}"
            " --spec {params.spec:q} --out {output.subphases} --out-check {output.check}",
        )


rule data_quality:
    input:
        curves="<results>/curves.csv",
        caches="<data>/caches",
        manifest="<data>/caches.manifest.json",
    output:
        csv="<results>/data_quality.csv",
        md="<results>/data_quality.md",
        record="<results>/data_quality.record.json",
    log:
        "<logs>/data_quality.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.data_quality),
        release=RELEASE,
    message:
        "looking for faults in the released curves"
    shell:
        job(
            "data_quality",
            "--curves {input.curves} --caches-dir {input.caches}"
            " --caches {params.release.caches} --settings {params.release.kit_settings}"
            " --table-4 claims/table_4.csv --out {output.csv} --out-md {output.md}",
        )
