"""Results of LightEval: `results_*.json`, with the details of its problems where they are kept."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet

from retu.core.errors import InputError
from retu.logs.log_choice import LogChoice
from retu.logs.log_entries import NAN, ToolLog, parse_number
from retu.logs.log_files import LogFile, load_json
from retu.logs.result_steps import EvaluationResult, place_results, refuse_other_shapes

DATE = re.compile(r"results_(.+)\.json")


def is_lighteval(file: LogFile) -> bool:
    """Whether a file is a result, or a table of details."""
    is_details = file.path.name.startswith("details_") and file.path.suffix == ".parquet"
    return is_details or file.holds("config_general", "results")


def read_lighteval(files: Sequence[LogFile], choice: LogChoice) -> ToolLog:
    """The tasks of results, each a set.

    Raises:
        InputError: a file that is cut off or no result, details alone, or steps that nobody says.
    """
    results = [load_result(file.path) for file in files if file.path.suffix == ".json"]
    if not results:
        raise InputError(
            f"{files[0].path}: details of LightEval; give the results_*.json of the same run"
        )
    return place_results(results, choice)


def load_result(path: Path) -> EvaluationResult:
    """Read one `results_*.json`.

    Raises:
        InputError: it has no tasks.
    """
    content = load_json(path)
    with refuse_other_shapes(path, "LightEval"):
        tasks, measured = content.get("results"), content.get("config_tasks")
        if not isinstance(tasks, dict) or not isinstance(measured, dict):
            raise InputError(
                f"{path}: has no `results` and `config_tasks`; give a LightEval result"
            )
        date = DATE.fullmatch(path.name)
        general = content["config_general"]
        scores, errors, counts = {}, {}, {}
        for task, about in measured.items():
            key = task if task in tasks else match_task(task, tasks)
            # `_average` and `all` mix in metrics of other tasks, unmeasured ones as 0.0.
            names = list_metrics(about)
            found = {n: parse_number(v) for n, v in tasks.get(key, {}).items() if n in names}
            spread = {n: parse_number(tasks[key].get(f"{n}_stderr")) for n in found}
            scores[task] = {n: NAN if v is None else v for n, v in found.items()}
            errors[task] = {n: NAN if v is None else v for n, v in spread.items()}
            rows = count_detail_rows(path, date[1] if date else "", task)
            counts[task] = {"": rows} if rows else {}
        model = str(
            general.get("model_name") or general.get("model_config", {}).get("model_name", "")
        )
        return EvaluationResult(str(path), model, date[1] if date else "", scores, errors, counts)


def match_task(task: str, tasks: Mapping[str, Any]) -> str:
    """The key in `results` of a task, which older versions end with the number of shots."""
    return next((key for key in tasks if key.rpartition("|")[0] == task), task)


def list_metrics(about: Mapping[str, Any]) -> set[str]:
    """The metrics that a task measures; some are a list of names in one."""
    names: set[str] = set()
    for metric in about.get("metrics") or about.get("metric") or []:
        name = metric.get("metric_name") if isinstance(metric, dict) else metric
        names.update(name if isinstance(name, list) else [str(name)])
    return names


def count_detail_rows(path: Path, date: str, task: str) -> float:
    """Rows of the details that lie beside a result; 0 if there are none."""
    folder = path.parents[2] if len(path.parents) > 2 else path.parent
    details = folder / "details" / path.parent.name / date / f"details_{task}_{date}.parquet"
    if not date or not details.is_file():
        return 0.0
    try:
        return float(pyarrow.parquet.ParquetFile(details).metadata.num_rows)
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(
            f"{details}: no whole Parquet file; copy it again, or give the results without details"
        ) from error
