"""SFT sub-phases from the validation loss (paper section 6.2.1, Eq. 5-9) and branch points.

With L the validation loss of a checkpoint and L_min the smallest loss among the evaluated
checkpoints of the run (step 0 included):

- Stable: L <= (1 + delta) L_min.
- Adaptation: before the first Stable checkpoint.
- Mild Overfitting: after the last Stable one, (1 + delta) L_min < L < (1 + delta2) L_min.
- Severe Overfitting: after the last Stable one, L >= (1 + delta2) L_min.

Eq. 5-9 leave a checkpoint undefined that is above (1 + delta) L_min between two Stable ones.
It is called "Between Stable" here, so that no checkpoint loses its label silently.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
import numpy.typing as npt

from retu.config.study import Branching
from retu.core.arrays import BoolArray, FloatArray
from retu.core.errors import InputError

ADAPTATION = "Adaptation"
STABLE = "Stable"
BETWEEN_STABLE = "Between Stable"
MILD = "Mild Overfitting"
SEVERE = "Severe Overfitting"
SUBPHASES = (ADAPTATION, STABLE, BETWEEN_STABLE, MILD, SEVERE)

_DECIMALS = 12
"""Margins are rounded to this, far finer than any loss is known: a loss of exactly 1.02 L_min in
decimal digits is then Stable, whatever its binary representation rounds to."""


@dataclass(frozen=True)
class SubphaseLabels:
    """The sub-phases of one SFT run; every array has one entry per checkpoint.

    Attributes:
        subphase: name of the sub-phase.
        min_val_loss: L_min of the run.
        ratio: L / L_min.
        margin_stable: ratio - (1 + delta); Stable where it is not positive.
        margin_severe: ratio - (1 + delta2); negative is the distance left to Severe Overfitting.
    """

    subphase: list[str]
    min_val_loss: float
    ratio: FloatArray
    margin_stable: FloatArray
    margin_severe: FloatArray


def label_subphases(
    steps: Sequence[int] | npt.NDArray[np.int64],
    val_loss: Sequence[float] | FloatArray,
    delta: float = 0.02,
    delta2: float = 0.10,
) -> SubphaseLabels:
    """Label every checkpoint of one SFT run by Eq. 5-9.

    Args:
        steps: SFT steps of the evaluated checkpoints, strictly increasing.
        val_loss: validation loss at each of them, positive and finite.
        delta: width of the Stable band above L_min, relative.
        delta2: start of Severe Overfitting above L_min, relative.

    Raises:
        InputError: unequal lengths, no checkpoint, unsorted or duplicate steps, a loss that is not
            positive and finite, or thresholds that are not 0 <= delta < delta2.
    """
    loss = _check_losses(steps, val_loss)
    if not 0 <= delta < delta2:
        raise InputError(
            f"labels: delta {delta} and delta2 {delta2}; 0 <= delta < delta2 is needed"
        )
    minimum = float(loss.min())
    ratio = loss / minimum
    margin_stable = np.round(ratio - (1 + delta), _DECIMALS)
    margin_severe = np.round(ratio - (1 + delta2), _DECIMALS)
    stable = np.flatnonzero(margin_stable <= 0)
    names = np.where(margin_severe >= 0, SEVERE, MILD).astype(object)
    names[: stable[-1]] = BETWEEN_STABLE
    names[: stable[0]] = ADAPTATION
    names[stable] = STABLE
    return SubphaseLabels([str(n) for n in names], minimum, ratio, margin_stable, margin_severe)


def choose_branches(
    steps: Sequence[int] | npt.NDArray[np.int64],
    subphase: Sequence[str],
    mode: Branching,
    max_stable: int | None = None,
) -> BoolArray:
    """Mark the checkpoints from which RL branches off.

    Step 0 is never one of them: RL from the base model is Pure RL and has its own run.

    Args:
        steps: SFT steps, strictly increasing.
        subphase: sub-phase of each, from `label_subphases`.
        mode: "exhaustive" takes every checkpoint; "guided" takes the paper's rule, all Stable
            checkpoints and the first Mild Overfitting one; "adaptive" takes every checkpoint as
            one that may compete (`retu.advice.adaptive` says which of them do).
        max_stable: in guided mode, keep at most so many Stable checkpoints, spread evenly by
            position; the last one is always kept.

    Returns:
        One flag per checkpoint. No flag is set where the rule finds nothing to branch from, as
        when SFT only raises the loss beyond Mild Overfitting.

    Raises:
        InputError: unequal lengths, an unknown mode, or `max_stable` below 1.
    """
    trained = np.asarray(steps) > 0
    names = np.asarray(subphase, dtype=object)
    if trained.shape != names.shape:
        raise InputError(f"branches: {trained.size} steps but {names.size} sub-phases")
    if mode not in get_args(Branching):
        raise InputError(f"branches: branching is {mode!r}; use one of {get_args(Branching)}")
    if max_stable is not None and max_stable < 1:
        raise InputError(f"branches: max_stable is {max_stable}; it must be at least 1")
    if mode in ("exhaustive", "adaptive"):
        return trained
    chosen = np.zeros(trained.shape, dtype=np.bool_)
    chosen[_space_evenly(np.flatnonzero(trained & (names == STABLE)), max_stable)] = True
    chosen[np.flatnonzero(trained & (names == MILD))[:1]] = True
    return chosen


def _space_evenly(items: npt.NDArray[np.intp], limit: int | None) -> npt.NDArray[np.intp]:
    """At most `limit` items, evenly spaced, the last always among them."""
    if limit is None or items.size <= limit:
        return items
    # Counting back from the end keeps the last item even when only one may stay.
    positions = np.linspace(items.size - 1, 0, limit).round().astype(np.intp)
    return items[positions]


def _check_losses(
    steps: Sequence[int] | npt.NDArray[np.int64], val_loss: Sequence[float] | FloatArray
) -> FloatArray:
    """Return the losses as an array, or raise what `label_subphases` documents."""
    try:
        step, loss = np.asarray(steps, dtype=np.float64), np.asarray(val_loss, dtype=np.float64)
    except ValueError as error:
        raise InputError(f"labels: a step or val_loss is not a number ({error})") from error
    if step.shape != loss.shape or loss.ndim != 1 or loss.size == 0:
        raise InputError(f"labels: {step.size} steps, {loss.size} losses; each step needs one loss")
    bad = ~(np.isfinite(loss) & (loss > 0))
    if bad.any():
        first = int(np.argmax(bad))
        raise InputError(
            f"labels: val_loss is {loss[first]} at step {step[first]:g}; it must be positive and"
            " finite, so evaluate that checkpoint again"
        )
    # A NaN step fails every comparison, hence "not increasing" instead of "decreasing".
    backwards = ~(np.diff(step) > 0)
    if backwards.any() or not np.isfinite(step).all():
        first = int(np.argmax(backwards)) if backwards.any() else 0
        raise InputError(
            f"labels: after step {step[first]:g} the steps do not increase; each checkpoint must"
            " appear once, in order"
        )
    return loss
