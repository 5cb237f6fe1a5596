"""SFT sets as their authors released them.

In: <results>/base of the model whose tokens are counted. Out: <results>/sft_sets/{dataset}.parquet
"""


rule load_sft_set:
    input:
        tokenizer=f"{COUNTING}/checkpoints",
        tokenizer_manifest=f"{COUNTING}/manifest.json",
    output:
        data="<results>/sft_sets/{dataset}.parquet",
        manifest="<results>/sft_sets/{dataset}.manifest.json",
        record="<results>/sft_sets/{dataset}.record.json",
    log:
        "<logs>/load_sft_set/{dataset}.log",
    wildcard_constraints:
        dataset=one_of(name for name in study.datasets if name not in DRAWN),
    cache: True
    conda:
        "../envs/lab.yaml"
    threads: COUNTING_THREADS
    params:
        **stage(plan.load_sft_set),
    message:
        "loading the SFT set {wildcards.dataset}"
    shell:
        job(
            "load_expert_set",
            "--spec {params.spec:q} --tokenizer {input.tokenizer}/step-000000"
            " --threads {threads} --out {output.data}",
            network=True,
        )
