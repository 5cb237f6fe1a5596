"""A model of a hub as the checkpoint that all runs start from: complete, of the known shape, with a
chat template.

Weights are not copied where a hard link does. What is wrong with a model is found here, in seconds,
and not by the job that waited for eight GPUs.
"""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

from retu.compute.flops import ModelShape
from retu.config.hub_study import HubModel, HubModelShape
from retu.core.atomic_files import replace_folder
from retu.core.errors import InputError
from retu.core.run_paths import FIRST_CHECKPOINT
from retu.data.chat import encode_prompt, render_prompt
from retu.data.hub.hub_files import ROOT, RepositorySnapshot
from retu.data.hub.hub_lock import Repository
from retu.data.tokenizer import load_tokenizer

# As in `retu.training.published_checkpoints`, which this does not import: how training saves its
# state is not what a downloaded model depends on.
WEIGHTS_INDEX = "model.safetensors.index.json"
CHAT_TEMPLATE_FILE = "chat_template.jinja"
TOKENIZER_CONFIG = "tokenizer_config.json"
WANTED_FILES = (
    *(
        "config.json",
        "generation_config.json",
        "model*.safetensors",
        WEIGHTS_INDEX,
        CHAT_TEMPLATE_FILE,
    ),
    *("tokenizer*.json", "tokenizer.model", "vocab.json", "merges.txt"),
    *("special_tokens_map.json", "added_tokens.json"),
)
"""What a model needs; none of these patterns reaches into a folder of the repository."""
SPECIAL_TOKEN = re.compile(r"<[|\uff5c][^|\uff5c<>]+[|\uff5c]>")
"""How chat templates write special tokens: `<|im_start|>`."""
PROBE_QUESTION = "What is 6 x 7?"
HEADER_BYTES = 8
"""Bytes of a safetensors file that say how long its header is."""


def make_model_repository(model: HubModel) -> Repository:
    """The repository of a model and the files wanted of it."""
    return Repository(
        name=model.repository, kind="model", revision=model.revision, patterns=WANTED_FILES
    )


def publish_model(snapshot: RepositorySnapshot, model: HubModel, folder: Path) -> None:
    """Make `folder/step-000000` of the files of a model; all of it or nothing.

    Raises:
        InputError: a file is missing or cut short, the model is of another shape than the study
            says, has no chat template, or its tokenizer cannot be used.
    """

    def fill(target: Path) -> None:
        checkpoint = target / FIRST_CHECKPOINT
        checkpoint.mkdir()
        for name, path in snapshot.files.items():
            place_file(path, checkpoint / name)
        check_shape(model, checkpoint)
        check_weight_files(model, checkpoint)
        if model.template:
            install_template(checkpoint, model.template)
        check_template(model, checkpoint)

    replace_folder(folder, fill)


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


def read_json_object(model: HubModel, path: Path) -> dict[str, Any]:
    """A JSON file of a model; InputError when it is missing or no object."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"model {model.repository}: has no {path.name}; name another") from error
    except ValueError as error:
        raise InputError(f"model {model.repository}: {path.name}: not JSON ({error})") from error
    if not isinstance(content, dict):
        raise InputError(f"model {model.repository}: {path.name}: is no JSON object; name another")
    return content


def check_shape(model: HubModel, checkpoint: Path) -> None:
    """InputError if a model's config.json is of another shape than the study says."""
    found = ModelShape.from_config(read_json_object(model, checkpoint / "config.json"))
    for name in HubModelShape.model_fields:
        said = getattr(model.shape, name)
        real = getattr(found, name, said)
        if real != said:
            raise InputError(
                f"model {model.repository}: config.json has {name} {real}, the study {said};"
                " correct shape in the study, or the repository"
            )


def check_weight_files(model: HubModel, checkpoint: Path) -> None:
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
                f"model {model.repository}: has no {name}; only weights in safetensors can be used,"
                " and all of their files are needed"
            )
        missing = {tensor for tensor, where in listed.items() if where == name} - list_tensors(path)
        if missing:
            raise InputError(
                f"model {model.repository}: {name}: lacks {min(missing)} of {WEIGHTS_INDEX}; fetch"
                f" it anew"
            )


def list_tensors(path: Path) -> set[str]:
    """Names of the tensors of a safetensors file, read from its header; none of it is loaded.

    Raises:
        InputError: it is no such file, or is cut short.
    """
    size = path.stat().st_size
    with path.open("rb") as handle:
        length = int.from_bytes(handle.read(HEADER_BYTES), "little")
        try:
            header = json.loads(handle.read(length) if length < size else b"")
            header.pop("__metadata__", None)
            end = max(tensor["data_offsets"][1] for tensor in header.values())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path.name}: is no safetensors file; fetch it anew") from error
    if HEADER_BYTES + length + end != size:
        wanted = HEADER_BYTES + length + end
        raise InputError(f"{path.name}: has {size} bytes instead of {wanted}; fetch it anew")
    return set(header)


def install_template(checkpoint: Path, name: str) -> None:
    """Put `chat_templates/NAME.jinja` in the place of a tokenizer's chat template."""
    path = ROOT / "chat_templates" / f"{name}.jinja"
    if not path.is_file():
        raise InputError(f"{path}: no such chat template; put it there or name another")
    shutil.copyfile(path, checkpoint / CHAT_TEMPLATE_FILE)
    settings = checkpoint / TOKENIZER_CONFIG
    if settings.is_file():
        content = json.loads(settings.read_text(encoding="utf-8"))
        if content.pop("chat_template", None) is not None:
            settings.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def check_template(model: HubModel, checkpoint: Path) -> None:
    """InputError unless the tokenizer loads and shows a problem in its chat template.

    A template of another model writes special tokens that this one would read as plain letters.
    """
    tokenizer = load_tokenizer(checkpoint)
    if not tokenizer.chat_template:
        known = ", ".join(sorted(path.stem for path in (ROOT / "chat_templates").glob("*.jinja")))
        raise InputError(
            f"model {model.repository}: its tokenizer has no chat template; name one in the study"
            f" (models.NAME.template: {known})"
        )
    words = tokenizer.get_vocab()
    strange = [
        m for m in SPECIAL_TOKEN.findall(render_prompt(tokenizer, PROBE_QUESTION)) if m not in words
    ]
    if strange:
        raise InputError(
            f"model {model.repository}: its chat template writes {strange[0]}, which is no token of"
            " its tokenizer; name another template"
        )
    shown = encode_prompt(tokenizer, PROBE_QUESTION)
    if PROBE_QUESTION not in tokenizer.decode(shown, clean_up_tokenization_spaces=False):
        raise InputError(
            f"model {model.repository}: its tokenizer does not keep the words of a problem; name"
            " another model"
        )
