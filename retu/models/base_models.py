"""A model of a hub or a folder as the checkpoint that all runs start from: complete, of the known
shape, with a chat template.

Weights are not copied where a hard link does. What is wrong with a model is found here, in seconds,
and not by the job that waited for eight GPUs. A study's system turn becomes part of the chat
template, so that every stage, and whoever uses a checkpoint later, shows a problem alike.
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from retu.compute.flops import ModelShape
from retu.config.hub_study import HubModel, HubModelShape, ModelContext
from retu.core.atomic_files import replace_folder, write_text
from retu.core.errors import InputError
from retu.core.manifest import write_manifest
from retu.core.model_files import (
    CHAT_TEMPLATE_FILE,
    TOKENIZER_CONFIG,
    WANTED_FILES,
    WEIGHTS_INDEX,
)
from retu.core.run_paths import FIRST_CHECKPOINT
from retu.core.tables import write_csv
from retu.core.tensor_shapes import read_file_shapes
from retu.data.hub.hub_files import ROOT
from retu.data.hub.hub_lock import Repository
from retu.models.context_extension import extend_context
from retu.models.template_checks import check_template, load_own_tokenizer, set_system_turn


@dataclass(frozen=True)
class ModelSource:
    """The files of a model by name, how messages call it, and what the study says of it."""

    label: str
    files: Mapping[str, Path]
    shape: HubModelShape | None = None
    template: str | None = None
    system: str | None = None
    context: ModelContext | None = None


def make_model_repository(model: HubModel) -> Repository:
    """The repository of a model and the files wanted of it."""
    return Repository(
        name=model.repository, kind="model", revision=model.revision, patterns=WANTED_FILES
    )


def publish_model(model: ModelSource, folder: Path) -> None:
    """Make `folder/step-000000` of the files of a model; all of it or nothing.

    Raises:
        InputError: a file is missing or cut short, the model is of another shape than the study
            says, has no chat template, or its tokenizer cannot be used.
    """

    def fill(target: Path) -> None:
        checkpoint = target / FIRST_CHECKPOINT
        checkpoint.mkdir()
        for name, path in model.files.items():
            place_file(path, checkpoint / name)
        check_shape(model, checkpoint)
        if model.context:
            write_context(model, model.context, checkpoint / "config.json")
        check_weight_files(model, checkpoint)
        if model.template:
            install_template(checkpoint, model.template)
        if model.system:
            add_system_turn(model, checkpoint)
        check_template(load_own_tokenizer(checkpoint, model.label), model.label)

    replace_folder(folder, fill)


def publish_base_model(
    model: ModelSource, checkpoints: Path, losses: Path, manifest: Path, **facts: object
) -> None:
    """Publish a model with its row of step 0 and its manifest, as training would leave them.

    Raises:
        InputError: as `publish_model`.
    """
    publish_model(model, checkpoints)
    if model.context:
        facts["context"] = model.context.model_dump()
    write_csv(pd.DataFrame({"step": [0], "x_sft_eflops": [0.0]}), losses)
    write_manifest(manifest, checkpoints, steps=[0], **facts)


def place_file(source: Path, target: Path) -> None:
    """Hard-link a weight file (copy it where links are impossible); copy every other file.

    Raises:
        InputError: no room for a copy.
    """
    if source.suffix == ".safetensors":
        try:
            # The hub's cache holds links to files; the file itself is wanted.
            os.link(source.resolve(), target)
            return
        except OSError as error:
            print(f"{target.name}: is copied ({error.strerror})")
    needed, free = source.stat().st_size, shutil.disk_usage(target.parent).free
    if needed > free:
        raise InputError(
            f"{target.parent}: {target.name} needs {needed / 1e9:.1f} GB, {free / 1e9:.1f} are free"
            "; make room, or put results on the disk of the hub's cache"
        )
    shutil.copyfile(source, target)


def read_json_object(model: ModelSource, path: Path) -> dict[str, Any]:
    """A JSON file of a model; InputError when it is missing or no object."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{model.label}: has no {path.name}; name another") from error
    except ValueError as error:
        raise InputError(f"{model.label}: {path.name}: not JSON ({error})") from error
    if not isinstance(content, dict):
        raise InputError(f"{model.label}: {path.name}: is no JSON object; name another")
    return content


def check_shape(model: ModelSource, checkpoint: Path) -> None:
    """InputError if a model's config.json is of another shape than the study says."""
    found = ModelShape.from_config(read_json_object(model, checkpoint / "config.json"))
    if model.shape is None:
        return
    for name in HubModelShape.model_fields:
        said = getattr(model.shape, name)
        real = getattr(found, name, said)
        if real != said:
            raise InputError(
                f"{model.label}: config.json has {name} {real}, the study {said};"
                " correct shape in the study, or the repository"
            )


def write_context(model: ModelSource, context: ModelContext, config: Path) -> None:
    """Write the study's context into a config.json; InputError if the model cannot have it."""
    content = extend_context(read_json_object(model, config), context, model.label)
    write_text(config, json.dumps(content, indent=2) + "\n")


def check_weight_files(model: ModelSource, checkpoint: Path) -> None:
    """InputError if a shard of the weights is missing, cut short, or lacks a listed tensor."""
    index = checkpoint / WEIGHTS_INDEX
    listed: dict[str, str] = {}
    if index.exists():
        listed = read_json_object(model, index).get("weight_map", {})
    shards = sorted(set(listed.values())) or ["model.safetensors"]
    for name in shards:
        path = checkpoint / name
        if not path.is_file():
            raise InputError(
                f"{model.label}: has no {name}; only weights in safetensors can be used,"
                " and all of their files are needed"
            )
        missing = {tensor for tensor, where in listed.items() if where == name} - list_tensors(path)
        if missing:
            raise InputError(
                f"{model.label}: {name}: lacks {min(missing)} of {WEIGHTS_INDEX}; fetch it anew"
            )


def list_tensors(path: Path) -> set[str]:
    """Names of the tensors of a safetensors file, read from its header; none of it is loaded.

    Raises:
        InputError: it is no such file, or is cut short.
    """
    return set(read_file_shapes(path, path.name, "fetch it anew"))


def install_template(checkpoint: Path, name: str) -> None:
    """Put `chat_templates/NAME.jinja` in the place of a tokenizer's chat template."""
    path = ROOT / "chat_templates" / f"{name}.jinja"
    if not path.is_file():
        raise InputError(f"{path}: no such chat template; put it there or name another")
    write_template(checkpoint, path.read_text(encoding="utf-8"))


def write_template(checkpoint: Path, template: str) -> None:
    """Make `template` the only chat template of a tokenizer."""
    (checkpoint / CHAT_TEMPLATE_FILE).write_text(template, encoding="utf-8")
    settings = checkpoint / TOKENIZER_CONFIG
    if settings.is_file():
        content = json.loads(settings.read_text(encoding="utf-8"))
        if content.pop("chat_template", None) is not None:
            settings.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def add_system_turn(model: ModelSource, checkpoint: Path) -> None:
    """Have the chat template begin every conversation without a system turn with the study's.

    Raises:
        InputError: as `set_system_turn`.
    """
    tokenizer = load_own_tokenizer(checkpoint, model.label)
    set_system_turn(tokenizer, model.system or "", model.label)
    write_template(checkpoint, str(tokenizer.chat_template))
