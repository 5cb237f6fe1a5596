"""The verdicts and the rules that choose between them; docs/claims.md is their description."""

import math
from dataclasses import dataclass, field

from retu.audit.claims.granularity import get_half_unit, is_rounded_to

EXACT = "exact"
ROUNDED = "within rounding"
NOISE = "within noise"
OUTSIDE = "outside"
INCONSISTENT = "inconsistent with the paper itself"
IMPOSSIBLE = "impossible"
UNIDENTIFIED = "not identified by the data"
UNCHECKABLE = "not checkable here"
CLAIM_VERDICTS = (
    *(EXACT, ROUNDED, NOISE, OUTSIDE, INCONSISTENT, IMPOSSIBLE, UNIDENTIFIED, UNCHECKABLE),
)

ROUNDING_STEPS = 3
"""Half units of the last place that two roundings allow: half of its own, one of an input's."""
HOLDS, FAILS = 0.95, 0.05
"""A sentence holds or fails when its probability reaches these."""


@dataclass(frozen=True)
class Outcome:
    """How one claim was judged; NaN where a number has no place.

    Attributes:
        verdict: one of `CLAIM_VERDICTS`.
        ours: our number, or text for a label.
        source: which file, protocol and quantity it is.
        low, high: its 90% interval.
        difference: ours minus published.
        reproduced: how the protocol `paper` agrees (exact, within rounding, no), fits only.
        probabilities: of a sentence, by measure.
        note: what a reader must know to agree.
    """

    verdict: str
    ours: float | str = math.nan
    source: str = ""
    low: float = math.nan
    high: float = math.nan
    difference: float = math.nan
    reproduced: str = ""
    probabilities: dict[str, float] = field(default_factory=dict)
    note: str = ""


def judge_rounding(ours: float, text: str, decimals: int | None = None) -> str:
    """`exact`, `within rounding`, or empty when two roundings cannot explain the difference."""
    if is_rounded_to(ours, text, decimals):
        return EXACT
    allowed = ROUNDING_STEPS * get_half_unit(text, decimals) + 1e-9
    return ROUNDED if abs(ours - float(text)) <= allowed else ""


def judge_measured(ours: float, text: str) -> str:
    """Verdict where ours is the same measurement: noise excuses nothing."""
    return judge_rounding(ours, text) or OUTSIDE


def judge_remeasured(
    ours: float, text: str, low: float, high: float, decimals: int | None = None
) -> str:
    """Verdict where ours has an interval; rounding widens it by half a unit."""
    half = get_half_unit(text, decimals)
    inside = low - half <= float(text) <= high + half
    if not inside:
        return OUTSIDE
    return judge_rounding(ours, text, decimals) or NOISE


def judge_fitted(
    text: str,
    ours: float,
    paper: float,
    interval: tuple[float, float],
    identified: bool,
    decimals: int | None = None,
) -> str:
    """Verdict on a fitted number.

    Not identified by the robust protocol: then no number can be confirmed. Otherwise it must lie
    in the robust interval, however well the paper's own protocol reproduces it; inside, the better
    agreement of the two protocols counts. Without an interval agreement can confirm a number, but
    nothing can contradict it.
    """
    if not identified:
        return UNIDENTIFIED
    low, high = interval
    close = {
        judge_rounding(value, text, decimals) for value in (ours, paper) if math.isfinite(value)
    }
    best = next((name for name in (EXACT, ROUNDED) if name in close), "")
    if not (math.isfinite(low) and math.isfinite(high)):
        return best or UNCHECKABLE
    inside = judge_remeasured(ours, text, low, high, decimals) != OUTSIDE
    return (best or NOISE) if inside else OUTSIDE


def judge_sentence(probability: float, identified: bool) -> str:
    """Verdict on a sentence about ceilings from its probability by that measure."""
    if not identified:
        return UNIDENTIFIED
    if probability >= HOLDS:
        return EXACT
    return OUTSIDE if probability <= FAILS else NOISE
