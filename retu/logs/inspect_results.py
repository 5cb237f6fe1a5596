"""Logs of Inspect: `.eval`, which is a ZIP with Zstandard inside, or JSON."""

import io
import json
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow

from retu.core.errors import InputError
from retu.logs.log_choice import LogChoice
from retu.logs.log_entries import NAN, ToolLog, parse_number
from retu.logs.log_files import LogFile, load_json
from retu.logs.result_steps import EvaluationResult, place_results, refuse_other_shapes

ZSTANDARD = 93  # of ZIP; Python's own reader knows it from 3.14 on
LOCAL_HEADER = struct.Struct("<26xHH")
HEADER, START = "header.json", "_journal/start.json"


def is_inspect(file: LogFile) -> bool:
    """Whether a file is a log of Inspect."""
    if file.path.suffix == ".eval" and file.head.startswith(b"PK"):
        return True
    return file.holds("version", "status", "eval")


def read_inspect(files: Sequence[LogFile], choice: LogChoice) -> ToolLog:
    """The scores of logs, each log a task of a model.

    Raises:
        InputError: a log that is damaged, or of an evaluation that did not finish; or steps that
            nobody says.
    """
    notes: list[str] = []
    results = [load_result(file.path, notes) for file in files]
    log = place_results(results, choice)
    log.notes.extend(notes)
    return log


def load_result(path: Path, notes: list[str]) -> EvaluationResult:
    """Read one log; adds a note on samples that are missing."""
    content = load_archive(path) if path.suffix == ".eval" else load_json(path)
    status = content.get("status")
    if status != "success" or not content.get("results"):
        stored = content.get("n_stored", len(content.get("samples") or []))
        raise InputError(
            f"{path}: the evaluation did not finish (status {status}, {stored} samples are stored),"
            " so that it has no score; run it again, or `inspect eval-retry` it"
        )
    with refuse_other_shapes(path, "Inspect"):
        found, about = content["results"], content["eval"]
        missing = found["total_samples"] - found["completed_samples"]
        if missing:
            notes.append(
                f"{path}: {missing} of {found['total_samples']} samples failed and are not in the"
                " score, which is too high if they would have been wrong"
            )
        scores, errors, counts = parse_scores(found, content.get("reductions") or [])
        task = str(about["task"])
        epochs = (about.get("config") or {}).get("epochs")
        return EvaluationResult(
            str(path),
            name_model(about),
            str(about["created"]),
            {task: scores},
            {task: errors},
            {task: counts},
            n_samples=float(epochs) if epochs else NAN,
        )


def name_model(about: Mapping[str, Any]) -> str:
    """The model, or the path that it was loaded from."""
    path = (about.get("model_args") or {}).get("model_path")
    return str(path or about["model"])


def parse_scores(
    found: Mapping[str, Any], reductions: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Values as `scorer/metric`, standard errors and numbers of problems.

    Problems are counted once, however many epochs there were: their values are means over them.
    """
    scores, errors, counts = {}, {}, {}
    reduced = {r["scorer"]: len(r.get("samples") or []) for r in reductions}
    for score in found["scores"]:
        metrics = {m: parse_number(about["value"]) for m, about in score["metrics"].items()}
        count = parse_number(score.get("scored_samples")) or reduced.get(score["name"]) or NAN
        for metric, value in metrics.items():
            key = f"{score['name']}/{metric}"
            scores[key] = NAN if value is None else value
            if metric in ("accuracy", "mean"):
                errors[key] = metrics.get("stderr") or NAN
                counts[key] = float(count)
    return scores, errors, counts


def load_archive(path: Path) -> dict[str, Any]:
    """The header of an `.eval` file, its reductions, and how many samples it stores."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            content: dict[str, Any] = read_member(
                archive, path, HEADER if HEADER in names else START
            )
            if "reductions.json" in names:
                content["reductions"] = read_member(archive, path, "reductions.json")
    except (zipfile.BadZipFile, OSError, ValueError, KeyError, struct.error) as error:
        raise InputError(
            f"{path}: no whole log of Inspect ({error}); copy it again, or give the output of"
            " `inspect log dump FILE`"
        ) from error
    content.setdefault("status", "started")
    content["n_stored"] = sum(name.startswith("samples/") for name in names)
    return content


def read_member(archive: zipfile.ZipFile, path: Path, name: str) -> Any:
    """A JSON member of a ZIP, also one that is compressed by Zstandard."""
    about = archive.getinfo(name)
    if about.compress_type != ZSTANDARD:
        return json.loads(archive.read(name))
    with path.open("rb") as file:
        file.seek(about.header_offset)
        lengths = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
        file.seek(sum(lengths), io.SEEK_CUR)
        packed = file.read(about.compress_size)
    with pyarrow.CompressedInputStream(pyarrow.BufferReader(packed), "zstd") as stream:
        return json.loads(stream.read())
