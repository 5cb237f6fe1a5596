"""Units that are compared: their dimension and how much of its first unit they are."""

import functools
import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import yaml

UNITS_FILE = Path(__file__).with_name("units.yaml")
POWERS = {"square": 2, "sq": 2, "cubic": 3, "cu": 3}
CASED = 2


@dataclass(frozen=True)
class PhysicalUnit:
    """A unit of a known dimension.

    Attributes:
        dimension: its name, with the exponent of areas and volumes.
        factor: how much of the dimension's first unit it is.
    """

    dimension: str
    factor: Fraction


@functools.cache
def load_units() -> dict[str, PhysicalUnit]:
    """Every unit of `units.yaml` by its names."""
    content = yaml.safe_load(UNITS_FILE.read_text(encoding="utf-8"))
    return {
        name: PhysicalUnit(dimension, Fraction(str(factor)))
        for dimension, factors in content.items()
        for factor, names in factors.items()
        for name in names
    }


def find_unit(words: str, exponent: int = 1) -> PhysicalUnit | None:
    """The unit that words name (`cm`, `square inches`), None for words that are none."""
    parts = words.replace(".", " ").split()
    if parts and parts[0].lower() in POWERS:
        exponent, parts = POWERS[parts[0].lower()], parts[1:]
    if len(parts) != 1:
        return None
    word = parts[0]
    known = load_units()
    names = [word, word.lower(), re.sub(r"s$", "", word.lower())]
    names = names[:1] if len(word) <= CASED else names
    unit = next((known[name] for name in names if name in known), None)
    if unit is None or exponent == 1:
        return unit
    return PhysicalUnit(f"{unit.dimension}^{exponent}", unit.factor**exponent)
