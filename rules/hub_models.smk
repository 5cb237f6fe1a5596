"""Base models of a hub: fetched, checked, with the chat template that all stages share.

In: the study alone. Out: <results>/base/{model}
"""


rule fetch_base:
    output:
        checkpoints=directory("<results>/base/{model}/checkpoints"),
        losses="<results>/base/{model}/losses.csv",
        manifest="<results>/base/{model}/manifest.json",
        record="<results>/base/{model}/train.record.json",
    log:
        "<logs>/fetch_base/{model}.log",
    cache: True
    conda:
        "../envs/lab.yaml"
    params:
        **stage(plan.fetch_base),
    message:
        "fetching the model {wildcards.model}"
    shell:
        job("fetch_base", network=True)
