"""By how much the headline sentences hold: for each test of `statements.py` a margin in points.

A sentence holds in a draw where its margin is above zero; that is what its test says. A margin is
the smallest of the differences that a sentence is about.
"""

from collections.abc import Callable

import numpy as np

from retu.audit.claims.evidence import BranchKey
from retu.audit.claims.statements import (
    PURE_RL_BRANCH,
    StatementSetting,
    correlate_pearson_draws,
    find_branch_above_single,
    list_minimum_losses,
)
from retu.core.arrays import FloatArray
from retu.labeling.subphases import MILD, SEVERE, STABLE

Margin = Callable[[FloatArray, StatementSetting], FloatArray]
ALLOWED_MILD: dict[str, int | None] = {
    "best_is_stable": 0, "switch_stable_or_first_mild": 1, "switch_stable_or_mild": None,
}  # fmt: skip
"""How many Mild Overfitting checkpoints a sentence about labels allows beside Stable ones."""


def measure_sequential(values: FloatArray, setting: StatementSetting) -> FloatArray:
    """Over the better of Pure RL and the best SFT checkpoint."""
    evidence = setting.evidence
    branch, _ = find_branch_above_single(values, evidence)
    ours = values[evidence.find_rows([branch])[0]]
    alone = values[evidence.find_rows([PURE_RL_BRANCH])[0]]
    margin: FloatArray = ours - np.maximum(alone, float(evidence.sft["score"].max()))
    return margin


def split_by_label(
    setting: StatementSetting, dataset: str, first_mild: int | None
) -> tuple[list[BranchKey], list[BranchKey]]:
    """The branches of a data set that a sentence about labels allows, and the others."""
    branches = setting.evidence.list_branches(dataset)
    mild = [branch for branch in branches if setting.labels.get(branch) == MILD][:first_mild]
    stable = [branch for branch in branches if setting.labels.get(branch) == STABLE]
    allowed = {*stable, *mild}
    return [b for b in branches if b in allowed], [b for b in branches if b not in allowed]


def make_label_margin(first_mild: int | None) -> Margin:
    """The best allowed branch over the best other one, in the data set where that is least."""

    def measure_labels(values: FloatArray, setting: StatementSetting) -> FloatArray:
        margins = []
        for name in setting.datasets:
            allowed, others = split_by_label(setting, name, first_mild)
            tops = [values[setting.evidence.find_rows(b)].max(axis=0) for b in (allowed, others)]
            margins.append(tops[0] - tops[1])
        return np.asarray(np.min(margins, axis=0), dtype=np.float64)

    return measure_labels


def measure_severe(values: FloatArray, setting: StatementSetting) -> FloatArray:
    """The lowest other branch over the Severe one."""
    branches = setting.evidence.list_branches(setting.datasets[0])
    severe = np.array([setting.labels.get(branch) == SEVERE for branch in branches])
    rows = values[setting.evidence.find_rows(branches)]
    margin: FloatArray = rows[~severe].min(axis=0) - rows[severe].max(axis=0)
    return margin


def measure_order(values: FloatArray, setting: StatementSetting) -> FloatArray:
    """The smallest step from one data set to the next."""
    steps: FloatArray = np.diff(setting.compute_tops(values), axis=0).min(axis=0)
    return steps


def measure_last(values: FloatArray, setting: StatementSetting) -> FloatArray:
    """The last data set over the best other."""
    tops = setting.compute_tops(values)
    return np.asarray(tops[-1] - tops[:-1].max(axis=0), dtype=np.float64)


def measure_first(values: FloatArray, setting: StatementSetting) -> FloatArray:
    """The worst other data set over the first."""
    tops = setting.compute_tops(values)
    return np.asarray(tops[1:].min(axis=0) - tops[0], dtype=np.float64)


def measure_gain(values: FloatArray, setting: StatementSetting) -> FloatArray:
    """The mean gain of the last data set over the best other; Severe branches are left out."""
    gains = values - setting.evidence.draws["p_sft"]
    means = []
    for name in setting.datasets:
        kept = [b for b in setting.evidence.list_branches(name) if setting.labels.get(b) != SEVERE]
        means.append(gains[setting.evidence.find_rows(kept)].mean(axis=0))
    return np.asarray(means[-1] - np.max(means[:-1], axis=0), dtype=np.float64)


def measure_correlation(values: FloatArray, setting: StatementSetting) -> FloatArray:
    """Pearson r with its sign turned: above zero where a lower loss goes with a higher score."""
    return -correlate_pearson_draws(values, setting)


def measure_rank(values: FloatArray, setting: StatementSetting) -> FloatArray:
    """The smallest step from one data set to the next, by falling minimum loss."""
    order = np.argsort([-loss for loss in list_minimum_losses(setting)], kind="stable")
    steps: FloatArray = np.diff(setting.compute_tops(values)[order], axis=0).min(axis=0)
    return steps


SENTENCE_MARGINS: dict[str, Margin] = {
    **{name: make_label_margin(first_mild) for name, first_mild in ALLOWED_MILD.items()},
    "first_lowest": measure_first,
    "last_on_top": measure_last,
    "loss_anticorrelates": measure_correlation,
    "loss_ranks_exactly": measure_rank,
    "most_gain_last": measure_gain,
    "rising_order": measure_order,
    "sequential_beats_single": measure_sequential,
    "severe_is_lowest": measure_severe,
}
MARGIN_WORDS = {
    **dict.fromkeys(
        ALLOWED_MILD, "points, best such branch over the best other, least of all sets"
    ),
    "first_lowest": "points, the worst other set over this one",
    "last_on_top": "points over the best other set",
    "loss_anticorrelates": "minus Pearson r",
    "loss_ranks_exactly": "points, the smallest step between sets in the order of their losses",
    "most_gain_last": "points, mean gain over that of the best other set",
    "rising_order": "points, the smallest step between sets in that order",
    "sequential_beats_single": "points over the better of SFT alone and RL alone",
    "severe_is_lowest": "points, the lowest other branch over this one",
}
"""What a margin is, for readers."""
