"""How probable the headline sentences are under evaluation noise, by three measures of a branch.

A test gets one value a branch and draw and says for each draw whether the sentence holds. The
measures are the extrapolated ceiling, which the paper speaks of, the score at a compute that all
branches share, and the smoothed best score observed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from retu.audit.claims.evidence import BranchKey, Evidence, parse_float
from retu.audit.claims.ledger import Claim, Ledger
from retu.config.protocols import ROBUST
from retu.labeling.subphases import MILD, SEVERE, STABLE
from retu.scaling.draw_statistics import correlate_columns
from retu.scaling.law import BoolArray, FloatArray

PURE_RL_BRANCH: BranchKey = ("none", 0)


@dataclass(frozen=True)
class StatementSetting:
    """What the tests know besides the values: which branches, labels (Figure 3) and losses."""

    evidence: Evidence
    labels: dict[BranchKey, str]
    datasets: tuple[str, ...]

    def compute_top(self, values: FloatArray, dataset: str) -> FloatArray:
        """Highest value of a data set in every draw."""
        rows = values[self.evidence.find_rows(self.evidence.list_branches(dataset))]
        highest: FloatArray = rows.max(axis=0)
        return highest

    def compute_tops(self, values: FloatArray) -> FloatArray:
        """Highest values of all data sets, shape (data sets, draws)."""
        return np.stack([self.compute_top(values, name) for name in self.datasets])

    def find_best_branches(self, values: FloatArray, dataset: str) -> list[BranchKey]:
        """The branch with the highest value of a data set, in every draw."""
        branches = self.evidence.list_branches(dataset)
        return [branches[i] for i in values[self.evidence.find_rows(branches)].argmax(axis=0)]


def index_labels(ledger: Ledger) -> dict[BranchKey, str]:
    """The sub-phases that Figure 3 draws: the sentences speak of these."""
    return {
        (claim.dataset, claim.sft_step): claim.value
        for claim in ledger.select_claims("subphase")
        if claim.sft_step is not None
    }


def compute_probability(claim: Claim, setting: StatementSetting, measure: str) -> float:
    """Share of draws in which a sentence holds, by one measure (a column of the draws)."""
    return float(STATEMENT_TESTS[claim.test](setting.evidence.draws[measure], setting).mean())


def is_sequential_best(values: FloatArray, setting: StatementSetting) -> BoolArray:
    """An SFT-then-RL branch is above Pure RL and above the best SFT checkpoint measured.

    The test uses the one branch that is above both in the most draws. Taking the highest branch
    anew in every draw would favour the sentence by chance; a poorly known ceiling shows in the
    spread of its draws.
    """
    return find_branch_above_single(values, setting.evidence)[1]


def find_branch_above_single(values: FloatArray, evidence: Evidence) -> tuple[BranchKey, BoolArray]:
    """The branch that is most often above both, and where it is."""
    branches = [branch for branch in evidence.branches if branch != PURE_RL_BRANCH]
    alone = values[evidence.find_rows([PURE_RL_BRANCH])[0]]
    ours = values[evidence.find_rows(branches)]
    above = (ours > alone) & (ours > evidence.sft["score"].max())
    surest = int(above.mean(axis=1).argmax())
    return branches[surest], np.asarray(above[surest], dtype=np.bool_)


def is_best_stable_or_first_mild(values: FloatArray, setting: StatementSetting) -> BoolArray:
    """In all data sets the best branch starts at a Stable or the first Mild checkpoint."""
    return is_best_among(values, setting, first_mild=1)


def is_best_stable_or_mild(values: FloatArray, setting: StatementSetting) -> BoolArray:
    """In all data sets the best branch starts at a Stable or any Mild checkpoint."""
    return is_best_among(values, setting, first_mild=None)


def is_best_stable(values: FloatArray, setting: StatementSetting) -> BoolArray:
    """In all data sets the best branch starts at a Stable checkpoint."""
    return is_best_among(values, setting, first_mild=0)


def is_best_among(
    values: FloatArray, setting: StatementSetting, first_mild: int | None
) -> BoolArray:
    """Whether the best branch of every data set is Stable or among its first Mild ones."""
    holds = np.ones(values.shape[1], dtype=np.bool_)
    for name in setting.datasets:
        branches = setting.evidence.list_branches(name)
        mild = [branch for branch in branches if setting.labels.get(branch) == MILD][:first_mild]
        stable = [branch for branch in branches if setting.labels.get(branch) == STABLE]
        allowed = {*stable, *mild}
        holds &= [branch in allowed for branch in setting.find_best_branches(values, name)]
    return holds


def is_severe_lowest(values: FloatArray, setting: StatementSetting) -> BoolArray:
    """The Severe branch of a data set is below all its other branches."""
    branches = setting.evidence.list_branches(setting.datasets[0])
    severe = np.array([setting.labels.get(branch) == SEVERE for branch in branches])
    rows = values[setting.evidence.find_rows(branches)]
    return np.asarray(rows[severe].max(axis=0) < rows[~severe].min(axis=0), dtype=np.bool_)


def is_order_rising(values: FloatArray, setting: StatementSetting) -> BoolArray:
    """The data sets' best values rise in the order given."""
    return np.asarray(
        (np.diff(setting.compute_tops(values), axis=0) > 0).all(axis=0), dtype=np.bool_
    )


