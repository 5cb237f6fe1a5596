"""What x is: a step, compute, tokens or hours; by its name, or by what the user says."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from retu.core.errors import InputError
from retu.logs.choose_measure import MeasuredEntry, list_counts
from retu.logs.log_choice import LogChoice
from retu.logs.log_entries import NAN, LogEntry
from retu.logs.metric_keys import find_role

FLOPS_PER_EFLOP = 1e18
MOST_STEPS = 1e9
# What merely counts, or has no unit: the user may say what it is.
VAGUE_UNITS = ("x", "log call", "row")


@dataclass(frozen=True)
class Axis:
    """The x of all curves."""

    name: str
    unit: str
    factor: float = 1.0  # to the unit

    def read_value(self, entry: LogEntry) -> float:
        """x of an entry in its unit; NaN if it has none."""
        value = entry.axes.get(self.name, entry.values.get(self.name, NAN))
        return value * self.factor


def choose_axis(
    found: Sequence[MeasuredEntry], choice: LogChoice, where: str
) -> tuple[Axis, list[str]]:
    """The x of these scores, and notes about it.

    Raises:
        InputError: there is none or are several, its unit is not known, or flags contradict it.
    """
    name = choose_axis_name(found, choice, where)
    role = find_role("axes", name)
    if role is None and choice.x_unit is None:
        raise InputError(
            f"{where}: the unit of x ({name}) is not known; say --x-unit step, eflops, tokens or"
            " gpu_hours"
        )
    if role == "flops" and choice.x_unit in (None, "eflops"):
        return Axis(name, "eflops", 1 / FLOPS_PER_EFLOP), [f"x is {name} / 1e18, in EFLOPs"]
    if choice.x_unit is not None:
        if role is not None and role not in (*VAGUE_UNITS, choice.x_unit):
            raise InputError(
                f"{where}: {name} is in units of {role} by its name, and --x-unit says"
                f" {choice.x_unit}; leave one out, or choose another x by --x"
            )
        return Axis(name, choice.x_unit), [f"x is {name}, in units of {choice.x_unit} as you say"]
    assert role is not None
    if role in ("x", "step"):
        check_steps(found, Axis(name, "step"))
    if role == "x":
        return Axis(name, "step"), ["x has no unit: taken for steps; --x-unit says otherwise"]
    if role in VAGUE_UNITS:
        return Axis(name, role), [
            f"x counts {role}s, which need not be training steps; --x KEY takes another, and"
            " --x-unit step says that they are"
        ]
    return Axis(name, role), [f"x is {name}" + (f" ({role})" if role != name else "")]


def check_steps(found: Sequence[MeasuredEntry], axis: Axis) -> None:
    """Refuse an x that is too large to count steps.

    Raises:
        InputError: the first, with its place.
    """
    for entry in (item.entry for item in found):
        x = axis.read_value(entry)
        if x > MOST_STEPS:
            raise InputError(
                f"{entry.source}: {entry.place}: {axis.name} is {x:g}, too many for steps; call it"
                " flops if it counts FLOPs, or say --x-unit"
            )


def choose_axis_name(found: Sequence[MeasuredEntry], choice: LogChoice, where: str) -> str:
    """The name of the only axis, or of the one that the user chose."""
    counts = Counter(name for item in found for name in item.entry.axes)
    if choice.x is None and len(counts) == 1:
        return next(iter(counts))
    if choice.x is not None:
        keys = Counter(name for item in found for name in item.entry.values)
        if choice.x in counts or choice.x in keys:
            return choice.x
        raise InputError(
            f"{where}: no score has an x {choice.x!r} beside it; --x can be:"
            f" {list_counts(counts | keys, choice.x)}"
        )
    if not counts:
        raise InputError(
            f"{where}: no column is known to be x (step, eflops, tokens, gpu_hours); name it by"
            " --x, and its unit by --x-unit"
        )
    raise InputError(f"{where}: x can be several; choose one by --x: {list_counts(counts)}")
