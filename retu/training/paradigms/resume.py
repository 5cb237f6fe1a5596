"""What a checkpoint holds besides the trainer's own state, so that resuming is exact."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import NonNegativeInt

from retu.core.errors import InputError
from retu.core.sections import Section
from retu.core.yaml_files import validate_content
from retu.runtime.training_folders import START_ANEW
from retu.training.paradigms.batch import Batch
from retu.training.paradigms.dynamic_sampling import SamplingRule, SamplingState

STATE_FILE = "paradigm_state.json"
ROWS_FILE = "paradigm_rows_{}.safetensors"
"""One a process, there only if the checkpoint lies between two updates with the same rows."""


class SavedState(Section):
    """What a trainer of the paradigms remembers from step to step.

    Attributes:
        steps_skipped: updates left out so far.
        sampling: the state of dynamic sampling as plain JSON values; None without it.
    """

    steps_skipped: NonNegativeInt
    sampling: dict[str, Any] | None


def save_state(folder: Path, content: SavedState) -> None:
    """Write the state into a checkpoint."""
    (folder / STATE_FILE).write_text(content.model_dump_json(), encoding="utf-8")


def load_state(folder: Path) -> SavedState:
    """Read what `save_state` wrote.

    Raises:
        InputError: the checkpoint has none, or one that is cut short.
    """
    path = folder / STATE_FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read, so {folder.name} is no checkpoint of this trainer;"
            f" {START_ANEW}"
        ) from error
    return validate_content(SavedState, content, str(path))


def dump_state(state: SamplingState) -> dict[str, Any]:
    """The state as plain JSON values."""
    return state.model_dump(mode="json")


def restore_state(content: Mapping[str, Any], rule: SamplingRule, where: str) -> SamplingState:
    """A stored state, checked to be one that `rule` can reach.

    Args:
        content: what `dump_state` gave.
        rule: the run's rule.
        where: the file it comes from, the start of an error message.

    Raises:
        InputError: it is no state, or one of another rule.
    """
    state = validate_content(SamplingState, content, where)
    if not is_reachable(state, rule):
        raise InputError(
            f"{where}: the state of dynamic sampling is not one of this recipe; {START_ANEW}"
        )
    return state


def is_reachable(state: SamplingState, rule: SamplingRule) -> bool:
    """Whether the parts of a state agree with each other and with the rule."""
    generated = sum(state.histogram)
    first = state.offered - generated
    positions = [group.position for group in state.kept]
    kept = Counter(group.n_correct for group in state.kept)
    allowed = {k: n for k, n in enumerate(state.histogram) if n and rule.is_allowed_count(k)}
    total, limit = state.total, rule.settings.max_num_gen_batches
    return (
        len(state.histogram) == rule.rollouts + 1
        and kept == allowed
        and positions == sorted({*positions} & {*range(first, state.offered)})
        and total.generated == first == total.trained + total.n_discarded
        and (generated == 0) == (state.rounds == 0)
        and (limit == 0 or state.rounds <= limit)
    )


def save_buffer(folder: Path, process: int, batches: list[Batch]) -> None:
    """Write the micro-batches that the next updates will use."""
    from safetensors.torch import save_file

    # Slices of one tensor share memory, which the format refuses.
    named = {
        f"{index}.{name}": tensor.detach().cpu().clone().contiguous()
        for index, batch in enumerate(batches)
        for name, tensor in batch.items()
    }
    save_file(named, folder / ROWS_FILE.format(process))


def load_buffer(folder: Path, process: int, device: Any) -> list[Batch]:
    """Read what `save_buffer` wrote.

    Raises:
        InputError: the file is missing: the run had another number of processes.
    """
    from safetensors.torch import load_file

    path = folder / ROWS_FILE.format(process)
    if not path.is_file():
        raise InputError(
            f"{path}: is missing, so the rows of the update under way are lost; resume with the"
            " number of processes that saved them"
        )
    batches: dict[int, Batch] = {}
    for key, tensor in load_file(path).items():
        index, name = key.split(".", 1)
        batches.setdefault(int(index), {})[name] = tensor.to(device)
    return [batches[index] for index in sorted(batches)]
