"""Tests of sentences that need runs which the released curves lack, by their name in claims/."""

from collections.abc import Callable

import numpy as np

from retu.audit.study_claims.paradigm_tests import (
    Others,
    ask_sequential_over_single,
    ask_sequential_over_synchronised,
    ask_sft_over_most_synchronised,
    ask_synchronised_unstable,
    explain_unknown,
    list_names,
)
from retu.audit.study_claims.pooled_draws import BEST, CEILING, COMMON
from retu.audit.study_claims.predictor_tests import (
    ask_loss_over_score,
    ask_pass_at_k_over_pass_at_1,
    ask_stronger_start_lower,
    correlate_ranks,
)
from retu.audit.study_claims.sentence_outcome import SentenceOutcome
from retu.audit.study_claims.study_evidence import MissingRunsError, StudyEvidence
from retu.audit.study_claims.training_tests import (
    ask_early_gain,
    ask_half_twice,
    ask_later_start_elsewhere,
    ask_row_mean_deflates,
)
from retu.core.arrays import FloatArray

LEAST_COMMON_SETS = 3


def ask_models_alike(evidence: StudyEvidence, others: Others, measure: str) -> SentenceOutcome:
    """Whether the SFT sets of one model come in the same order in every other."""
    tops = [(one, *find_tops(one, measure)) for one in (evidence, *others) if has_sequences(one)]
    names = [name for name in evidence.job.titles if all(name in found for _, found, _ in tops)]
    if len(tops) < 2 or len(names) < LEAST_COMMON_SETS:
        raise MissingRunsError(f"two models with RL from the same {LEAST_COMMON_SETS} SFT sets")
    values = [np.stack([found[name] for name in names]) for _, found, _ in tops]
    n_draws = min(one.shape[1] for one in values)
    values = [one[:, :n_draws] for one in values]
    orders = [one.argsort(axis=0) for one in values]
    same = np.logical_and.reduce([(order == orders[0]).all(axis=0) for order in orders[1:]])
    effect: FloatArray = np.min([correlate_ranks(values[0], one) for one in values[1:]], axis=0)
    used = [(one, i) for one, _, best in tops for name, i in best.items() if name in names]
    unknown = [explain_unknown(one, measure, [i]) for one, i in used]
    return SentenceOutcome(
        same, effect, "least Spearman of the orders of two models",
        tuple(f"{one.model}: {list_names(one, [i])[0]}" for one, i in used),
        min(one.branches[i].n_seeds for one, i in used),
        f"{sum(map(bool, unknown))} of the {len(used)} deciding ceilings not identified"
        if any(unknown) else "",
    )  # fmt: skip


def has_sequences(evidence: StudyEvidence) -> bool:
    """Whether a model has RL after SFT."""
    try:
        return bool(evidence.find_sequences())
    except MissingRunsError:
        return False


def find_tops(
    evidence: StudyEvidence, measure: str
) -> tuple[dict[str, FloatArray], dict[str, int]]:
    """By SFT set: its highest value in every draw, and the branch with the highest median."""
    by_set: dict[str, list[int]] = {}
    for i in evidence.find_sequences():
        by_set.setdefault(evidence.branches[i].dataset, []).append(i)
    values = evidence.draws[measure]
    tops: dict[str, FloatArray] = {n: values[rows].max(axis=0) for n, rows in by_set.items()}
    best = {
        name: max(rows, key=lambda i: float(np.median(values[i]))) for name, rows in by_set.items()
    }
    return tops, best


StudyTest = Callable[[StudyEvidence, Others, str], SentenceOutcome]
STUDY_TESTS: dict[str, StudyTest] = {
    "later_start_helps_elsewhere": ask_later_start_elsewhere,
    "loss_beats_score": ask_loss_over_score,
    "models_order_sets_alike": ask_models_alike,
    "most_gain_is_early": ask_early_gain,
    "pass_at_k_beats_pass_at_1": ask_pass_at_k_over_pass_at_1,
    "row_mean_deflates_sft": ask_row_mean_deflates,
    "sequential_beats_single_mixed": ask_sequential_over_single,
    "sequential_beats_synchronised": ask_sequential_over_synchronised,
    "sft_beats_most_synchronised": ask_sft_over_most_synchronised,
    "stronger_start_ends_lower": ask_stronger_start_lower,
    "synchronised_unstable": ask_synchronised_unstable,
    "two_epochs_of_half_beat_one": ask_half_twice,
}
LEADING_MEASURES = {"models_order_sets_alike": CEILING}
"""What a verdict is about where it is not the best score reached."""
OF_ONE_MEASURE = frozenset(
    ["later_start_helps_elsewhere", "most_gain_is_early", "row_mean_deflates_sft",
     "synchronised_unstable"]
)  # fmt: skip
"""Tests that do not ask how high a branch comes."""
MEASURE_WORDS = {
    CEILING: "extrapolated ceiling",
    COMMON: "score at equal RL compute",
    BEST: "best score reached (median of 5)",
}


def get_leading_measure(test: str) -> str:
    """What the verdict of a test is about."""
    return LEADING_MEASURES.get(test, BEST) if test in STUDY_TESTS else CEILING
