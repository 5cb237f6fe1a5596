"""Tests of sentences on what tells, before RL, how a checkpoint ends after it."""

from collections.abc import Sequence
from itertools import permutations
from statistics import NormalDist

import numpy as np
from scipy.stats import rankdata

from retu.audit.study_claims.paradigm_tests import Others, explain_unknown, list_names
from retu.audit.study_claims.pooled_draws import START
from retu.audit.study_claims.sentence_outcome import SentenceOutcome
from retu.audit.study_claims.study_evidence import MissingRunsError, StudyEvidence
from retu.core.arrays import FloatArray

LEAST_CHECKPOINTS = 4
LEAST_SAMPLES = 4
"""A problem's samples from which their number is a large k."""
COVERS = "which checkpoints there are"


def ask_loss_over_score(evidence: StudyEvidence, others: Others, measure: str) -> SentenceOutcome:
    """Whether the loss of a checkpoint ranks the outcome of RL better than its score."""
    rows = find_ranked_rows(evidence)
    losses = np.array([evidence.points[get_start(evidence, i)].val_loss for i in rows])
    if not np.isfinite(losses).all():
        raise MissingRunsError("a validation loss of every checkpoint at which RL starts")
    better = np.repeat(-losses[:, None], evidence.n_draws, axis=1)
    what = "Spearman of loss (sign turned) and outcome, minus that of score and outcome"
    return compare_predictors(evidence, measure, rows, (better, evidence.draws[START][rows]), what)


def ask_pass_at_k_over_pass_at_1(
    evidence: StudyEvidence, others: Others, measure: str
) -> SentenceOutcome:
    """Whether pass@k before RL, k as large as there are samples, ranks better than pass@1."""
    rows = find_ranked_rows(evidence)
    keys = [get_start(evidence, i) for i in rows]
    if not all(key in evidence.counts for key in keys):
        raise MissingRunsError("graded answers of every checkpoint at which RL starts")
    sizes = {int(evidence.counts[key]["size"].max()) for key in keys if len(evidence.counts[key])}
    k = min(sizes, default=1)
    if len(sizes) > 1 or k < LEAST_SAMPLES:
        raise MissingRunsError(f"a benchmark with `samples: {LEAST_SAMPLES}` or more")
    right = [
        counts[counts["size"] == k].set_index(["benchmark", "problem_id"])["sum"]
        for counts in (evidence.counts[key] for key in keys)
    ]
    problems = right[0].index
    matrix = np.stack([one.reindex(problems).to_numpy(float) for one in right])
    n = len(problems)
    weights = evidence.rng.multinomial(n, np.full(n, 1 / n), size=evidence.n_draws).T / n
    any_right, share = (matrix > 0) @ weights, (matrix / k) @ weights
    what = f"Spearman of pass@{k} and outcome, minus that of pass@1 and outcome"
    return compare_predictors(evidence, measure, rows, (any_right, share), what)


def get_start(evidence: StudyEvidence, row: int) -> tuple[str, int]:
    """The checkpoint at which a branch starts."""
    return evidence.branches[row].dataset, evidence.branches[row].sft_step


def find_ranked_rows(evidence: StudyEvidence) -> list[int]:
    """The branches of SFT-then-RL, enough of them to rank."""
    rows = evidence.find_sequences()
    if len(rows) < LEAST_CHECKPOINTS:
        raise MissingRunsError(
            f"RL by one recipe from {LEAST_CHECKPOINTS} SFT checkpoints, not {len(rows)}"
        )
    return rows


def compare_predictors(
    evidence: StudyEvidence, measure: str, rows: Sequence[int],
    predictors: tuple[FloatArray, FloatArray], what: str,
) -> SentenceOutcome:  # fmt: skip
    """How much better the first predictor ranks the outcome than the second.

    Checkpoints are resampled in every draw: a correlation over a dozen of them says little of
    others. Both predictors have the shape (checkpoints, draws).
    """
    outcome = evidence.draws[measure][list(rows)]
    chosen = evidence.rng.integers(len(rows), size=outcome.shape)
    first, second, after = (
        np.take_along_axis(values, chosen, axis=0) for values in (*predictors, outcome)
    )
    effect = correlate_ranks(first, after) - correlate_ranks(second, after)
    return SentenceOutcome(
        effect > 0, effect, what, list_names(evidence, rows), evidence.count_seeds(rows),
        explain_unknown(evidence, measure, rows), f"{len(rows)} checkpoints", COVERS,
        # Ranks tie: neither predictor is better then.
        at_most=float((effect >= 0).mean()),
    )  # fmt: skip


def correlate_ranks(x: FloatArray, y: FloatArray) -> FloatArray:
    """Spearman's rho of two arrays (n, draws) in every draw; 0 where one of them is constant."""
    ranks = [rankdata(values, axis=0) for values in (x, y)]
    a, b = (rank - rank.mean(axis=0) for rank in ranks)
    spread = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    rho: FloatArray = np.divide((a * b).sum(axis=0), spread, out=np.zeros_like(spread),
                                where=spread > 0)  # fmt: skip
    return rho


def ask_stronger_start_lower(
    evidence: StudyEvidence, others: Others, measure: str
) -> SentenceOutcome:
    """Whether of two checkpoints that with the higher score ends lower.

    The surest of all pairs is told. Noise alone turns some pair round in almost every draw, so that
    it must be surer the more pairs there are; that no pair does is told by the sum of all.
    """
    rows = evidence.find_sequences()
    pairs = list(permutations(rows, 2))
    if not pairs:
        raise MissingRunsError("RL by one recipe from two SFT checkpoints")
    start, after = evidence.draws[START], evidence.draws[measure]
    chances = [
        max(0.0, tell_above(start[i] - start[j]) + tell_above(after[j] - after[i]) - 1)
        for i, j in pairs
    ]
    most = [min(tell_above(start[i] - start[j]), tell_above(after[j] - after[i])) for i, j in pairs]
    top = int(np.argmax(chances)) if max(chances) > 0 else int(np.argmax(most))
    i, j = pairs[top]
    effect = np.minimum(start[i] - start[j], after[j] - after[i])
    return SentenceOutcome(
        effect > 0, effect, "points, the smaller of the lead before RL and that of the other after",
        list_names(evidence, [i, j]), evidence.count_seeds([i, j]),
        explain_unknown(evidence, measure, [i, j]), f"the surest of {len(pairs) // 2} pairs",
        chance=chances[top], at_most=min(1.0, sum(most)), n_chances=len(pairs),
    )  # fmt: skip


def tell_above(difference: FloatArray) -> float:
    """Probability that a normal variable with these draws is above zero.

    A share of a thousand draws cannot tell one in a hundred pairs from chance.
    """
    spread = float(difference.std())
    if spread == 0:
        return float(difference[0] > 0)
    return NormalDist().cdf(float(difference.mean()) / spread)
