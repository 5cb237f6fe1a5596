"""Lines of JSON that a trainer appends, each with its step and time: those of prime-rl."""

import math
from collections.abc import Sequence

from retu.core.errors import InputError
from retu.logs.log_choice import LogChoice
from retu.logs.log_entries import LogEntry, ToolLog, pick_numbers
from retu.logs.log_files import LogFile, load_json_lines
from retu.logs.metric_keys import find_role

TIMES = ("time", "timestamp", "_timestamp")


def is_step_lines(file: LogFile) -> bool:
    """Whether each line is a mapping with a step and a time."""
    if not file.first_line.startswith("{"):
        return False
    has_step = any(f'"{name}":' in file.first_line for name in ("step", "_step"))
    return has_step and any(f'"{name}":' in file.first_line for name in TIMES)


def read_step_lines(files: Sequence[LogFile], choice: LogChoice) -> ToolLog:
    """The lines of files, each a run; a step may have several lines with other keys.

    Raises:
        InputError: a line is no JSON mapping.
    """
    log = ToolLog([])
    names = {}
    policies: list[str] = []
    for file in files:
        run = str(file.path)
        stem = file.path.stem
        names[run] = file.path.resolve().parent.name if stem == "metrics" else stem
        last, part = -math.inf, 0
        for number, line in load_json_lines(file.path):
            numbers = pick_numbers(line, *TIMES)
            axes = {key: v for key, v in numbers.items() if find_role("axes", key) is not None}
            axes = {key: v for key, v in axes.items() if "/" not in key} or axes
            values = {key: v for key, v in numbers.items() if key not in axes}
            step = axes.get("step", axes.get("_step", last))
            part += step < last  # a resumed run repeats steps
            last = step
            log.entries.append(LogEntry(run, f"line {number}", run, values, axes, part=part))
            policies.extend(
                key
                for key, version in values.items()
                if key.endswith("/policy_version") and version != axes.get("step", version)
            )
    for key in dict.fromkeys(policies):
        log.notes.append(
            f"the weights that were evaluated are older than the step; --x {key} --x-unit step"
            " takes theirs"
        )
    if not log.entries:
        raise InputError(f"{files[0].path}: holds no line with a step; give another file")
    return ToolLog(log.entries, log.notes, names)
