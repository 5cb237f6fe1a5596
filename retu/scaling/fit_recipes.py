"""A grid of reasonable ways to fit, and all branches refitted by each of them.

A recipe is one combination of changes to a protocol; one of its axes, `benchmarks`, changes the
scores instead: it leaves benchmarks out of the overall score. Recipes that fit the same points of a
branch share one call of the engine, and recipes whose points and protocol do not differ (a branch
without a collapse does not notice `stop_at_collapse`) share one fit.
"""

import itertools
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from retu.config.analysis import Protocol
from retu.core.errors import InputError
from retu.core.yaml_files import validate_content
from retu.planning.jobs import SensitivityJob
from retu.scaling.best_curve import fit_problem, fit_problems, needs_own_fit
from retu.scaling.branch import Branch, ListedSettings
from retu.scaling.law import FloatArray
from retu.scaling.problem import FitProblem, FittedCurves, make_problem

BENCHMARK_AXIS = "benchmarks"
EVERY_BENCHMARK = "all"
NAN = float("nan")


@dataclass(frozen=True)
class Recipe:
    """One combination of the grid.

    Attributes:
        values: value of every axis as text.
        protocol: how to fit.
        left_out: benchmarks that do not count in the overall score.
        unchanged: the protocol is the one that the grid starts from.
    """

    values: dict[str, str]
    protocol: Protocol
    left_out: tuple[str, ...]
    unchanged: bool


def list_recipes(job: SensitivityJob) -> list[Recipe]:
    """All combinations of the axes, the last axis changing fastest.

    Raises:
        InputError: an axis is no key of a protocol, or a value is impossible for it.
    """
    return [
        make_recipe(job.protocol, dict(zip(job.axes, values, strict=True)))
        for values in itertools.product(*job.axes.values())
    ]


def make_recipe(protocol: Protocol, changes: dict[str, object]) -> Recipe:
    """The protocol with `changes` to its keys, and which benchmarks they leave out."""
    text = {axis: format_axis_value(axis, value) for axis, value in changes.items()}
    left_out = changes.get(BENCHMARK_AXIS, [])
    if not isinstance(left_out, list) or not all(isinstance(name, str) for name in left_out):
        raise InputError(f"--spec: axes.{BENCHMARK_AXIS}: {left_out!r} is not a list of benchmarks")
    fields = {axis: value for axis, value in changes.items() if axis != BENCHMARK_AXIS}
    changed = validate_content(Protocol, {**protocol.model_dump(), **fields}, "--spec: axes")
    return Recipe(text, changed, tuple(left_out), changed == protocol)


def format_axis_value(axis: str, value: object) -> str:
    """A value of an axis as a cell of a table."""
    if axis == BENCHMARK_AXIS and isinstance(value, list):
        return "without " + " and ".join(value) if value else EVERY_BENCHMARK
    names = {None: "none", True: "yes", False: "no"}
    # 1 and 0 equal True and False, but are numbers here.
    return names[value] if value is None or isinstance(value, bool) else str(value)


def refit_cases(
    cases: Sequence[tuple[Branch, Protocol]], min_points: int, x_common: float
) -> FloatArray:
    """A_post and the score at compute `x_common` of every case, percent, shape (cases, 2).

    NaN for too few points, and for the score without an `x_common`. Without any gain over P_sft
    the curve stays there, as in `fit_branch`. The same branch object is the same branch.
    """
    keys, problems = [], dict[Hashable, FitProblem]()
    for branch, protocol in cases:
        count = branch.end if protocol.stop_at_collapse else branch.x.size
        rule = protocol.model_copy(update={"stop_at_collapse": False})
        keys.append((id(branch), rule, count))
        if keys[-1] not in problems:
            problems[keys[-1]] = make_problem(branch.take_first(count), rule, ListedSettings())
    found = dict[Hashable, FloatArray]()
    groups = defaultdict[Hashable, list[Hashable]](list)
    for key, problem in problems.items():
        flat = score_without_curve(problem, min_points)
        if flat is None:
            groups[make_batch_key(problem)].append(key)
        else:
            found[key] = np.array([flat, flat])
    for members in groups.values():
        curves = fit_batch([problems[key] for key in members])
        values = [curves.ceiling, curves.compute_score(np.array([x_common]))[:, 0]]
        found |= dict(zip(members, np.column_stack(values), strict=True))
    result = np.stack([found[key] for key in keys])
    result[:, 1] = np.where(np.isfinite(x_common), result[:, 1], NAN)
    return result


def score_without_curve(problem: FitProblem, min_points: int) -> float | None:
    """The score of a problem that has no curve to fit, None for the others."""
    if problem.is_too_short(min_points):
        return NAN
    return problem.p_sft if problem.has_no_gain else None


def make_batch_key(problem: FitProblem) -> Hashable:
    """Equal for problems that one call of the engine can solve."""
    return (problem.x.tobytes(), problem.bounds, id(problem) if needs_own_fit(problem) else None)


def fit_batch(problems: Sequence[FitProblem]) -> FittedCurves:
    """Fit problems with one batch key, many rows at a time where their protocols allow it."""
    first = problems[0]
    return (
        fit_problem(first, ListedSettings()).curve
        if needs_own_fit(first)
        else fit_problems(problems).curves
    )
