"""Outcomes that lm-eval or LightEval found, as the grades that the workflow itself would write."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from retu.core.errors import InputError
from retu.core.text import join_names
from retu.evaluation.scores import FINISHED, GRADE_COLUMNS, check_grades
from retu.logs.log_entries import parse_number
from retu.logs.log_files import load_json_lines
from retu.planning.imported_jobs import ImportScoresJob

MAX_NAMED = 6
MAX_SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class Outcome:
    """A problem's values by metric (lm-eval: `METRIC,FILTER`), and what was read of the answer."""

    problem: str
    values: Mapping[str, object]
    parsed: str


def tabulate_imported_grades(
    files: Sequence[Path], job: ImportScoresJob, problems: pd.DataFrame
) -> pd.DataFrame:
    """The outcomes of files of samples or details as grades.

    Args:
        files: in the order of `job.files`.
        job: of which step and benchmark each is, and by which metric.
        problems: the study's, one row each, with the column `benchmark`.

    Returns:
        `GRADE_COLUMNS` and `FINISHED`, which is unknown; problems are named by the tool.

    Raises:
        InputError: a file is cut off, its metric is open or no 0 or 1, or it has another number of
            problems than the benchmark.
    """
    counts = problems["benchmark"].value_counts()
    tables = []
    for path, about in zip(files, job.files, strict=True):
        table = tabulate_outcomes(path, read_outcomes(path), about.metric)
        found, wanted = table["problem_id"].nunique(), int(counts.get(about.benchmark, 0))
        if found != wanted:
            raise InputError(
                f"{path}: has {found} problems, and benchmark {about.benchmark} of the study"
                f" {wanted}; scores of other problems cannot be compared with those that the"
                " workflow measures: give results of all of them, or leave scores out"
            )
        tables.append(table.assign(step=about.step, benchmark=about.benchmark))
    grades = pd.concat(tables, ignore_index=True)
    grades[FINISHED] = pd.Series(pd.NA, index=grades.index, dtype="boolean")
    grades = grades[[*GRADE_COLUMNS, FINISHED]]
    check_grades(grades, ", ".join(sorted({str(path.parent) for path in files})))
    return grades


def tabulate_outcomes(path: Path, outcomes: Sequence[Outcome], wanted: str | None) -> pd.DataFrame:
    """One row for each outcome by the chosen metric, without step and benchmark."""
    metric = choose_metric(path, outcomes, wanted)
    seen: Counter[str] = Counter()
    rows = []
    for outcome in (found for found in outcomes if metric in found.values):
        value = outcome.values[metric]
        number = float(value) if isinstance(value, bool) else parse_number(value)
        if number not in (0.0, 1.0):
            raise InputError(
                f"{path}: problem {outcome.problem}: {metric} is {value!r}, neither 0 nor 1; name a"
                " metric that says whether an answer is right (imported.metric)"
            )
        sample, reason = seen[outcome.problem], f"imported: {metric}"
        rows.append((outcome.problem, sample, int(number), outcome.parsed, reason))
        seen[outcome.problem] += 1
    return pd.DataFrame(rows, columns=["problem_id", "sample", "correct", "parsed", "reason"])


def choose_metric(path: Path, outcomes: Sequence[Outcome], wanted: str | None) -> str:
    """The metric of a file: the study's, or its only one."""
    names = list(dict.fromkeys(name for outcome in outcomes for name in outcome.values))
    fitting = [name for name in names if wanted in (None, name, name.partition(",")[0])]
    if len(fitting) != 1:
        state = "has several metrics" if fitting else f"has no metric {wanted}"
        raise InputError(
            f"{path}: {state}: {join_names(fitting or names, MAX_NAMED)}; name one of them in the"
            " study (imported.metric)"
        )
    return fitting[0]


def read_outcomes(path: Path) -> list[Outcome]:
    """The outcomes in a file of samples (lm-eval) or of details (LightEval).

    Raises:
        InputError: it is not whole, or holds none.
    """
    try:
        read = read_details(path) if path.suffix == ".parquet" else read_samples(path)
    except (OSError, KeyError, TypeError, AttributeError, ValueError) as error:
        tool = "LightEval writes details" if path.suffix == ".parquet" else "lm-eval writes samples"
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{path}: is not as {tool} ({type(error).__name__}: {reason}); copy it again"
        ) from error
    if not any(outcome.values for outcome in read):
        raise InputError(f"{path}: holds no outcomes; copy it again")
    return read


def read_samples(path: Path) -> list[Outcome]:
    """The lines of `samples_*.jsonl`: all filters, one after the other."""
    found = []
    for _, line in load_json_lines(path):
        by = line.get("filter", "none")
        values = {f"{metric},{by}": line[metric] for metric in line["metrics"]}
        parsed = line.get("filtered_resps")
        text = parsed[0] if isinstance(parsed, list) and parsed else parsed
        found.append(make_outcome(line["doc_id"], values, text))
    return found


def read_details(path: Path) -> list[Outcome]:
    """The rows of `details_*.parquet`."""
    columns = ["doc", "metric", "model_response"]
    found = []
    for row in pq.read_table(path, columns=columns).to_pylist():
        texts = row["model_response"].get("text_post_processed") or [None]
        found.append(make_outcome(row["doc"]["id"], row["metric"], texts[0]))
    return found


def make_outcome(problem: object, values: Mapping[str, object], parsed: object) -> Outcome:
    """An outcome; numbers of options are no answer that was read."""
    text = parsed if isinstance(parsed, str) else ""
    return Outcome(str(problem), dict(values), text[:MAX_SHOWN_CHARACTERS])
