"""What a user says about logs, and the curves that come out of them."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from retu.core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

POINT_COLUMNS = ("curve", "x", "score", "error", "n_problems", "n_samples", "source")
X_UNITS = ("step", "eflops", "tokens", "gpu_hours")
UNIT_NAMES = {
    **{"eflops": "EFLOPs", "step": "steps", "gpu_hours": "GPU-hours"},
    **{"log call": "log calls", "row": "rows"},
}
FARTHEST = 1000
"""What is asked about more than this many times as far as the longest run is in another unit."""


def name_unit(x_unit: str) -> str:
    """The unit of x in a sentence."""
    return UNIT_NAMES.get(x_unit, x_unit)


@dataclass(frozen=True)
class LogChoice:
    """What the user said by flags; None or () is not said, and then nothing is picked for them."""

    format: str | None = None  # name of a reader: "csv", "wandb", "tensorboard" ...
    metric: str | None = None  # metric, key of a score, or column
    evaluation_set: str | None = None  # set, task or benchmark
    runs: tuple[str, ...] = ()  # names or ids of the runs to take
    x: str | None = None  # column or key of x
    x_unit: str | None = None  # one of X_UNITS
    group: tuple[str, ...] = ()  # columns that tell curves apart
    n_problems: int | None = None
    n_samples: int | None = None  # answers per problem
    unit: str | None = None  # "percent" or "fraction"
    steps: tuple[float, ...] = ()  # training steps of result files, in the order of the files
    repeated: str | None = None  # "last": the later of two different values at one x wins
    join: bool = False  # the runs are parts of one that was resumed


@dataclass(frozen=True)
class LogReading:
    """Curves, and what was taken for what.

    Attributes:
        points: a row a point, by curve then x: `curve`; `x` in `x_unit`; `score` in percent;
            `error` (its standard error in percent), `n_problems` and `n_samples` (answers per
            problem), NaN where the log does not say; `source`, the file or run folder.
        x_unit: "step", "eflops", "tokens", "gpu_hours", or what merely counts: "log call", "row".
        notes: a line each: what was assumed, and what was left out, with its number.
        wrote_fractions: the scores were written as fractions of 1.
    """

    points: "pd.DataFrame"
    x_unit: str
    notes: tuple[str, ...]
    wrote_fractions: bool = False

    def check_start(self, start_score: float | None) -> None:
        """Refuse a score at x = 0 that is a fraction as those of the logs, and not percent.

        Raises:
            InputError: tells the score in percent.
        """
        if start_score is not None and self.wrote_fractions and 0 < start_score <= 1:
            raise InputError(
                f"--start {start_score:g} with scores that are fractions: say"
                f" {100 * start_score:g}, in percent"
            )


def check_choice(choice: LogChoice) -> None:
    """InputError for a flag whose value cannot be."""
    allowed = {"x_unit": X_UNITS, "unit": ("percent", "fraction"), "repeated": ("last",)}
    for name, values in allowed.items():
        value = getattr(choice, name)
        if value is not None and value not in values:
            flag = "--" + name.replace("_", "-")
            raise InputError(f"{flag} {value}: must be {' or '.join(values)}")
    for field in fields(choice):
        value = getattr(choice, field.name)
        if field.name.startswith("n_") and value is not None and value < 1:
            raise InputError(f"--{field.name.replace('_', '-')} {value}: must be at least 1")
