"""Training steps of evaluation results: their files hold none, so that somebody has to say them."""

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from retu.core.errors import InputError
from retu.core.text import join_names
from retu.logs.log_choice import LogChoice
from retu.logs.log_entries import NAN, LogEntry, ToolLog

# Folders of checkpoints as trainers name them; any other number in a name says nothing.
CHECKPOINT = re.compile(r"(?:^|[/_])(?:checkpoint|global_step|step)[-_]?(\d+)(?=$|[/,])")
NEAR = 1e-6  # relative: a whole number, but for rounding


@dataclass(frozen=True)
class EvaluationResult:
    """One result file: scores of a model by set and metric."""

    source: str
    model: str
    date: str  # sorts results by time
    scores: dict[str, dict[str, float]]  # set -> metric -> value
    errors: dict[str, dict[str, float]] = field(default_factory=dict)
    n_problems: dict[str, dict[str, float]] = field(default_factory=dict)  # "" for all metrics
    n_samples: float = NAN


@contextmanager
def refuse_other_shapes(path: Path, tool: str) -> Iterator[None]:
    """Tell a result whose keys are not where the tool puts them, such as one of another version."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f"{path}: is not as {tool} writes results ({type(error).__name__}: {error}); give a"
            " whole one, or write its scores into a table"
        ) from error


def place_results(results: Sequence[EvaluationResult], choice: LogChoice) -> ToolLog:
    """Results as entries at their training steps, of several of one step and set the newest.

    Args:
        results: in the order of the files, which is that of `choice.steps`.
        choice: its `steps`, one a file; without them the names of models tell them.

    Raises:
        InputError: no step is known, or there are not as many as files.
    """
    steps, notes = find_steps(results, choice)
    models = [CHECKPOINT.sub("", r.model).strip("/_") or Path(r.source).stem for r in results]
    if choice.steps and len(set(steps)) == len(steps) and len(set(models)) > 1:
        notes.append(f"one curve of results of {join_names(sorted(set(models)), 4)}")
        models = ["results"] * len(models)
    newest: dict[tuple[str, float, str], str] = {}
    for model, step, result in zip(models, steps, results, strict=True):
        for name in result.scores:
            key = (model, step, name)
            newest[key] = max(newest.get(key, ""), result.date)
    log = ToolLog([], notes, {model: model.rpartition("/")[2] for model in models})
    for model, step, result in zip(models, steps, results, strict=True):
        for name in result.scores:
            if newest[model, step, name] == result.date:
                log.entries.append(make_entry(result, model, step, name))
            else:
                log.notes.append(f"{result.source}: {name} left out, a later result has it again")
    return log


def make_entry(result: EvaluationResult, model: str, step: float, name: str) -> LogEntry:
    """The scores of one set of a result."""
    # A score of 0 or 1 has no error that it could tell by itself.
    errors = {key: error for key, error in result.errors.get(name, {}).items() if error > 0}
    known = result.n_problems.get(name, {})
    told = {
        key: invert_error(value, errors.get(key, NAN)) for key, value in result.scores[name].items()
    }
    return LogEntry(
        source=result.source,
        place=f"{name} at step {step:g}",
        run=model,
        values=result.scores[name],
        axes={"step": step},
        evaluation_set=name,
        n_problems=known or told,
        n_samples=result.n_samples,
        errors=errors,
    )


def find_steps(
    results: Sequence[EvaluationResult], choice: LogChoice
) -> tuple[list[float], list[str]]:
    """The step of each result: as the user says, or by the folder of its checkpoint."""
    files = ", ".join(dict.fromkeys(Path(result.source).name for result in results))
    if choice.steps:
        if len(choice.steps) != len(results):
            raise InputError(
                f"--steps has {len(choice.steps)} steps for {len(results)} results: {files}; give"
                " one for each, in this order"
            )
        return list(choice.steps), [f"steps as you say: {files}"]
    steps = []
    for result in results:
        found = CHECKPOINT.findall(result.model)
        if not found:
            raise InputError(
                f"{result.source}: holds no training step, nor does the model {result.model!r}; say"
                f" --steps, one for each of {files}"
            )
        steps.append(float(found[-1]))
    return steps, ["steps are those of the checkpoints in the names of models"]


def invert_error(score: float, error: float) -> float:
    """Problems n by their standard error sqrt(p (1 - p) / (n - 1)); NaN if it does not tell."""
    if not error > 0 or not 0 < score < 1:
        return NAN
    count = score * (1 - score) / error**2 + 1
    return float(round(count)) if math.isclose(count, round(count), rel_tol=NEAR) else NAN
