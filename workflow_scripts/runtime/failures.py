"""Why jobs of a run failed, from their logs: once each, in the words of the job."""

import re
from collections.abc import Iterator
from pathlib import Path

FAILED = re.compile(r"^ +log: (.+) \(check log", re.MULTILINE)
SAID = ("error: ", "interrupted: ")
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
