"""Arguments by which a user says what logs hold, for every command that reads them."""

import argparse

from retu.core.errors import InputError
from retu.logs.log_choice import X_UNITS, LogChoice


def add_log_arguments(to: "argparse._ArgumentGroup") -> None:
    """Add the flags of `LogChoice`."""
    to.add_argument("--format", help="the tool that wrote them, where that cannot be seen")
    to.add_argument("--metric", help="the score: a metric, key or column")
    to.add_argument("--set", dest="evaluation_set", metavar="NAME", help="set, task or benchmark")
    to.add_argument("--run", dest="runs", action="append", metavar="NAME", help="a run to take")
    to.add_argument("--join", action="store_true", help="the runs are parts of one, resumed")
    to.add_argument("--x", metavar="NAME", help="column or key of x")
    to.add_argument("--x-unit", choices=X_UNITS, help="what x counts")
    to.add_argument("--group", action="append", metavar="COLUMN", help="tells curves apart")
    to.add_argument("--n-problems", type=int, metavar="N", help="problems of an evaluation")
    to.add_argument(
        "--samples",
        "--n-samples",
        dest="n_samples",
        type=int,
        metavar="N",
        help="answers a problem",
    )
    to.add_argument("--unit", choices=("percent", "fraction"), help="of the scores")
    to.add_argument(
        "--steps", nargs="+", type=float, metavar="N", help="of result files, in their order"
    )
    to.add_argument(
        "--repeated", choices=("last",), help="which of two values at one x counts: the later"
    )


def check_start_score(score: float | None) -> None:
    """Refuse a --start that is no score in percent."""
    if score is not None and not 0 <= score <= 100:
        raise InputError(f"--start {score:g}: is a score, 0 to 100 percent")


def parse_log_choice(options: argparse.Namespace) -> LogChoice:
    """What the user said."""
    return LogChoice(
        format=options.format,
        metric=options.metric,
        evaluation_set=options.evaluation_set,
        runs=tuple(options.runs or ()),
        x=options.x,
        x_unit=options.x_unit,
        group=tuple(options.group or ()),
        n_problems=options.n_problems,
        n_samples=options.n_samples,
        unit=options.unit,
        steps=tuple(options.steps or ()),
        repeated=options.repeated,
        join=options.join,
    )
