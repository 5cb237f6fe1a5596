"""What the Snakefile takes from, and adds to, the Snakemake that reads it."""

import argparse
import atexit
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import snakemake.exceptions
from snakemake.exceptions import WorkflowError


def find_arguments() -> argparse.Namespace | None:
    """The parsed command line of the Snakemake that reads the Snakefile; None for another caller.

    Snakemake hands targets to a workflow only after it has read the Snakefile.
    """
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_name == "args_to_api":
            found = frame.f_locals.get("args")
            return found if isinstance(found, argparse.Namespace) else None
        frame = frame.f_back
    return None


def is_dry_run(workflow: Any) -> bool:
    """Whether this is a dry run, which neither locks nor makes anything."""
    return bool(workflow.output_settings and workflow.output_settings.dryrun)


def say_last(say: Callable[[], None]) -> None:
    """Say something when Snakemake has said everything, as its process ends.

    After `onerror` it still tells where its log is, and that a job did not complete.
    """
    atexit.register(say)


def explain_lock(reason: str) -> None:
    """Have Snakemake say why the folder is locked, where it would only ask whether it should be."""

    class LockError(WorkflowError):  # type: ignore[misc]
        """A locked folder, and by whom."""

        def __init__(self) -> None:
            super().__init__(f"error: {Path.cwd()}: {reason}")

    snakemake.exceptions.LockException = LockError
