"""Base models of your own: from a folder, or from the GGUF file of a package.

In: the study and the files that it names. Out: <results>/base/{model}
"""

from retu.config.files_study import FolderModel, PackagedModel

IN_FOLDERS = [name for name, made in study.models.items() if isinstance(made, FolderModel)]
IN_PACKAGES = [name for name, made in study.models.items() if isinstance(made, PackagedModel)]


rule load_local_model:
    output:
        checkpoints=directory("<results>/base/{model}/checkpoints"),
        losses="<results>/base/{model}/losses.csv",
        manifest="<results>/base/{model}/manifest.json",
        record="<results>/base/{model}/train.record.json",
    log:
        "<logs>/load_local_model/{model}.log",
    wildcard_constraints:
        model=one_of(IN_FOLDERS),
    conda:
        "../envs/lab.yaml"
    params:
        **stage(plan.load_local_model),
    message:
        "taking the model {wildcards.model} from its folder"
    shell:
        job("load_local_model")


rule convert_packaged_model:
    output:
        checkpoints=directory("<results>/base/{model}/checkpoints"),
        losses="<results>/base/{model}/losses.csv",
        manifest="<results>/base/{model}/manifest.json",
        record="<results>/base/{model}/train.record.json",
    log:
        "<logs>/convert_packaged_model/{model}.log",
    wildcard_constraints:
        model=one_of(IN_PACKAGES),
    cache: True
    conda:
        "../envs/lab.yaml"
    params:
        **stage(plan.convert_packaged_model),
    message:
        "converting the packaged model {wildcards.model}"
    shell:
        job("convert_packaged_model", network=True)
