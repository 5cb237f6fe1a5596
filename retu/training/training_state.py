"""The training state of a job: a folder of checkpoints outside the rule's declared outputs.

A checkpoint counts only once its `complete` mark is there, so a kill in the middle of a save costs
the steps since the one before and nothing else. Of the newest one everything is kept; older ones
that are to be published keep what is published of them, and the others go: the trainer's state
(optimiser, generators) takes several times the disk of the weights.

With several processes every one of them opens and closes the folder, and the first alone writes.
"""

import contextlib
import fnmatch
import hashlib
import importlib.metadata
import json
import os
import shutil
import time
from collections.abc import Callable, Collection
from pathlib import Path

from retu.core.atomic_files import write_text
from retu.core.errors import InputError
from retu.runtime.processes import get_rank, get_world_size, is_main_process
from retu.runtime.progress import print_progress
from retu.runtime.training_folders import START_ANEW, drop_state

TRAINERS = ("torch", "transformers", "trl", "accelerate", "datasets")
REQUEST_FILE = "request"
MAIN_PROCESS_SECONDS = 4 * 3600.0
"""It hashes all that comes in first, which may be tens of gigabytes on a busy disk."""

MARKER = "complete"
MODEL_ONLY = "model_only"
"""The mark of a checkpoint that waits to be published and can no longer be resumed from."""
CHECKPOINT_PREFIX = "checkpoint-"
WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
# Written by trainers beside the weights, of no use to whoever loads the model.
NOT_PUBLISHED = (
    "optimizer.pt",
    "optimizer.bin",
    "scheduler.pt",
    "scaler.pt",
    "rng_state*.pth",
    "trainer_state.json",
    "training_args.bin",
    "paradigm_*",
    "loss_window_*.json",
    # The adapter, which the published weights have in them, and what its library says of it.
    "adapter_*",
    "README.md",
    # DeepSpeed's shards of weights and optimiser, which of them is the newest, and its converters.
    "global_step*",
    "latest",
    "zero_to_*.py",
    MARKER,
    MODEL_ONLY,
)


def digest_request(*request: str) -> str:
    """The identity of a run: all that decides it, and the installed versions of the trainers."""
    versions = [importlib.metadata.version(package) for package in TRAINERS]
    return hashlib.sha256(json.dumps([*request, *versions]).encode()).hexdigest()


