"""Where training keeps what it resumes from, outside of what its job declares as output."""

import glob
import os
import shutil
from functools import partial
from pathlib import Path

from retu.runtime.script import AT_END

START_ANEW = "set RETU_STATE to another folder to start the run again"
"""What to do about a training state that nobody can go on from; it stays where it is."""


def get_state_folder(output: Path) -> Path:
    """Where a job keeps what it needs to resume: beside the outputs, never among them.

    Snakemake deletes declared outputs before it reruns a job, and SLURM's requeue does the same,
    so training state has its own tree (`RETU_STATE`, default `.state/` in the work folder) that
    mirrors the path of the output.
    """
    root = Path(os.environ.get("RETU_STATE", ".state"))
    inside = output if not output.is_absolute() else output.relative_to(output.anchor)
    return root / inside


def get_branch_folder(checkpoints: Path) -> Path:
    """The state folder of a branch, given where one of its rungs publishes checkpoints."""
    return get_state_folder(checkpoints.parent.parent / checkpoints.name)


def get_kept_folder(state: Path) -> Path:
    """Where the state of a finished run waits for a run of more steps."""
    return state.with_name(f"{state.name}-kept")


def drop_state(folder: Path) -> None:
    """Once all of the job has succeeded, drop a training state, and those put aside for it."""
    for state in (folder, *folder.parent.glob(f"{glob.escape(folder.name)}.*")):
        AT_END.append(partial(shutil.rmtree, state, ignore_errors=True))


def keep_state(folder: Path) -> None:
    """Once all of the job has succeeded, keep its training state in the place of an earlier one."""
    kept = get_kept_folder(folder)
    AT_END.append(partial(shutil.rmtree, kept, ignore_errors=True))
    AT_END.append(partial(os.replace, folder, kept))
    drop_state(folder)
