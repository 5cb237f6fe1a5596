"""DVCLive's folders: a table of `step` and value for each metric below `plots/metrics`."""

from collections.abc import Sequence
from pathlib import Path

from retu.core.errors import InputError
from retu.logs.log_choice import LogChoice
from retu.logs.log_entries import LogEntry, ToolLog, parse_number
from retu.logs.log_files import LogFile
from retu.logs.table_files import parse_column, read_cells
from retu.logs.trainer_state import STATE_NAME, load_history

PLOTS = ("plots", "metrics")
LOG_CALL = "log call"
# What Transformers' callback writes, whose steps count calls.
CALLBACK_METRICS = ("train/runtime", "train/samples_per_second")


def is_dvclive(file: LogFile) -> bool:
    """Whether a file is the table of a metric."""
    return file.path.suffix == ".tsv" and find_plots(file.path) is not None


def find_plots(path: Path) -> Path | None:
    """The folder `plots/metrics` around a file."""
    return next((p for p in path.parents if p.parts[-2:] == PLOTS), None)


def read_dvclive(files: Sequence[LogFile], choice: LogChoice) -> ToolLog:
    """The metrics of runs, by their paths below `plots/metrics`.

    Raises:
        InputError: a table without steps, or whose steps are all 0.
    """
    runs: dict[Path, list[Path]] = {}
    for file in files:
        plots = find_plots(file.path)
        assert plots is not None
        runs.setdefault(plots, []).append(file.path)
    log = ToolLog([])
    names = {}
    for plots, paths in runs.items():
        folder = plots.parent.parent
        names[str(folder)] = name_run(folder)
        entries = [entry for path in paths for entry in load_metric(path, plots)]
        check_steps(folder, entries)
        if any((plots / f"{name}.tsv").is_file() for name in CALLBACK_METRICS):
            entries, note = place_log_calls(folder, plots, entries)
            log.notes.append(note)
        log.entries.extend(entries)
    return ToolLog(log.entries, log.notes, names)


def name_run(folder: Path) -> str:
    """The folder of a run, or the one around `dvclive`."""
    folder = folder.resolve()
    return folder.parent.name if folder.name == "dvclive" else folder.name


def load_metric(path: Path, plots: Path) -> list[LogEntry]:
    """The rows of a metric; a step that does not go on is that of a resumed run."""
    table = read_cells(path)
    if "step" not in table or path.stem not in table:
        raise InputError(f"{path}: row 1: no columns step and {path.stem}; give DVCLive's own file")
    key = path.relative_to(plots).with_suffix("").as_posix()
    source = str(plots.parent.parent)
    entries: list[LogEntry] = []
    last, part = -1.0, 0
    steps, values = parse_column(path, table["step"]), parse_column(path, table[path.stem])
    for row, step, value in zip(table.index, steps, values, strict=True):
        part += step <= last
        last = step
        place = f"{key}.tsv row {row}"
        entries.append(LogEntry(source, place, source, {key: value}, {"step": step}, part=part))
    return entries


def check_steps(folder: Path, entries: Sequence[LogEntry]) -> None:
    """Refuse a run that never moved on."""
    if len(entries) > 1 and {entry.axes["step"] for entry in entries} == {0.0}:
        most = max(entry.part for entry in entries)
        if most:
            raise InputError(
                f"{folder}: all steps are 0: live.next_step() was never called, so that the file"
                " does not say when a score was measured; give a table with steps"
            )


def place_log_calls(
    folder: Path, plots: Path, entries: Sequence[LogEntry]
) -> tuple[list[LogEntry], str]:
    """Steps of training for what counts log calls, if a trainer's state beside it tells them.

    Transformers' callback counts a step at every call of `log`. `epoch.tsv` counts the same, and
    epochs grow with training steps up to the last of both.
    """
    states = [p / STATE_NAME for p in (folder, folder.parent) if (p / STATE_NAME).is_file()]
    epochs_path = plots / "epoch.tsv"
    if not states or not epochs_path.is_file():
        return [with_axis(entry, LOG_CALL, entry.axes["step"]) for entry in entries], (
            f"{folder}: Transformers' callback counts log calls, not training steps; put the run's"
            f" {STATE_NAME} beside it, or rather give that"
        )
    final_step, history = load_history(states[0])
    final_epoch = max(parse_number(entry.get("epoch")) or 0.0 for entry in history)
    epochs = {e.axes["step"]: e.values["epoch"] for e in load_metric(epochs_path, plots)}
    placed = [
        with_axis(entry, "step", round(epochs[call] / final_epoch * final_step))
        for entry in entries
        if (call := entry.axes["step"]) in epochs
    ]
    return placed, f"{folder}: steps are rebuilt from epoch.tsv and {states[0]}"


def with_axis(entry: LogEntry, name: str, value: float) -> LogEntry:
    """An entry at another x."""
    return LogEntry(
        entry.source, entry.place, entry.run, entry.values, {name: value}, part=entry.part
    )
