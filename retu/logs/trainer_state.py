"""Histories of Transformers' and TRL's trainers: `trainer_state.json`, or `log_history` alone."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from retu.core.errors import InputError
from retu.logs.log_choice import LogChoice
from retu.logs.log_entries import LogEntry, ToolLog, parse_number, pick_numbers
from retu.logs.log_files import LogFile, load_json

CHECKPOINT = re.compile(r"checkpoint-\d+")
STATE_NAME = "trainer_state.json"
# Means of a whole run, not points of it.
SUMMARY_KEY = "train_runtime"


def is_state(file: LogFile) -> bool:
    """Whether a file is a trainer's state or a list of its log entries."""
    if file.path.name.endswith(STATE_NAME) or file.holds("log_history", "global_step"):
        return file.is_json
    return file.first_line.startswith("[") and file.holds("step", "epoch")


def read_states(files: Sequence[LogFile], choice: LogChoice) -> ToolLog:
    """The histories, one a run: of several states of a run, the one that went furthest.

    Every checkpoint holds the whole history up to it, so that states are never put together.

    Raises:
        InputError: a file is cut off, or has no history.
    """
    runs: dict[Path, list[tuple[float, LogFile, list[Any]]]] = {}
    for file in files:
        step, history = load_history(file.path)
        runs.setdefault(find_run(file.path), []).append((step, file, history))
    log = ToolLog([], run_names={str(run): run.name for run in runs})
    for run, states in runs.items():
        _, file, history = max(states, key=lambda state: state[0])
        if len(states) > 1:
            log.notes.append(f"{run.name}: {file.path} went furthest of {len(states)} states")
        entries = list_entries(str(run), str(file.path), history)
        log.entries.extend(entries)
        log.notes.extend(explain_losses(run.name, entries))
        log.notes.extend(guess_problems(run.name, entries))
    return log


def load_history(path: Path) -> tuple[float, list[Any]]:
    """The last step and the entries of a state."""
    content = load_json(path)
    history = content.get("log_history") if isinstance(content, dict) else content
    if not isinstance(history, list) or not all(isinstance(e, dict) for e in history):
        raise InputError(f"{path}: has no log_history; give a trainer_state.json of Transformers")
    steps = [parse_number(entry.get("step")) or 0.0 for entry in history]
    of_state = parse_number(content.get("global_step")) if isinstance(content, dict) else None
    return max([of_state or 0.0, *steps]), history


def find_run(path: Path) -> Path:
    """The folder of a run: that of the state, or the one around `checkpoint-N`.

    A state with a name of its own is a run of its own.
    """
    name = path.name.removesuffix(STATE_NAME).removesuffix(".json").rstrip(".")
    folder = path.resolve().parent
    if name:
        return folder / name
    return folder.parent if CHECKPOINT.fullmatch(folder.name) else folder


def list_entries(run: str, source: str, history: Sequence[dict[str, Any]]) -> list[LogEntry]:
    """The entries of a history that are points of a curve."""
    entries = []
    for number, logged in enumerate(history, start=1):
        if SUMMARY_KEY in logged:
            continue
        step = parse_number(logged.get("step"))
        values = pick_numbers(logged, "step")
        if is_filtered_loss(values):
            values["loss"] = math.nan
        place = f"log_history entry {number}"
        axes = {} if step is None else {"step": step}
        entries.append(LogEntry(source, place, run, values, axes))
    return entries


def is_filtered_loss(values: dict[str, float]) -> bool:
    """Whether a loss of 0.0 stands for NaN, which `logging_nan_inf_filter` hides by default."""
    return values.get("loss") == 0.0 and math.isnan(values.get("grad_norm", math.nan))


def explain_losses(run: str, entries: Sequence[LogEntry]) -> list[str]:
    """Notes on training losses that are no numbers, or hide one in their window."""
    losses = [
        (e.axes.get("step", math.nan), e.values["loss"]) for e in entries if "loss" in e.values
    ]
    broken = [step for step, loss in losses if math.isnan(loss)]
    notes = []
    if broken:
        notes.append(
            f"{run}: training loss is no number at {len(broken)} points from step {broken[0]:g} on"
            " (a loss of 0.0 without a gradient norm is NaN, filtered): the run broke there"
        )
    for (_, before), (step, loss), (_, after) in zip(losses, losses[1:], losses[2:], strict=False):
        if 0 < loss < min(before, after) / 2:
            notes.append(
                f"{run}: training loss {loss:.3g} at step {step:g} is below half of both"
                " neighbours: a filtered NaN in its window?"
            )
    return notes


def guess_problems(run: str, entries: Sequence[LogEntry]) -> list[str]:
    """A note on about how many problems each set has, by its speed; a hint, never used."""
    sizes: dict[str, list[float]] = {}
    for entry in entries:
        for key, runtime in entry.values.items():
            speed = entry.values.get(key.removesuffix("runtime") + "samples_per_second")
            if key.startswith("eval") and key.endswith("_runtime") and speed is not None:
                sizes.setdefault(key.removesuffix("_runtime"), []).append(speed * runtime)
    if not sizes:
        return []
    hints = ", ".join(f"{name} about {sorted(v)[len(v) // 2]:.0f}" for name, v in sizes.items())
    return [
        f"{run}: the number of problems is not in the log; by its speed {hints}; --n-problems says"
        " it"
    ]
