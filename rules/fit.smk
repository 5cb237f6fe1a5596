"""Fits: the sigmoid of every RL branch by each protocol of the study, and forecasts of it.

In: curves.csv, subphases.csv. Out: <results>/fits/PROTOCOL.csv and its draws, forecasts.csv
"""


rule fit_curves:
    input:
        curves="<results>/curves.csv",
        subphases="<results>/subphases.csv",
    output:
        out="<results>/fits/{protocol}.csv",
        out_draws="<results>/fits/{protocol}.draws.parquet",
        record="<results>/fits/{protocol}.record.json",
    log:
        "<logs>/fit_curves/{protocol}.log",
    conda:
        "../envs/analysis.yaml"
    params:
        **stage(plan.fit_curves),
    message:
        "fitting the sigmoid law to every RL branch, protocol {wildcards.protocol}"
    shell:
        job("fit_curves")


rule forecast:
    input:
        curves="<results>/curves.csv",
    output:
        out="<results>/forecasts.csv",
        out_summary="<results>/forecast_scores.csv",
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
        job("forecast")


rule forecasts:
    input:
        rules.forecast.output,


localrules:
    forecasts,
