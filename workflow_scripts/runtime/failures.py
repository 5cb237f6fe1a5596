"""Why jobs of a run failed, from their logs: once each, in the words of the job."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from workflow_scripts.errors import InputError
from workflow_scripts.runtime.disk import describe_full, full_folder
from workflow_scripts.study.stage import AnalysisPlan

FAILED = re.compile(r"^ +log: (.+) \(check log", re.MULTILINE)
SAID = ("error: ", "interrupted: ")
SMALL_STUDY = 2**30
"""Bytes that a study of small models, or of none, stays below: smoke leaves 4 MB."""
LAST_LINES = 5
"""Of a log without such a line: the end of a traceback says what and where."""


def describe_failures(said: str) -> list[str]:
    """Lines that tell why jobs failed.

    Args:
        said: what Snakemake has logged; it names the logs of jobs that failed.
    """
    told: dict[str, None] = {}
    for path in dict.fromkeys(FAILED.findall(said)):
        told.update(dict.fromkeys(describe_failure(Path(path))))
    return list(told)


def describe_failure(log: Path) -> Iterator[str]:
    """Why one job failed: its own words, or else the end of its log."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        yield f"error: {log}: cannot be read ({error.strerror})"
        return
    words = [line for line in lines if line.startswith(SAID)]
    if words:
        yield from words
    elif lines := [line for line in lines if line.strip()]:
        yield f"error: {log} ends with:"
        yield from (f"    {line}" for line in lines[-LAST_LINES:])
    else:
        yield f"error: {log}: is empty; the job was killed or could not write"


def describe_disk(plan: AnalysisPlan, root: Path) -> str | None:
    """The line of a disk that a run in `root` has filled, with the need of the study, or None.

    A log on a full disk is empty, and then nobody else says why a job failed.
    """
    place = full_folder(root)
    if place is None:
        return None
    # It loads what no run needs that goes well.
    from workflow_scripts.cost.estimate import disk_needed

    needed: int | None = None
    with contextlib.suppress(InputError):
        needed = disk_needed(plan, root)
    return describe_full(place, SMALL_STUDY if needed is None else needed)
