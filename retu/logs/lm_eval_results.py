"""Results of lm-evaluation-harness: `results_*.json`, and its files of samples."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from retu.core.errors import InputError
from retu.logs.log_choice import LogChoice
from retu.logs.log_entries import NAN, ToolLog, parse_number
from retu.logs.log_files import LogFile, load_json, load_json_lines
from retu.logs.result_steps import EvaluationResult, place_results, refuse_other_shapes

# What stands beside the metrics of a task.
NO_METRICS = ("name", "alias", "sample_len", "sample_count", "samples")
DATE = r"_(\d{4}-\d\d-\d\dT[\d\-.]+)"
RESULTS_FIRST = re.compile(rb'\s*\{\s*"results":\s*\{')
SAMPLES_NAME = re.compile(rf"samples_(.+?){DATE}\.jsonl")


def is_lm_eval(file: LogFile) -> bool:
    """Whether a file is a result, or holds the samples of a task."""
    if is_samples(file):
        return True
    return file.path.suffix == ".json" and RESULTS_FIRST.match(file.head) is not None


def is_samples(file: LogFile) -> bool:
    """Whether a file holds the samples of a task."""
    return file.path.suffix == ".jsonl" and file.holds("doc_id", "doc", "target")


def read_lm_eval(files: Sequence[LogFile], choice: LogChoice) -> ToolLog:
    """The tasks and groups of results, each a set; samples only where there are no results.

    Raises:
        InputError: a file that is cut off or no result, or steps that nobody says.
    """
    results = [load_result(file.path) for file in files if not is_samples(file)]
    if not results:
        results = [load_samples(file.path) for file in files]
    return place_results(results, choice)


def load_result(path: Path) -> EvaluationResult:
    """Read one `results_*.json`.

    Raises:
        InputError: it has no tasks.
    """
    content = load_json(path)
    with refuse_other_shapes(path, "lm-eval"):
        tasks = content.get("results")
        if not isinstance(tasks, dict) or not all(isinstance(t, dict) for t in tasks.values()):
            raise InputError(f"{path}: has no tasks in `results`; give a result of lm-eval")
        config = content.get("config") or {}
        date = re.search(DATE, path.name)
        values = {task: parse_task(found) for task, found in tasks.items()}
        return EvaluationResult(
            source=str(path),
            model=name_model(config, content),
            date=date[1] if date else f"{parse_number(content.get('date')) or 0:017.4f}",
            scores={task: pair[0] for task, pair in values.items()},
            errors={task: pair[1] for task, pair in values.items()},
            n_problems={task: count_problems(task, content) for task in tasks},
        )


def name_model(config: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    """The path or name of the model; older versions keep the arguments as one text."""
    arguments = config.get("model_args") or {}
    if isinstance(arguments, str):
        arguments = dict(part.partition("=")[::2] for part in arguments.split(","))
    return str(arguments.get("pretrained") or content.get("model_name") or "")


def parse_task(found: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, float]]:
    """The metrics of a task as `metric,filter`, and their standard errors."""
    scores: dict[str, float] = {}
    errors: dict[str, float] = {}
    for key, value in found.items():
        if key in NO_METRICS:
            continue
        metric, comma, name = key.rpartition(",") if "," in key else (key, "", "")
        number = parse_number(value)
        if metric.endswith("_stderr"):
            errors[metric.removesuffix("_stderr") + comma + name] = (
                NAN if number is None else number
            )
        elif number is not None or value == "N/A":
            scores[key] = NAN if number is None else number
    return scores, errors


def count_problems(task: str, content: Mapping[str, Any]) -> dict[str, float]:
    """How many problems were scored: with `--limit` fewer than the set has."""
    counts = content.get("n-samples") or {}
    if task in counts:
        return {"": float(counts[task]["effective"])}
    sample_count = content["results"][task].get("sample_count")
    if isinstance(sample_count, dict):
        return {key: float(count) for key, count in sample_count.items()}
    members = (content.get("group_subtasks") or {}).get(task) or []
    if members and all(member in counts for member in members):
        return {"": float(sum(counts[member]["effective"] for member in members))}
    return {}


def load_samples(path: Path) -> EvaluationResult:
    """The means of a task's samples for every filter, which stand one after the other."""
    match = SAMPLES_NAME.fullmatch(path.name)
    values: dict[str, list[float]] = {}
    for number, line in load_json_lines(path):
        metrics = line.get("metrics")
        for metric in map(str, metrics if isinstance(metrics, list) else []):
            value = parse_number(line.get(metric))
            if value is None:
                raise InputError(
                    f"{path}: line {number}: {metric} is {line.get(metric)!r}, no number; give the"
                    " results file beside it"
                )
            values.setdefault(f"{metric},{line.get('filter', 'none')}", []).append(value)
    task = match[1] if match else path.stem
    return EvaluationResult(
        source=str(path),
        model=path.parent.name,
        date=match[2] if match else "",
        scores={task: {key: sum(found) / len(found) for key, found in values.items()}},
        n_problems={task: {key: float(len(found)) for key, found in values.items()}},
    )
