"""Published checkpoints: models and tokenizers alone, as `checkpoints/step-NNNNNN` of a run."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retu.core.atomic_files import replace_folder
from retu.core.errors import InputError, advise_making_again
from retu.runtime.processes import is_main_process
from retu.training.training_state import (
    CHECKPOINT_PREFIX,
    check_loadable,
    is_published,
    link_or_copy,
)

STEP_FOLDER = "step-{:06d}"


def publish_checkpoints(state: Path, published_as: Mapping[int, int], folder: Path) -> None:
    """Publish checkpoints, weights and tokenizer only, as `folder/step-NNNNNN`.

    `published_as` maps the trainer's step to the step in the name: a base model is step 0. Where
    the file system can, nothing is copied.

    Raises:
        InputError: a checkpoint has no weights.
    """

    def fill(target: Path) -> None:
        for step, name in published_as.items():
            source = state / f"{CHECKPOINT_PREFIX}{step}"
            check_loadable(source)
            published = target / STEP_FOLDER.format(name)
            shutil.copytree(source, published, ignore=list_unpublished, copy_function=link_or_copy)

    if is_main_process():
        replace_folder(folder, fill)


def list_unpublished(_: str, names: list[str]) -> set[str]:
    """The files of a checkpoint that are not published."""
    return {name for name in names if not is_published(name)}


def list_checkpoints(folder: Path) -> dict[int, Path]:
    """step -> folder of the checkpoints under a published folder, in order."""
    found = {int(path.name.removeprefix("step-")): path for path in folder.glob("step-*")}
    if not found:
        raise InputError(f"{folder}: holds no checkpoint; {advise_making_again(folder)}")
    return dict(sorted(found.items()))


def find_checkpoint(folder: Path, step: int) -> Path:
    """The checkpoint of a step under a published folder; InputError if it has none."""
    found = list_checkpoints(folder)
    if step not in found:
        steps = ", ".join(map(str, found))
        raise InputError(f"{folder}: has no checkpoint of step {step}, only of {steps}; name one")
    return found[step]


def read_model_config(folder: Path) -> dict[str, Any]:
    """The `config.json` of a checkpoint."""
    content: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return content
