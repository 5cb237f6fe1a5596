"""A training study's own value beside a printed number: scores, ceilings, losses, intervals."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from retu.audit.study_claims.paradigm_tests import explain_unknown, list_names
from retu.audit.study_claims.pooled_draws import CEILING, START
from retu.audit.study_claims.study_evidence import MissingRunsError, StudyEvidence
from retu.core.arrays import FloatArray
from retu.reporting.aggregate import t_interval
from retu.scaling.draw_statistics import compute_central_interval
from retu.scaling.sampling_noise import Z, compute_binomial_error

ONE_SEED = "one seed: how far the loss of another run moves is not known"


@dataclass(frozen=True)
class OwnValue:
    """What the study has where the paper prints a number.

    Attributes:
        low, high: the 90% interval of `value`; NaN where there is none.
        branches: the runs behind it.
        n_seeds: how many seeds they have.
        spread: standard deviation between seeds, since the printed number is that of one run; 0
            where one seed does not tell it.
        unknown: why it cannot decide, such as a ceiling that is not identified.
        note: what a reader must know to agree.
    """

    value: float
    low: float
    high: float
    branches: tuple[str, ...]
    n_seeds: int
    spread: float = 0.0
    unknown: str = ""
    note: str = ""

    @property
    def error(self) -> float:
        """Standard error, from the wider half of the interval."""
        return max(self.high - self.value, self.value - self.low) / Z


def measure_score(rows: pd.DataFrame, name: str) -> OwnValue:
    """A score by its rows of curves.csv, one a seed: sampling of problems, and seeds if several."""
    scores, problems = rows["score"].to_numpy(float), float(rows["n_problems"].iloc[0])
    score, spread = float(scores.mean()), compute_spread(scores)
    share = (score / 100 * problems + 0.5) / (problems + 1)
    sampling = float(compute_binomial_error(share, problems))
    error = Z * float(np.hypot(sampling, spread / np.sqrt(scores.size)))
    return OwnValue(score, score - error, score + error, (name,), scores.size, spread)


def compute_spread(values: FloatArray) -> float:
    """Standard deviation between seeds; 0 where there is one value."""
    known = values[np.isfinite(values)]
    return float(known.std(ddof=1)) if known.size > 1 else 0.0


def measure_loss(losses: Sequence[float], name: str) -> OwnValue:
    """A validation loss (nats per token), one value a seed; without an interval for one seed."""
    values = np.asarray(losses, dtype=float)
    low, high = t_interval(losses)
    note = ONE_SEED if values.size == 1 else ""
    spread = compute_spread(values)
    return OwnValue(float(values.mean()), low, high, (name,), values.size, spread, note=note)


def measure_ceiling(evidence: StudyEvidence, branch: int) -> OwnValue:
    """A_post of a branch by its posterior draws; of a collapsed run its best score before that."""
    return describe_draws(evidence, branch, evidence.draws[CEILING][branch])


def measure_gain(evidence: StudyEvidence, branch: int) -> OwnValue:
    """PL_rl of a branch: A_post - P_sft in every draw."""
    draws = evidence.draws
    return describe_draws(evidence, branch, draws[CEILING][branch] - draws[START][branch])


def describe_draws(evidence: StudyEvidence, branch: int, draws: FloatArray) -> OwnValue:
    """Median and 90% interval of the draws of one branch."""
    made = evidence.branches[branch]
    key = ("dataset", "sft_step", "paradigm", "recipe")
    fits = evidence.fits[
        np.logical_and.reduce([evidence.fits[name] == getattr(made, name) for name in key])
    ]
    collapsed = "a collapsed run: its best score before it stands for the ceiling"
    low, high = compute_central_interval(draws)
    return OwnValue(
        float(np.median(draws)), low, high, list_names(evidence, [branch]), made.n_seeds,
        compute_spread(fits["a_post"].to_numpy(float)),
        explain_unknown(evidence, CEILING, [branch]),
        collapsed if made.collapsed else "",
    )  # fmt: skip


def find_branch(
    evidence: StudyEvidence, paradigm: str, dataset: str, sft_step: int | None = None
) -> int:
    """The branch of a paradigm from a checkpoint, or from the one with the highest ceiling.

    Raises:
        MissingRunsError: there is none.
    """
    found = evidence.find_branches(
        lambda b: (
            (b.paradigm, b.dataset) == (paradigm, dataset)
            and (sft_step is None or b.sft_step == sft_step)
        )
    )
    if not found:
        step = "" if sft_step is None else f" step {sft_step}"
        raise MissingRunsError(f"{paradigm} from {dataset}{step} with a fit")
    if sft_step is not None:
        return found[0]
    return max(found, key=lambda i: float(np.median(evidence.draws[CEILING][i])))


def subtract_values(one: OwnValue, other: OwnValue) -> OwnValue:
    """A difference; their errors count as independent, which is an upper bound on one benchmark."""
    value = one.value - other.value
    error = Z * float(np.hypot(one.error, other.error))
    return replace(
        one, value=value, low=value - error, high=value + error,
        branches=(*one.branches, *other.branches), n_seeds=min(one.n_seeds, other.n_seeds),
        spread=float(np.hypot(one.spread, other.spread)),
    )  # fmt: skip
