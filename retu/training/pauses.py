"""RL in rungs: a branch pauses after a rung and goes on from its training state, no step repeated.

Its state is that of the whole branch and knows no rungs: a paused run trains as one that was killed
and started again does, to the byte.
"""

from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerState

from retu.planning.jobs import RlJob
from retu.runtime.training_folders import get_branch_folder, get_state_folder
from retu.training.training_state import (
    CHECKPOINT_PREFIX,
    find_latest_complete,
    has_model,
    parse_step,
)


class PauseCallback(TrainerCallback):
    """End a job's training after its last step, which has been evaluated and is saved."""

    def __init__(self, job: RlJob) -> None:
        self.step = job.last_step

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Stop there."""
        if state.global_step >= self.step:
            control.should_training_stop = True


def find_branch_state(checkpoints: Path, job: RlJob) -> Path:
    """The folder of a branch's training state, given where a job publishes its checkpoints.

    Rungs share that of their branch, unless it is beyond the end of the rung and the model of then
    is gone: making a rung again, later, takes a state of its own.
    """
    if not job.stops:
        return get_state_folder(checkpoints)
    shared = get_branch_folder(checkpoints)
    latest = find_latest_complete(shared)
    beyond = latest is not None and parse_step(latest) > job.last_step
    if beyond and not has_model(shared / f"{CHECKPOINT_PREFIX}{job.last_step}"):
        return get_state_folder(checkpoints)
    return shared


def is_trained(state: Path, job: RlJob) -> bool:
    """Whether a state has all the steps of a job already."""
    latest = find_latest_complete(state)
    return latest is not None and parse_step(latest) >= job.last_step


def read_log_history(state: Path, job: RlJob) -> list[dict[str, Any]]:
    """What was logged up to the end of a job, by the newest checkpoint of its state."""
    latest = find_latest_complete(state)
    if latest is None:
        return []
    history = TrainerState.load_from_json(str(latest / "trainer_state.json")).log_history
    return [entry for entry in history if entry["step"] <= job.last_step]
