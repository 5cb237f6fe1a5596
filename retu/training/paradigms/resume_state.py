"""What a checkpoint holds besides the trainer's own state, so that resuming is exact."""

import json
from pathlib import Path
from typing import Any

from pydantic import NonNegativeInt
from torch import Tensor

from retu.core.errors import InputError
from retu.core.sections import Section
from retu.core.yaml_files import validate_content

STATE_FILE = "paradigm_state.json"
ROWS_FILE = "paradigm_rows_{}.safetensors"
"""One a process, there only if the checkpoint lies between two updates with the same rows."""

Batch = dict[str, Tensor]


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
            f"{path}: cannot be read, so {folder.name} is no checkpoint of this trainer; delete it"
            " and run again"
        ) from error
    return validate_content(SavedState, content, str(path))


def save_buffer(folder: Path, process: int, batches: list[Batch]) -> None:
    """Write the micro-batches that the next updates will use."""
    from safetensors.torch import save_file

    # Slices of one tensor share memory, which the format refuses.
    named = {
        f"{place}.{name}": tensor.detach().cpu().clone().contiguous()
        for place, batch in enumerate(batches)
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
        place, name = key.split(".", 1)
        batches.setdefault(int(place), {})[name] = tensor.to(device)
    return [batches[place] for place in sorted(batches)]
