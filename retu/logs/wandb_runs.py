"""Runs of Weights & Biases on disk: `.wandb` files, or what `wandb leet inspect --json` prints."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from retu.core.errors import InputError
from retu.logs import wire
from retu.logs.log_choice import LogChoice
from retu.logs.log_entries import LogEntry, ToolLog, pick_numbers
from retu.logs.log_files import LogFile, load_json_lines
from retu.logs.metric_keys import count_openrlhf_problems, find_role

MAGIC = b":W&B"
HEADER_BYTES = 7
# Field numbers of wandb_internal.proto.
HISTORY, METRIC, RUN, EXIT = 2, 12, 17, 18
ITEM, ITEM_KEY, ITEM_NESTED_KEY, ITEM_VALUE = 1, 1, 2, 16
STEP_METRIC, RUN_ID, DISPLAY_NAME = 4, 1, 8
LOG_CALL = "log call"


@dataclass
class WandbRun:
    """One file: a run, or the part of a run between two starts."""

    source: str
    run_id: str = ""
    name: str = ""
    step_metrics: set[str] = field(default_factory=set)
    history: list[dict[str, float]] = field(default_factory=list)
    is_finished: bool = False


def is_wandb(file: LogFile) -> bool:
    """Whether a file is a run's record log, or its text."""
    line = file.first_line
    return file.head.startswith(MAGIC) or (line.startswith('{"num":') and '"type":"header"' in line)


def read_wandb(files: Sequence[LogFile], choice: LogChoice) -> ToolLog:
    """The histories of runs; files of one id are parts of a run, the later folder last.

    Raises:
        InputError: a damaged file, or nothing but runs that were killed before they wrote.
    """
    log = ToolLog([])
    runs = [load_run(file) for file in sorted(files, key=lambda f: f.path.parent.name)]
    names = {}
    for part, run in enumerate(runs):
        if not run.history:
            log.notes.append(f"{run.source}: an empty run, killed before anything was written")
            continue
        if not run.is_finished:
            log.notes.append(f"{run.source}: not finished; the last points may be lost")
        if any("training_step" in h and any(k.startswith("val/") for k in h) for h in run.history):
            log.notes.append("open-instruct's val/ are statistics of training batches, not scores")
        names[run.run_id] = run.name or run.run_id
        log.notes.extend(drop_unlogged_steps(run))
        log.entries.extend(list_entries(run, part))
    if not log.entries:
        raise InputError(f"{log.notes[0]}; give the folder of a run that logged something")
    return ToolLog(log.entries, log.notes, names)


def load_run(file: LogFile) -> WandbRun:
    """Read one file."""
    run = WandbRun(str(file.path), run_id=file.path.stem.removeprefix("run-"))
    if not file.head.startswith(MAGIC):
        for _, inspected in load_json_lines(file.path):
            add_inspected(run, inspected)
        return run
    content = file.path.read_bytes()
    try:
        for record in wire.read_leveldb_log(content, HEADER_BYTES).found:
            add_record(run, wire.read_fields(record))
    except (wire.DamagedError, ValueError) as error:
        raise InputError(
            f"{file.path}: damaged at {error}; copy the run again, or give the text of"
            " `wandb leet inspect --json FILE`"
        ) from error
    return run


def add_record(run: WandbRun, record: Mapping[int, list[int | bytes]]) -> None:
    """Take what matters from a record."""
    run.is_finished |= EXIT in record
    for message in wire.pick_bytes(record, RUN):
        about = wire.read_fields(message)
        run.run_id = wire.pick_text(about, RUN_ID) or run.run_id
        run.name = wire.pick_text(about, DISPLAY_NAME) or run.name
    for message in wire.pick_bytes(record, METRIC):
        run.step_metrics.add(wire.pick_text(wire.read_fields(message), STEP_METRIC))
    for message in wire.pick_bytes(record, HISTORY):
        run.history.append(pick_logged(dict(decode_items(wire.read_fields(message)))))


def decode_items(history: Mapping[int, list[int | bytes]]) -> Iterator[tuple[str, Any]]:
    """Names and values of a history record."""
    for message in wire.pick_bytes(history, ITEM):
        item = wire.read_fields(message)
        nested = [
            name.decode("utf-8", "replace") for name in wire.pick_bytes(item, ITEM_NESTED_KEY)
        ]
        value = wire.pick_text(item, ITEM_VALUE)
        yield ".".join(nested) or wire.pick_text(item, ITEM_KEY), json.loads(value or "null")


def pick_logged(items: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a history record, without those that describe tables and media."""
    media = tuple(name.removesuffix("_type") for name in items if name.endswith("._type"))
    return {k: v for k, v in pick_numbers(items).items() if not (media and k.startswith(media))}


def add_inspected(run: WandbRun, record: Mapping[str, Any]) -> None:
    """Take what matters from a record in the text of `wandb leet inspect --json`."""
    content = record.get(str(record.get("type")))
    if not isinstance(content, dict):
        return
    match record.get("type"):
        case "run":
            run.run_id = str(content.get("run_id", run.run_id))
            run.name = str(content.get("display_name", run.name))
        case "metric":
            run.step_metrics.add(str(content.get("step_metric", "")))
        case "exit":
            run.is_finished = True
        case "history":
            item = content.get("item")
            run.history.append(pick_logged(item if isinstance(item, dict) else {}))


def list_entries(run: WandbRun, part: int) -> Iterator[LogEntry]:
    """The history of a run as entries; names that begin with "_" are W&B's own."""
    for number, logged in enumerate(run.history, start=1):
        values = {key: value for key, value in logged.items() if not key.startswith("_")}
        problems, samples = count_openrlhf_problems(values)
        yield LogEntry(
            source=run.source,
            place=f"history record {number}",
            run=run.run_id,
            values=values,
            axes=find_axes(values, run.step_metrics, logged.get("_step", float(number))),
            n_problems={"": problems},
            n_samples=samples,
            part=part,
        )


def drop_unlogged_steps(run: WandbRun) -> list[str]:
    """Forget an x that the run names and never logs: W&B writes 0 for it in every record."""
    notes = []
    for name in sorted(run.step_metrics):
        values = [logged[name] for logged in run.history if name in logged]
        if len(values) > 1 and not any(values):
            run.step_metrics.discard(name)
            for logged in run.history:
                logged.pop(name, None)
            notes.append(f"{run.source}: {name} is to be x and always 0, so that it is not taken")
    return notes


def find_axes(
    values: Mapping[str, float], step_metrics: set[str], log_call: float
) -> dict[str, float]:
    """What x of a record may be: the metric that the run says, or keys known as steps.

    W&B's own `_step` counts calls of `log`, so that it is taken only if there is nothing else.
    """
    said = {key: values[key] for key in sorted(step_metrics) if key in values}
    steps = said or {key: v for key, v in values.items() if find_role("axes", key) == "step"}
    if not steps:
        return {LOG_CALL: log_call}
    is_same = len(set(steps.values())) == 1
    return dict([min(steps.items())]) if is_same else steps
