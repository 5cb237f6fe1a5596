"""verl's logs: the lines of its file logger, or those of its console."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from retu.logs.log_choice import LogChoice
from retu.logs.log_entries import NAN, LogEntry, ToolLog, parse_number, pick_numbers
from retu.logs.log_files import LogFile, decode_text, load_json_lines

FILE_LINE = re.compile(r'\{"step":\s*\d+,\s*"data":\s*\{')
CONSOLE_LINE = re.compile(r"\bstep:(\d+) - (.+)")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
NUMPY_NUMBER = re.compile(r"np\.\w+\((.+)\)")


def is_verl_file(file: LogFile) -> bool:
    """Whether a file is of verl's file logger."""
    return FILE_LINE.match(file.first_line) is not None


def is_verl_console(file: LogFile) -> bool:
    """Whether a file holds the console of a training with verl."""
    if not file.first_line or file.is_json:
        return False
    lines = COLOURS.sub("", decode_text(file.head)).splitlines()
    found = (CONSOLE_LINE.search(line) for line in lines)
    return any(match and ":" in match[2].partition(" - ")[0] for match in found)


def read_verl(files: Sequence[LogFile], choice: LogChoice) -> ToolLog:
    """The steps of runs, each file a run.

    The file logger begins anew when a run is resumed, and what was before is lost.
    """
    log = ToolLog([])
    names = {}
    for file in files:
        run = str(file.path)
        names[run] = file.path.stem
        load = load_file if is_verl_file(file) else load_console
        entries = [
            LogEntry(run, f"line {line}", run, values, {"step": float(step)})
            for line, step, values in load(file.path)
        ]
        log.entries.extend(entries)
        first = min((entry.axes["step"] for entry in entries), default=0.0)
        if first > 1:
            log.notes.append(
                f"{run}: starts at step {first:g}: resuming erases the part before in this file"
            )
    keys = {key for entry in log.entries for key in entry.values if key.startswith("val-")}
    if any("/best@" in key or "/maj@" in key for key in keys):
        log.notes.append(
            "verl's best@N and maj@N are bootstrap means over its answers, not pass@N; mean@N is"
            " the mean of N answers to each problem"
        )
    return ToolLog(log.entries, log.notes, names)


def load_file(path: Path) -> Iterator[tuple[int, int, dict[str, float]]]:
    """Line, step and numbers of each line of a file logger; null is not a number."""
    for number, content in load_json_lines(path):
        data = content.get("data")
        step = parse_number(content.get("step"))
        if isinstance(data, dict) and step is not None and math.isfinite(step):
            yield number, int(step), fill_nulls(data)


def fill_nulls(data: Mapping[str, object]) -> dict[str, float]:
    """The numbers of a line; null is NaN."""
    return pick_numbers({key: NAN if value is None else value for key, value in data.items()})


def load_console(path: Path) -> Iterator[tuple[int, int, dict[str, float]]]:
    """Line, step and numbers of `step:4 - key:value - ...`, whatever stands before it."""
    text = COLOURS.sub("", decode_text(path.read_bytes()))
    for number, line in enumerate(text.splitlines(), start=1):
        if match := CONSOLE_LINE.search(line):
            pairs = (pair.rpartition(":") for pair in match[2].split(" - "))
            yield (
                number,
                int(match[1]),
                pick_numbers(
                    {key.strip(): NUMPY_NUMBER.sub(r"\1", value.strip()) for key, _, value in pairs}
                ),
            )
