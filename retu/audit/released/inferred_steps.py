"""Steps of the released points: the files tell compute only, so steps are inferred from it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from retu.core.errors import InputError
from retu.scaling.law import FloatArray

ROUNDING_EFLOPS = 0.01
"""How far two figures with two decimals may be apart for rounding alone, EFLOPs."""
RELATIVE_TOLERANCE = 1e-3
"""How far compute may be from proportional to steps; the released files stay within 1e-4."""
DOUBLE_GAP = 1.6
N_NEIGHBOURS = 7


def infer_sft_steps(compute: FloatArray, branch_steps: Sequence[int], source: str) -> list[int]:
    """SFT steps of the points of an SFT run, whose compute is proportional to its steps.

    The compute of one step follows from the steps at which RL branches off: it is the rate at
    which the most of them have a point of their own, and of those the most exact one.

    Args:
        compute: EFLOPs of the points, increasing, shape (n,).
        branch_steps: steps from which RL runs start; each must be one of the points.
        source: how errors call the run.

    Returns:
        One step per point; the steps of branches exactly, the others rounded.

    Raises:
        InputError: a branch starts at a step that no point belongs to.
    """
    branches = np.array(sorted(branch_steps), dtype=np.float64)
    trained = compute[compute > 0]
    if not branches.size or not trained.size:
        raise InputError(
            f"{source}: {trained.size} points after the base model and {branches.size} RL runs; "
            "steps cannot be told without both"
        )
    # Larger points tell the rate more exactly, so the last of equally good candidates wins.
    candidates = [x / step for x in trained for step in branches]
    matched = [int(has_point(rate * branches, compute).sum()) for rate in candidates]
    best = max(range(len(candidates)), key=lambda i: (matched[i], i))
    rate = candidates[best]
    lacking = branches[~has_point(rate * branches, compute)]
    if lacking.size:
        raise InputError(
            f"{source}: no point for step {lacking[0]:.0f} (about {lacking[0] * rate:.2f} EFLOPs), "
            "where an RL run starts; fetch the files of the listed commit again"
        )
    steps = np.rint(compute / rate)
    nearest = np.abs(compute[:, None] - rate * branches).argmin(axis=0)
    steps[nearest] = branches
    return [int(step) for step in steps]


def has_point(wanted: FloatArray, compute: FloatArray) -> np.ndarray:
    """Which of the wanted places along compute have a point, up to rounding."""
    distance = np.abs(compute[:, None] - wanted).min(axis=0)
    return np.asarray(distance <= ROUNDING_EFLOPS + RELATIVE_TOLERANCE * wanted)


def compute_gap_ratios(compute: FloatArray) -> FloatArray:
    """Each gap between evaluations over the median of the gaps around it, shape (n,).

    Gap i leads to point i. The first one, from 0 to the first point, counts as 1: RL starts with
    long answers on every released run, so it cannot be compared with the others.
    """
    gaps = np.diff(compute, prepend=0.0)
    around = pd.Series(gaps).rolling(N_NEIGHBOURS, center=True, min_periods=1).median().to_numpy()
    ratios: FloatArray = gaps / around
    ratios[0] = 1.0
    return ratios


def infer_rl_steps(compute: FloatArray, steps_per_row: int) -> list[int]:
    """RL steps of the points of a branch: a constant distance, twice that across a double gap.

    Args:
        compute: EFLOPs of the points after x = 0, increasing, shape (n,).
        steps_per_row: RL steps between evaluations.
    """
    ratios = compute_gap_ratios(compute)
    rows = np.where(ratios >= DOUBLE_GAP, np.rint(ratios), 1.0)
    return [int(step) for step in steps_per_row * np.cumsum(rows)]
