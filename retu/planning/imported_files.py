"""The files of an imported SFT run: which are read, and what is wrong with them, told at once.

Everything here is found before a job exists: checkpoints that are no whole model or of another
one, a trainer's state that is cut off, losses that labels would need and are not there.
"""

import json
from pathlib import Path
from typing import Any

from retu.config.imported_runs import find_step_folders
from retu.config.study import ImportedSftRun
from retu.core.errors import InputError
from retu.core.model_files import WANTED_FILES
from retu.core.tensor_shapes import Shapes, read_tensor_shapes
from retu.core.text import join_names
from retu.logs.log_entries import parse_number
from retu.logs.trainer_state import STATE_NAME, load_history
from retu.planning.local_sources import LocalSource, list_wanted_files

ARCHITECTURE_KEYS = (
    *("model_type", "architectures", "hidden_size", "intermediate_size", "num_hidden_layers"),
    *("num_attention_heads", "num_key_value_heads", "vocab_size", "tie_word_embeddings"),
)
"""What a checkpoint's config.json must share with that of its base model."""
HEAD = "lm_head.weight"
"""Is saved or not where it is the embedding."""
MAX_NAMED_STEPS = 8


def list_state_files(folder: Path) -> list[Path]:
    """Every `trainer_state.json` of a run: beside the checkpoints, and in each of them."""
    places = [folder, *find_step_folders(folder).values()]
    return [place / STATE_NAME for place in places if (place / STATE_NAME).is_file()]


def find_run_source(run: ImportedSftRun, seed: int) -> LocalSource:
    """The files of the checkpoints, and the states of the trainer."""
    folder = run.imported.locate_folder(seed)
    found = find_step_folders(folder)
    chosen = [found[step] for step in run.checkpoints]
    paths = [place / name for place in chosen for name in list_wanted_files(place, WANTED_FILES)]
    paths += list_state_files(folder)
    names = tuple(path.relative_to(folder).as_posix() for path in paths)
    return LocalSource("folder", (str(folder),), names)


def check_run_files(
    run: ImportedSftRun, seed: int, base: Path | None, needs_labels: bool, where: str
) -> None:
    """Hold an imported run against its base model, and its losses against what labels need.

    Args:
        run: as the study says it.
        seed: whose folder.
        base: the folder of the base model, if it is on this machine already.
        needs_labels: whether labels choose where RL starts.
        where: its place in the study.

    Raises:
        InputError: a checkpoint is not whole or of another model, a state cannot be read, or a
            checkpoint without a loss would have to be labelled.
    """
    folder = run.imported.locate_folder(seed)
    found = find_step_folders(folder)
    wanted = None if base is None else (read_config(base), read_tensor_shapes(base))
    for step in run.checkpoints:
        shapes = read_tensor_shapes(found[step])
        check_index(found[step], shapes)
        if wanted is not None and base is not None:
            check_same_model(found[step], shapes, base, wanted)
    histories = [load_history(path) for path in list_state_files(folder)]
    history = max(histories, key=lambda one: one[0])[1] if histories else []
    if needs_labels:
        check_losses_known(run, folder, history, where)


def check_losses_known(
    run: ImportedSftRun, folder: Path, history: list[dict[str, Any]], where: str
) -> None:
    """InputError if labels choose where RL starts and a checkpoint has no loss to label it by."""
    key = run.imported.eval_loss
    values = {e.get("step"): parse_number(e[key]) for e in history if key in e}
    known = {step for step, value in values.items() if value is not None and value > 0}
    missing = [step for step in run.checkpoints if step not in known]
    if not missing:
        return
    losses = {k for e in history for k in e if k.startswith("eval") and k.endswith("_loss")}
    others = [] if key in losses else sorted(losses)
    named = f" (it has {join_names(others, MAX_NAMED_STEPS)}: imported.eval_loss names one)"
    steps = join_names([*map(str, missing)], MAX_NAMED_STEPS)
    raise InputError(
        f"{where}: {folder} has no {key} at step {steps}{named if others else ''}, so that these"
        " cannot be labelled; train with eval_strategy: steps and an eval_steps that meets every"
        " checkpoint, leave them out of checkpoints, or name the sft_steps of every entry of"
        " rl_runs that starts from this run"
    )


def read_config(folder: Path) -> dict[str, Any]:
    """The `config.json` of a model; InputError if it is no JSON object."""
    path = folder / "config.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); copy or save it again") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: is no JSON object; copy or save it again")
    return content


def check_index(folder: Path, shapes: Shapes) -> None:
    """InputError if a weight file or a tensor of the index is missing."""
    path = folder / "model.safetensors.index.json"
    if not path.is_file():
        return
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: is no index of weights; copy or save it again") from error
    missing = sorted(listed.keys() - shapes.keys())
    if missing:
        raise InputError(
            f"{folder}: lacks {missing[0]}, which {path.name} says is in {listed[missing[0]]}; copy"
            " the missing file"
        )


def check_same_model(
    folder: Path, shapes: Shapes, base: Path, wanted: tuple[dict[str, Any], Shapes]
) -> None:
    """InputError unless a checkpoint has the architecture, vocabulary and tensors of its base."""
    config, base_shapes = read_config(folder), wanted[1]
    remedy = "name the model that it was trained from, or another folder"
    for key in ARCHITECTURE_KEYS:
        then, now = wanted[0].get(key), config.get(key)
        if key in wanted[0] and key in config and then != now:
            raise InputError(
                f"{folder}: {key} is {now}, and {then} in the base model {base}; {remedy}"
            )
    for name in sorted((base_shapes.keys() | shapes.keys()) - {HEAD}):
        then, now = base_shapes.get(name), shapes.get(name)
        if then != now:
            raise InputError(
                f"{folder}: tensor {name} is {describe_shape(now)}, and {describe_shape(then)} in"
                f" the base model {base}; {remedy}"
            )


def describe_shape(shape: tuple[int, ...] | None) -> str:
    """How a message calls the shape of a tensor; None: there is none such."""
    return "missing" if shape is None else " x ".join(map(str, shape)) or "a number"
