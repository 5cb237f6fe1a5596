"""Training that saves checkpoints, resumes from them after a kill, and ends before it diverges.

The trainer writes its state (weights, optimiser, schedule, random generators) into a folder
outside the rule's declared outputs (`retu.training.training_state`). With several processes every
one of them calls every function here.
"""

import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from retu.core.atomic_files import write_text
from retu.core.errors import InputError, JobInterrupted
from retu.models.extension_locks import check_extension_locks
from retu.runtime.interruption import STOP_REQUEST, listen_for_sigterm
from retu.runtime.processes import (
    get_rank,
    is_main_process,
    is_true_in_any_process,
    wait_for_everyone,
)
from retu.runtime.usage import count_work_time
from retu.training.training_state import (
    CHECKPOINT_PREFIX,
    check_process_count,
    find_latest_complete,
    mark_complete,
    parse_step,
    prune_checkpoints,
)

if TYPE_CHECKING:
    from transformers import Trainer

LOSS_WINDOW = "loss_window_{}.json"
"""One a process: its training loss since the last line of the log."""


def list_due_steps(chosen: Collection[int], every: int | None, last: int) -> list[int]:
    """The chosen steps, and every so many up to the last step of a run, in order."""
    return sorted({*chosen, *(range(every, last + 1, every) if every else ())})


class SaveCallback(TrainerCallback):
    """Save at the given steps.

    Args:
        steps: where to save.
        published: the steps whose models will be published; all of them if not given.
    """

    def __init__(self, steps: list[int], published: Collection[int] | None = None) -> None:
        self.steps = frozenset(steps)
        self.published = self.steps if published is None else frozenset(published)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask the trainer for a save after this step, if it is one of ours.

        A log line comes first: it shows a diverged run before it is saved.
        """
        due = state.global_step in self.steps
        control.should_log = control.should_log or due
        control.should_save = due


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
