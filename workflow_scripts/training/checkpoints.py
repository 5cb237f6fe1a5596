"""Training state that survives a kill, and checkpoints that leave as finished products.

The trainer writes its state (weights, optimiser, schedule, random generators) into a folder
outside the rule's declared outputs. A checkpoint counts only once its `complete` marker is there,
so a kill in the middle of a save costs the steps since the one before and nothing else.
"""

import hashlib
import importlib.metadata
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from workflow_scripts.atomic import replace_folder
from workflow_scripts.errors import InputError
from workflow_scripts.usage import work

if TYPE_CHECKING:
    from transformers import Trainer

MARKER = "complete"
TRAINERS = ("torch", "transformers", "trl", "accelerate", "datasets")
REQUEST = "request"
STEP_FOLDER = "step-{:06d}"
# Written by trainers beside the weights, of no use to whoever loads the model.
NOT_PUBLISHED = (
    "optimizer.pt",
    "scheduler.pt",
    "rng_state*.pth",
    "trainer_state.json",
    "training_args.bin",
    "paradigm_*",
    MARKER,
)


def open_state(folder: Path, *request: str) -> None:
    """Make the state folder ready for a job; state of a different request is thrown away.

    `request` is everything that decides the run (its code, its specification and the digests of
    its inputs), to which the installed versions of the trainers are added: a resumed run must be
    the continuation of the same one.
    """
    versions = [importlib.metadata.version(package) for package in TRAINERS]
    digest = hashlib.sha256(json.dumps([*request, *versions]).encode()).hexdigest()
    note = folder / REQUEST
    if folder.exists() and (not note.is_file() or note.read_text(encoding="utf-8") != digest):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    note.write_text(digest, encoding="utf-8")


def close_state(folder: Path) -> None:
    """Drop the state of a run whose results are in place: running it again means training again."""
    shutil.rmtree(folder)


def latest_complete(state: Path) -> Path | None:
    """The newest checkpoint whose save was finished; unfinished ones are removed."""
    found: list[tuple[int, Path]] = []
    for folder in state.glob("checkpoint-*"):
        if (folder / MARKER).is_file():
            found.append((int(folder.name.removeprefix("checkpoint-")), folder))
        else:
            shutil.rmtree(folder)
    return max(found)[1] if found else None


class SaveAtSteps(TrainerCallback):
    """Save (and evaluate, if the trainer has an evaluation set) at the given steps."""

    def __init__(self, steps: list[int], evaluate: bool) -> None:
        self.steps = frozenset(steps)
        self.evaluate = evaluate

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask the trainer for a save after this step, if it is one of ours.

        A log line comes first: it shows a diverged run before it is saved, and a resumed run
        then averages the training loss over the same steps as one that was never killed.
        """
        due = state.global_step in self.steps
        control.should_log = control.should_log or due
        control.should_save = due
        control.should_evaluate = due and self.evaluate

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Mark the checkpoint complete once everything before the mark is on disk."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        os.sync()
        (folder / MARKER).write_text(str(state.global_step), encoding="utf-8")


class StopOnNan(TrainerCallback):
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
        InputError: the model diverged until nothing could be sampled from it.
    """
    checkpoint = latest_complete(state)
    if checkpoint is not None:
        print(f"resuming from step {checkpoint.name.removeprefix('checkpoint-')}")
    try:
        with work():
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except RuntimeError as error:
        # Sampling is the first to notice NaN in the weights, before a loss is ever logged.
        if "probability tensor" not in str(error):
            raise
        raise InputError(
            f"training: no probabilities to sample from after step {trainer.state.global_step};"
            " lower learning_rate in the recipe or look at the data"
        ) from error


def publish_checkpoints(state: Path, published_as: Mapping[int, int], folder: Path) -> None:
    """Copy checkpoints, weights and tokenizer only, to `folder/step-NNNNNN`.

    `published_as` maps the trainer's step to the step in the name: a base model is step 0.
    """

    def fill(target: Path) -> None:
        for step, name in published_as.items():
            source = state / f"checkpoint-{step}"
            ignored = shutil.ignore_patterns(*NOT_PUBLISHED)
            shutil.copytree(source, target / STEP_FOLDER.format(name), ignore=ignored)

    replace_folder(folder, fill)


def checkpoint_steps(folder: Path) -> dict[int, Path]:
    """step -> folder of the checkpoints under a published folder, in order."""
    found = {int(path.name.removeprefix("step-")): path for path in folder.glob("step-*")}
    if not found:
        raise InputError(f"{folder}: holds no checkpoint; delete it and run again")
    return dict(sorted(found.items()))


def checkpoint_at(folder: Path, step: int) -> Path:
    """The checkpoint of a step under a published folder; InputError if it has none."""
    found = checkpoint_steps(folder)
    if step not in found:
        steps = ", ".join(map(str, found))
        raise InputError(f"{folder}: has no checkpoint of step {step}, only of {steps}; name one")
    return found[step]


def model_config(folder: Path) -> dict[str, Any]:
    """The `config.json` of a checkpoint."""
    content: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return content
