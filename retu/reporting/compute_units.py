"""Units of compute for people: the tidy files hold EFLOPs, tables and axes a fitting prefix."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

# From the largest down; a study beyond EFLOPs stays there, as the paper does (1366 EFLOPs).
PREFIXES = (("EFLOPs", 1.0), ("PFLOPs", 1e3), ("TFLOPs", 1e6), ("GFLOPs", 1e9), ("MFLOPs", 1e12))


@dataclass(frozen=True)
class ComputeUnit:
    """A unit of compute and how many of it make one EFLOP."""

    name: str
    per_eflop: float


def choose_unit(eflops: Iterable[float]) -> ComputeUnit:
    """The largest unit in which the largest finite value is at least one (EFLOPs for all zero)."""
    values = np.abs(np.fromiter(eflops, dtype=float))
    values = values[np.isfinite(values)]
    largest = float(values.max()) if values.size else 0.0
    if largest == 0.0:
        return ComputeUnit(*PREFIXES[0])
    # A hair of tolerance keeps 0.001 EFLOPs (stored as 0.00099999...) at 1 PFLOP.
    fitting = (ComputeUnit(*prefix) for prefix in PREFIXES if largest * prefix[1] >= 1 - 1e-9)
    return next(fitting, ComputeUnit(*PREFIXES[-1]))
