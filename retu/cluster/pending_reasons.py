"""What SLURM's reasons for a pending job mean, and which of them no waiting ends."""

import functools
import re
from pathlib import Path
from typing import Literal

from pydantic import Field, TypeAdapter

from retu.cluster.queue import QueuedJob
from retu.core.sections import Section
from retu.core.yaml_files import parse_yaml

REASONS_FILE = Path(__file__).with_name("pending_reasons.yaml")


class PendingReason(Section):
    """A reason, or several that mean the same: a pattern for all of squeue's word for it."""

    reason: str
    ends: Literal["never", "maybe", "itself"]
    means: str
    remedy: str = Field(alias="do")


@functools.cache
def read_reasons() -> tuple[PendingReason, ...]:
    """All reasons of reasons.yaml, in order."""
    return TypeAdapter(tuple[PendingReason, ...]).validate_python(parse_yaml(REASONS_FILE))


def explain_pending(job: QueuedJob) -> PendingReason | None:
    """Why a job is pending; None for one that runs and for a reason that is not known."""
    if not job.is_pending:
        return None
    known = read_reasons()
    return next((k for k in known if re.fullmatch(k.reason, job.reason, re.IGNORECASE)), None)


def is_stuck(job: QueuedJob) -> bool:
    """Whether a pending job stays so until someone changes something."""
    reason = explain_pending(job)
    return reason is not None and reason.ends == "never"