def is_last_highest(values: FloatArray, setting: StatementSetting) -> BoolArray:
    """The last data set has the highest best value."""
    tops = setting.compute_tops(values)
    return np.asarray(np.equal(tops.argmax(axis=0), len(tops) - 1), dtype=np.bool_)


def is_first_lowest(values: FloatArray, setting: StatementSetting) -> BoolArray:
    """The first data set has the lowest best value."""
    return np.asarray(np.equal(setting.compute_tops(values).argmin(axis=0), 0), dtype=np.bool_)


def is_last_gain_highest(values: FloatArray, setting: StatementSetting) -> BoolArray:
    """The last data set has the highest mean gain over P_sft; Severe branches are left out."""
    gains = values - setting.evidence.draws["p_sft"]
    means = []
    for name in setting.datasets:
        branches = [
            b for b in setting.evidence.list_branches(name) if setting.labels.get(b) != SEVERE
        ]
        means.append(gains[setting.evidence.find_rows(branches)].mean(axis=0))
    return np.asarray(np.equal(np.stack(means).argmax(axis=0), len(means) - 1), dtype=np.bool_)


def is_loss_anticorrelated(values: FloatArray, setting: StatementSetting) -> BoolArray:
    """Pearson r of best values and minimum losses is negative."""
    return np.asarray(correlate_pearson_draws(values, setting) < 0, dtype=np.bool_)


def is_loss_rank_exact(values: FloatArray, setting: StatementSetting) -> BoolArray:
    """Sorted by falling minimum loss, the best values rise: Spearman's rho is -1."""
    order = np.argsort([-loss for loss in list_minimum_losses(setting)], kind="stable")
    return np.asarray(
        (np.diff(setting.compute_tops(values)[order], axis=0) > 0).all(axis=0), dtype=np.bool_
    )


def correlate_pearson_draws(values: FloatArray, setting: StatementSetting) -> FloatArray:
    """Pearson r over data sets of best value and minimum validation loss, in every draw."""
    return correlate_columns(np.array(list_minimum_losses(setting)), setting.compute_tops(values))


def correlate_spearman_draws(values: FloatArray, setting: StatementSetting) -> FloatArray:
    """Spearman's rho over data sets of best value and minimum validation loss, in every draw."""
    ranked = setting.compute_tops(values).argsort(axis=0).argsort(axis=0).astype(np.float64)
    losses = np.argsort(np.argsort(list_minimum_losses(setting))).astype(np.float64)
    return correlate_columns(losses, ranked)


def list_minimum_losses(setting: StatementSetting) -> list[float]:
    """Minimum validation loss of every data set."""
    found = {branch[0]: row["min_val_loss"] for branch, row in setting.evidence.subphases.items()}
    return [parse_float(found.get(name, float("nan"))) for name in setting.datasets]


def find_deciding_branches(claim: Claim, setting: StatementSetting) -> Sequence[BranchKey]:
    """The branches whose ceilings decide a sentence: the best one of every data set it names."""
    evidence = setting.evidence
    names = claim.datasets
    if claim.test in ("severe_is_lowest", "most_gain_last"):
        return [branch for name in names for branch in evidence.list_branches(name)]
    if claim.test == "sequential_beats_single":
        return [PURE_RL_BRANCH, find_branch_above_single(evidence.draws["a_post"], evidence)[0]]
    point = np.array([[evidence.get_fit(ROBUST, b, "a_post")] for b in evidence.branches])
    return [setting.find_best_branches(point, name)[0] for name in names]


STATEMENT_TESTS: dict[str, Callable[[FloatArray, StatementSetting], BoolArray]] = {
    "best_is_stable": is_best_stable,
    "first_lowest": is_first_lowest,
    "last_on_top": is_last_highest,
    "loss_anticorrelates": is_loss_anticorrelated,
    "loss_ranks_exactly": is_loss_rank_exact,
    "most_gain_last": is_last_gain_highest,
    "rising_order": is_order_rising,
    "sequential_beats_single": is_sequential_best,
    "severe_is_lowest": is_severe_lowest,
    "switch_stable_or_first_mild": is_best_stable_or_first_mild,
    "switch_stable_or_mild": is_best_stable_or_mild,
}
