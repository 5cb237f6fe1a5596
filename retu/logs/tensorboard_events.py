"""TensorBoard's event files: the scalars of every record, none left out."""

import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from retu.core.errors import InputError
from retu.logs import wire
from retu.logs.log_choice import LogChoice
from retu.logs.log_entries import LogEntry, ToolLog, parse_number
from retu.logs.log_files import LogFile, split_numbers
from retu.logs.metric_keys import count_openrlhf_problems

FILE_NAME = re.compile(r"events\.out\.tfevents\.(\d+)\.?(.*)")
# Transformers calls run folders by date, time and host; the host says nothing about the run.
DEFAULT_FOLDER = re.compile(r"([A-Z][a-z]{2}\d\d_\d\d-\d\d-\d\d)_.+")
# Field numbers of event.proto, summary.proto and tensor.proto.
EVENT_STEP, EVENT_SUMMARY, SUMMARY_VALUE = 2, 5, 1
VALUE_TAG, VALUE_SIMPLE, VALUE_TENSOR = 1, 2, 8
TENSOR_TYPE, TENSOR_CONTENT = 1, 4
# Type of floats and of doubles -> bytes of one, and the field of their values.
TENSOR_KINDS = {1: (4, 5), 2: (8, 6)}


@dataclass(frozen=True)
class Scalar:
    """A number that was written under a tag; None for what is no number."""

    tag: str
    step: int
    value: float | None


def is_event_file(file: LogFile) -> bool:
    """Whether a file is one of TensorBoard's, by its name."""
    return ".tfevents." in file.path.name


def read_event_files(files: Sequence[LogFile], choice: LogChoice) -> ToolLog:
    """The scalars of event files; a folder is a run, its files one after the other.

    Raises:
        InputError: a damaged file, or no scalar.
    """
    log = ToolLog([])
    tags: set[str] = set()
    names = {}
    for part, file in enumerate(sorted(files, key=sort_by_start)):
        # The names of files hold those of hosts.
        folder = file.path.parent
        match = DEFAULT_FOLDER.fullmatch(folder.resolve().name)
        names[str(folder)] = match[1] if match else folder.resolve().name
        scalars, is_cut = load_scalars(file)
        if is_cut:
            log.notes.append(f"{folder}: the last record of a file is cut off; the run was killed")
        tags.update(scalar.tag for scalar in scalars)
        log.entries.extend(list_entries(str(folder), scalars, part))
    if not log.entries:
        raise InputError(
            f"{files[0].path.parent}: no scalars in {len(files)} event files; tags:"
            f" {', '.join(sorted(tags)) or 'none'}"
        )
    return ToolLog(log.entries, log.notes, names)


def sort_by_start(file: LogFile) -> tuple[int, list[tuple[int, int, str]]]:
    """Files by the time at which they were begun, which their names hold."""
    match = FILE_NAME.search(file.path.name)
    return (int(match[1]) if match else 0, split_numbers(file.path.name))


def load_scalars(file: LogFile) -> tuple[list[Scalar], bool]:
    """The scalars of a file in the order of its records, and whether its end is missing."""
    try:
        records = wire.read_tf_records(file.path.read_bytes())
        return [s for record in records.found for s in decode_event(record)], records.is_cut
    except wire.DamagedError as error:
        raise InputError(
            f"{file.path.parent}: an event file is damaged at {error}; copy it again"
        ) from error


def decode_event(record: bytes) -> Iterator[Scalar]:
    """The scalars of a record."""
    event = wire.read_fields(record)
    step = wire.pick_integer(event, EVENT_STEP)
    for summary in wire.pick_bytes(event, EVENT_SUMMARY):
        for content in wire.pick_bytes(wire.read_fields(summary), SUMMARY_VALUE):
            value = wire.read_fields(content)
            yield Scalar(wire.pick_text(value, VALUE_TAG), step, decode_value(value))


def decode_value(value: Mapping[int, list[int | bytes]]) -> float | None:
    """A number, as `SummaryWriter` or as TensorFlow 2 writes it."""
    for content in wire.pick_bytes(value, VALUE_SIMPLE):
        return round_trip(content)
    for message in wire.pick_bytes(value, VALUE_TENSOR):
        tensor = wire.read_fields(message)
        kind = wire.pick_integer(tensor, TENSOR_TYPE)
        if kind not in TENSOR_KINDS:
            return None
        length, values = TENSOR_KINDS[kind]
        packed = (*wire.pick_bytes(tensor, TENSOR_CONTENT), *wire.pick_bytes(tensor, values))
        return next((round_trip(content) for content in packed if len(content) == length), None)
    return None


def round_trip(content: bytes) -> float:
    """A number of 4 or 8 bytes; of 4 the shortest decimal, so that 0.45 is not 0.449999988."""
    if len(content) == 8:
        return float(struct.unpack("<d", content)[0])
    return float(str(np.frombuffer(content, "<f4")[0]))


def list_entries(folder: str, scalars: Sequence[Scalar], part: int) -> list[LogEntry]:
    """Scalars as entries: which were written in one go is not recorded."""
    numbers = [(s, value) for s in scalars if (value := parse_number(s.value)) is not None]
    by_step: dict[int, dict[str, float]] = {}
    for scalar, value in numbers:
        by_step.setdefault(scalar.step, {})[scalar.tag] = value
    counts = {step: count_openrlhf_problems(values) for step, values in by_step.items()}
    return [
        LogEntry(
            source=folder,
            place=f"step {scalar.step}",
            run=folder,
            values={scalar.tag: value},
            axes={"step": float(scalar.step)},
            n_problems={"": counts[scalar.step][0]},
            n_samples=counts[scalar.step][1],
            part=part,
        )
        for scalar, value in numbers
    ]