def open_state(
    folder: Path, *request: str, usable: Callable[[Path], bool] = lambda state: True
) -> None:
    """Make the state folder ready for a job; state of a different request is put aside.

    Args:
        folder: the state folder.
        request: everything that decides the run (its code, its specification and the digests of
            its inputs): a resumed run must be the continuation of the same one.
        usable: whether a state of this request can be gone on from.

    Raises:
        InputError: the main process does not get the folder ready.
    """
    digest = digest_request(*request)
    note = folder / REQUEST_FILE
    if is_main_process():
        if folder.exists() and not (has_text(note, digest) and usable(folder)):
            put_state_aside(folder)
        earlier = get_aside_folder(folder, digest)
        if not folder.exists() and earlier.exists() and usable(earlier):
            earlier.rename(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_text(note, digest)
        return
    # The processes are not connected yet, but they share the folder.
    deadline = time.monotonic() + MAIN_PROCESS_SECONDS
    while not has_text(note, digest):
        if time.monotonic() > deadline:
            raise InputError(
                f"{folder}: does not appear to process {get_rank()}; keep .state/ (RETU_STATE) on a"
                " disk that all nodes share"
            )
        time.sleep(0.1)


def has_text(path: Path, text: str) -> bool:
    """Whether a file is there and holds the text."""
    return path.is_file() and path.read_text(encoding="utf-8") == text


def get_aside_folder(folder: Path, digest: str) -> Path:
    """Where the state of a request waits while the folder belongs to another one."""
    return folder.with_name(f"{folder.name}.{digest[:16]}")


def put_state_aside(folder: Path) -> None:
    """Keep what another request has saved, perhaps in days: its code and settings may come back.

    What tells of no request, or has saved nothing, goes.
    """
    note = folder / REQUEST_FILE
    if not note.is_file() or [path.name for path in folder.iterdir()] == [REQUEST_FILE]:
        shutil.rmtree(folder)
        return
    kept = get_aside_folder(folder, note.read_text(encoding="utf-8"))
    shutil.rmtree(kept, ignore_errors=True)
    folder.rename(kept)
    print_progress(
        f"{folder}: holds a run of other code, settings, inputs or steps that is not done; kept as"
        f" {kept} until this one is"
    )


def close_state(folder: Path) -> None:
    """Drop the state of a run once all else has succeeded: without it, it would train again."""
    if is_main_process():
        drop_state(folder)


def is_published(name: str) -> bool:
    """Whether a file or folder of a checkpoint belongs to the model."""
    return not any(fnmatch.fnmatch(name, pattern) for pattern in NOT_PUBLISHED)


def parse_step(checkpoint: Path) -> int:
    """The step of a checkpoint of the training state."""
    return int(checkpoint.name.removeprefix(CHECKPOINT_PREFIX))


def find_latest_complete(state: Path) -> Path | None:
    """The newest checkpoint to resume from, None without one."""
    return max(list_complete_checkpoints(state), key=parse_step, default=None)


def list_complete_checkpoints(state: Path) -> list[Path]:
    """The checkpoints to resume from: a kill before the older ones were pruned leaves several."""
    return [path for path in state.glob(f"{CHECKPOINT_PREFIX}*") if (path / MARKER).is_file()]


def mark_complete(checkpoint: Path) -> None:
    """Let a checkpoint count; all of its files must be on disk.

    Raises:
        InputError: it has no weights, only shards of ZeRO stage 3.
    """
    check_loadable(checkpoint)
    note = {"step": parse_step(checkpoint), "processes": get_world_size()}
    write_text(checkpoint / MARKER, json.dumps(note))


def has_model(checkpoint: Path) -> bool:
    """Whether a checkpoint was completed and its model is still there."""
    return any((checkpoint / mark).is_file() for mark in (MARKER, MODEL_ONLY))


def check_loadable(checkpoint: Path) -> None:
    """InputError unless a checkpoint holds a model that can be loaded."""
    if not any(found for pattern in WEIGHTS for found in checkpoint.glob(pattern)):
        raise InputError(
            f"{checkpoint}: holds no weights; ZeRO stage 3 gathers them only with"
            " stage3_gather_16bit_weights_on_model_save: true in DeepSpeed's configuration"
        )


def check_process_count(checkpoint: Path) -> None:
    """InputError unless a complete checkpoint was saved by as many processes as there are now.

    Others would train on other batches, and could not read the shards of ZeRO.
    """
    saved: int = json.loads((checkpoint / MARKER).read_text(encoding="utf-8"))["processes"]
    if saved != get_world_size():
        raise InputError(
            f"{checkpoint}: was saved by {saved} processes and there are {get_world_size()} now;"
            f" ask for {saved} to go on, or {START_ANEW}"
        )


def prune_checkpoints(state: Path, published: Collection[int]) -> None:
    """Remove what neither resuming nor publishing needs, unfinished checkpoints included."""
    newest = find_latest_complete(state)
    for checkpoint in state.glob(f"{CHECKPOINT_PREFIX}*"):
        if checkpoint == newest:
            continue
        if has_model(checkpoint) and parse_step(checkpoint) in published:
            keep_model_only(checkpoint)
        else:
            remove_checkpoint(checkpoint)


def keep_model_only(checkpoint: Path) -> None:
    """Drop the trainer's state of a checkpoint; a kill on the way is made good by the next call."""
    with contextlib.suppress(FileNotFoundError):
        os.replace(checkpoint / MARKER, checkpoint / MODEL_ONLY)
    for path in checkpoint.iterdir():
        if path.is_dir() and not is_published(path.name):
            shutil.rmtree(path)
        elif path.name != MODEL_ONLY and not is_published(path.name):
            path.unlink()


def remove_checkpoint(checkpoint: Path) -> None:
    """Delete a checkpoint, its marks first: half of one must not count."""
    for mark in (MARKER, MODEL_ONLY):
        (checkpoint / mark).unlink(missing_ok=True)
    shutil.rmtree(checkpoint)


def link_or_copy(source: str, target: str) -> str:
    """Give a file a second name; on another file system, or one without links, copy it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
