"""Fits: the sigmoid of every RL branch by each protocol of the study, and forecasts of it.

In: curves.csv, subphases.csv. Out: <results>/fits/PROTOCOL.csv and its draws, forecasts.csv
"""


rule fit_curves:
    input:
        curves="<results>/curves.csv",
        subphases="<results>/subphases.csv",
    output:
        fits="<results>/fits/{protocol}.csv",
        draws="<results>/fits/{protocol}.draws.parquet",
        record="<results>/fits/{protocol}.record.json",
    log:
        "<logs>/fit_curves/{protocol}.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.fit_curves),
        listed=lambda wildcards: study.fit.listed.get(wildcards.protocol, "none"),
    message:
        "fitting the sigmoid law to every RL branch, protocol {wildcards.protocol}"
    shell:
        job(
            "fit_curves",
            "--curves {input.curves} --subphases {input.subphases}"
            " --spec {params.spec:q} --listed {params.listed} --out {output.fits}"
            " --out-draws {output.draws}",
        )


rule forecast:
    input:
        "<results>/curves.csv",
    output:
        points="<results>/forecasts.csv",
        scores="<results>/forecast_scores.csv",
        record="<results>/forecasts.record.json",
    log:
        "<logs>/forecast.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.forecast),
    message:
        "forecasting the later part of every branch from its first"
    shell:
        job(
            "forecast",
            "--curves {input} --spec {params.spec:q}"
            " --out {output.points} --out-summary {output.scores}",
        )


rule forecasts:
    input:
        rules.forecast.output,


localrules:
    forecasts,
