"""Training that resumes after a kill, and publishing of its finished checkpoints.

The trainer writes its state (weights, optimiser, schedule, random generators) into a folder
outside the rule's declared outputs (`retu.training.training_state`). What is asked for there
and of whom: with several processes every one of them calls every function here, and the first
alone writes.
"""

import glob
import hashlib
import importlib.metadata
import json
import os
import shutil
import time
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from retu.core.atomic_files import replace_folder, write_text
from retu.core.errors import InputError, JobInterrupted
from retu.models.extension_locks import check_extension_locks
from retu.runtime.interruption import STOP_REQUEST, listen_for_sigterm
from retu.runtime.processes import (
    get_rank,
    is_main_process,
    is_true_in_any_process,
    wait_for_everyone,
)
from retu.runtime.progress import print_progress
from retu.runtime.script import AT_END
from retu.runtime.usage import count_work_time
from retu.training.training_state import (
    CHECKPOINT_PREFIX,
    check_loadable,
    check_process_count,
    find_latest_complete,
    is_published,
    link_or_copy,
    mark_complete,
    parse_step,
    prune_checkpoints,
)

if TYPE_CHECKING:
    from transformers import Trainer

TRAINERS = ("torch", "transformers", "trl", "accelerate", "datasets")
REQUEST_FILE = "request"
STEP_FOLDER = "step-{:06d}"
LOSS_WINDOW = "loss_window_{}.json"
"""One a process: its training loss since the last line of the log."""
MAIN_PROCESS_SECONDS = 4 * 3600.0
"""It hashes all that comes in first, which may be tens of gigabytes on a busy disk."""


def open_state(folder: Path, *request: str) -> None:
    """Make the state folder ready for a job; state of a different request is put aside.

    `request` is everything that decides the run (its code, its specification and the digests of
    its inputs), to which the installed versions of the trainers are added: a resumed run must be
    the continuation of the same one.

    Raises:
        InputError: the main process does not get the folder ready.
    """
    versions = [importlib.metadata.version(package) for package in TRAINERS]
    digest = hashlib.sha256(json.dumps([*request, *versions]).encode()).hexdigest()
    note = folder / REQUEST_FILE
    if is_main_process():
        if folder.exists() and not has_text(note, digest):
            put_state_aside(folder)
        if not folder.exists() and (earlier := get_aside_folder(folder, digest)).exists():
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
        f"{folder}: holds a run of other code, settings or inputs that is not done; kept as {kept}"
        " until this one is"
    )


def close_state(folder: Path) -> None:
    """Drop the state of a run once all else has succeeded: without it, it would train again."""
    if is_main_process():
        for state in (folder, *folder.parent.glob(f"{glob.escape(folder.name)}.*")):
            AT_END.append(partial(shutil.rmtree, state))


class SaveCallback(TrainerCallback):
    """Save (and evaluate, if the trainer has an evaluation set) at the given steps.

    Args:
        steps: where to save.
        evaluate: whether to evaluate before.
        published: the steps whose models will be published; all of them if not given.
    """

    def __init__(
        self, steps: list[int], evaluate: bool, published: Collection[int] | None = None
    ) -> None:
        self.steps = frozenset(steps)
        self.evaluate = evaluate
        self.published = self.steps if published is None else frozenset(published)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask the trainer for a save after this step, if it is one of ours.

        A log line comes first: it shows a diverged run before it is saved.
        """
        due = state.global_step in self.steps
        control.should_log = control.should_log or due
        control.should_save = due
        control.should_evaluate = due and self.evaluate


class ResumeCallback(TrainerCallback):
    """Make every saved checkpoint resumable, and stop the run when it is asked to.

    It must be the last callback of the trainer: others decide first what a step ends with.
    """

    def __init__(self, trainer: "Trainer", state: Path, published: Collection[int]) -> None:
        self.trainer = trainer
        self.folder = state
        self.published = published
        self.stopped = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Restore the loss summed since the last log line: its next mean is over the same steps."""
        path = (
            self.folder / f"{CHECKPOINT_PREFIX}{state.global_step}" / LOSS_WINDOW.format(get_rank())
        )
        if path.is_file():
            window = json.loads(path.read_text(encoding="utf-8"))
            self.trainer._tr_loss += window["sum"]
            self.trainer._globalstep_last_logged = window["since"]

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Save and stop if any process was asked to, unless this was the last step anyway."""
        if is_true_in_any_process(STOP_REQUEST.asked) and state.global_step < state.max_steps:
            self.stopped = control.should_save = control.should_training_stop = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Mark the checkpoint complete once the files of all processes are on disk."""
        checkpoint = self.folder / f"{CHECKPOINT_PREFIX}{state.global_step}"
        window = {
            "sum": self.trainer._tr_loss.item(),
            "since": self.trainer._globalstep_last_logged,
        }
        write_text(checkpoint / LOSS_WINDOW.format(get_rank()), json.dumps(window))
        os.sync()
        wait_for_everyone()
        if is_main_process():
            mark_complete(checkpoint)
            prune_checkpoints(self.folder, self.published)


class NanGuard(TrainerCallback):
    """End a diverged run at once instead of training on NaN weights."""

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        """Check the losses of every log line."""
        for key in ("loss", "eval_loss", "grad_norm", "train_loss"):
            value = float((logs or {}).get(key, 0.0))
            if value != value or value in (float("inf"), float("-inf")):
                raise InputError(
                    f"training: {key} is {value} at step {state.global_step}; lower learning_rate"
                    " in the recipe or look at the data"
                )


def train_resumably(trainer: "Trainer", state: Path) -> None:
    """Train, from the newest complete checkpoint if there is one.

    Raises:
        InputError: the model diverged until nothing could be sampled from it, the state is that of
            another number of processes, or a killed build of DeepSpeed's blocks this one.
        Interrupted: the run was asked to stop, and saved.
    """
    checkpoint = prepare_trainer(trainer, state)
    try:
        with listen_for_sigterm() as request, count_work_time():
            request.patient = True
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except RuntimeError as error:
        # Sampling is the first to notice NaN in the weights, before a loss is ever logged.
        if "probability tensor" not in str(error):
            raise
        raise InputError(
            f"training: no probabilities to sample from after step {trainer.state.global_step};"
            " lower learning_rate in the recipe or look at the data"
        ) from error
    callbacks = trainer.callback_handler.callbacks
    if any(isinstance(callback, ResumeCallback) and callback.stopped for callback in callbacks):
        done, steps = trainer.state.global_step, trainer.state.max_steps
        message = f"at step {done} of {steps}; saved; start it again to go on"
        raise JobInterrupted(message, progressed=True)


def prepare_trainer(trainer: "Trainer", state: Path) -> Path | None:
    """Ready a trainer for `train_resumably`; the checkpoint that it resumes from."""
    if getattr(trainer, "is_deepspeed_enabled", False):
        check_extension_locks()
    saving = [
        callback
        for callback in trainer.callback_handler.callbacks
        if isinstance(callback, SaveCallback)
    ]
    published = frozenset().union(*(callback.published for callback in saving))
    if is_main_process():
        prune_checkpoints(state, published)
    wait_for_everyone()
    trainer.add_callback(ResumeCallback(trainer, state, published))
    checkpoint = find_latest_complete(state)
    if checkpoint is not None:
        check_process_count(checkpoint)
        print(f"resuming from step {parse_step(checkpoint)}")
    return checkpoint


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
        raise InputError(f"{folder}: holds no checkpoint; delete it and run again")
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
