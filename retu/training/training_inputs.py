"""What a run starts from and learns from, as earlier rules have left it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from retu.core.manifest import check_manifest, read_manifest
from retu.data.stored_sets import get_manifest_path
from retu.training.published_checkpoints import find_checkpoint


@dataclass(frozen=True)
class TrainingInputs:
    """A checkpoint to start from, and the digests of all that goes into a run.

    Attributes:
        start: the folder of model and tokenizer.
        digests: of the published model, then of each data set: a training state is gone on from
            only where they are the same.
    """

    start: Path
    digests: tuple[str, ...]


def check_inputs(checkpoints: Path, step: int, sets: Sequence[Path] = ()) -> TrainingInputs:
    """Find where a run starts, and make sure that it is what its rule published.

    Args:
        checkpoints: a published folder, with its manifest beside it.
        step: of the checkpoint to start from.
        sets: stored data sets; their rows are checked when they are read.

    Raises:
        InputError: a file has changed since its manifest was written, or there is no such step.
    """
    manifest = check_manifest(checkpoints.with_name("manifest.json"), checkpoints)
    digests = [read_manifest(get_manifest_path(path))["digest"] for path in sets]
    return TrainingInputs(find_checkpoint(checkpoints, step), (manifest["digest"], *digests))
