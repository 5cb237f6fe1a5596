"""Base models of a hub: fetched, checked, with the chat template that all stages share.

In: the study alone. Out: <results>/base/{model}
"""

from retu.config.hub_study import HubModel

OF_A_HUB = [name for name, made in study.models.items() if isinstance(made, HubModel)]


rule fetch_base:
    output:
        checkpoints=directory("<results>/base/{model}/checkpoints"),
        losses="<results>/base/{model}/losses.csv",
        manifest="<results>/base/{model}/manifest.json",
        record="<results>/base/{model}/train.record.json",
    log:
        "<logs>/fetch_base/{model}.log",
    wildcard_constraints:
        model=one_of(OF_A_HUB),
    cache: True
    conda:
        "../envs/lab.yaml"
    params:
        **stage(plan.fetch_base),
    message:
        "fetching the model {wildcards.model}"
    shell:
        job("fetch_base", network=True)
