"""Why jobs of a run failed, from their logs: once each, in the words of the job."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from retu.core.errors import InputError
from retu.core.sizes import GIB
from retu.planning.analysis_plan import AnalysisPlan
from retu.runtime.disk import describe_full_disk, find_full_folder

FAILED_LOG = re.compile(r"^ +log: (.+) \(check log", re.MULTILINE)
ERROR_PREFIXES = ("error: ", "interrupted: ")
SMALL_STUDY = GIB
"""Bytes that a study of small models, or of none, stays below: smoke leaves 4 MB."""
MISSING_PACKAGE = re.compile(r"^ModuleNotFoundError: No module named '(\w+)")
LAST_LINES = 5
"""Of a log without such a line: the end of a traceback says what and where."""


def describe_failures(said: str, full_disk: str | None = None) -> list[str]:
    """Lines that tell why jobs failed.

    Args:
        said: what Snakemake has logged; it names the logs of jobs that failed.
        full_disk: the line of a full disk (`describe_disk`), which is why a log is empty.
    """
    told: dict[str, None] = {}
    for path in map(Path, dict.fromkeys(FAILED_LOG.findall(said))):
        if not (full_disk and is_empty_log(path)):
            told.update(dict.fromkeys(describe_failure(path)))
    return [*told, *([f"error: {full_disk}"] if full_disk else [])]


def is_empty_log(log: Path) -> bool:
    """Whether a log holds nothing or is not there."""
    return not log.is_file() or log.stat().st_size == 0


def describe_failure(log: Path) -> Iterator[str]:
    """Why one job failed: its own words, or else the end of its log."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        yield f"error: {log}: cannot be read ({error.strerror})"
        return
    words = [line for line in lines if line.startswith(ERROR_PREFIXES)]
    missing = MISSING_PACKAGE.match(lines[-1]) if lines else None
    if words:
        yield from words
    elif missing:
        yield (
            f"error: {log}: this environment lacks the package {missing[1]}; `make setup-analysis`"
            " leaves out what trains, `make setup` brings it"
        )
    elif lines := [line for line in lines if line.strip()]:
        yield f"error: {log} ends with:"
        yield from (f"    {line}" for line in lines[-LAST_LINES:])
    else:
        yield f"error: {log}: is empty; the job was killed or could not write"


def describe_disk(plan: AnalysisPlan, root: Path) -> str | None:
    """The line of a disk that a run in `root` has filled, with the need of the study, or None.

    A log on a full disk is empty, and then nobody else says why a job failed.
    """
    place = find_full_folder(root)
    if place is None:
        return None
    # Imported here, because only a failed run needs it.
    from retu.cost.estimate import estimate_missing_disk

    needed: int | None = None
    with contextlib.suppress(InputError):
        needed = estimate_missing_disk(plan, root)
    return describe_full_disk(place, SMALL_STUDY if needed is None else needed)
