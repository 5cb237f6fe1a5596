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
from retu.core.yaml_files import validate
from retu.planning.jobs import SensitivityJob
from retu.scaling.best_curve import fit_point, fit_points, fits_alone
from retu.scaling.branch import Branch, Listed
from retu.scaling.law import FloatArray
from retu.scaling.problem import Curves, Problem, make_problem

BENCHMARKS = "benchmarks"
EVERYTHING = "all"
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


def recipes_of(job: SensitivityJob) -> list[Recipe]:
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
    text = {axis: value_text(axis, value) for axis, value in changes.items()}
    left_out = changes.get(BENCHMARKS, [])
    if not isinstance(left_out, list) or not all(isinstance(name, str) for name in left_out):
        raise InputError(f"--spec: axes.{BENCHMARKS}: {left_out!r} is not a list of benchmarks")
    fields = {axis: value for axis, value in changes.items() if axis != BENCHMARKS}
    changed = validate(Protocol, {**protocol.model_dump(), **fields}, "--spec: axes")
    return Recipe(text, changed, tuple(left_out), changed == protocol)


def value_text(axis: str, value: object) -> str:
    """A value of an axis as a cell of a table."""
    if axis == BENCHMARKS and isinstance(value, list):
        return "without " + " and ".join(value) if value else EVERYTHING
    names = {None: "none", True: "yes", False: "no"}
    # 1 and 0 equal True and False, but are numbers here.
    return names[value] if value is None or isinstance(value, bool) else str(value)


def refitted(
    cases: Sequence[tuple[Branch, Protocol]], min_points: int, x_common: float
) -> FloatArray:
    """A_post and the score at compute `x_common` of every case, percent, shape (cases, 2).

    NaN for too few points, and for the score without an `x_common`. Without any gain over P_sft
    the curve stays there, as in `fit_branch`. The same branch object is the same branch.
    """
    keys, problems = [], dict[Hashable, Problem]()
    for branch, protocol in cases:
        count = branch.end if protocol.stop_at_collapse else branch.x.size
        rule = protocol.model_copy(update={"stop_at_collapse": False})
        keys.append((id(branch), rule, count))
        if keys[-1] not in problems:
            problems[keys[-1]] = make_problem(branch.first(count), rule, Listed())
    found = dict[Hashable, FloatArray]()
    groups = defaultdict[Hashable, list[Hashable]](list)
    for key, problem in problems.items():
        flat = without_curve(problem, min_points)
        if flat is None:
            groups[batch_key(problem)].append(key)
        else:
            found[key] = np.array([flat, flat])
    for members in groups.values():
        curves = fit_together([problems[key] for key in members])
        values = [curves.ceiling, curves.score(np.array([x_common]))[:, 0]]
        found |= dict(zip(members, np.column_stack(values), strict=True))
    result = np.stack([found[key] for key in keys])
    result[:, 1] = np.where(np.isfinite(x_common), result[:, 1], NAN)
    return result


def without_curve(problem: Problem, min_points: int) -> float | None:
    """The score of a problem that has no curve to fit, None for the others."""
    if problem.too_short(min_points):
        return NAN
    return problem.p_sft if problem.without_gain else None


def batch_key(problem: Problem) -> Hashable:
    """Equal for problems that one call of the engine can solve."""
    return (problem.x.tobytes(), problem.bounds, id(problem) if fits_alone(problem) else None)


def fit_together(problems: Sequence[Problem]) -> Curves:
    """Fit problems with one `batch_key`, many rows at a time where their protocols allow it."""
    first = problems[0]
    return fit_point(first, Listed()).curve if fits_alone(first) else fit_points(problems).curves
