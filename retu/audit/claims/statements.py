"""How probable the headline sentences are under evaluation noise, by three measures of a branch.

A test gets one value a branch and draw and says for each draw whether the sentence holds. The
measures are the extrapolated ceiling, which the paper speaks of, the score at a compute that all
branches share, and the smoothed best score observed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from retu.audit.claims.evidence import Branch, Evidence, as_number
from retu.audit.claims.ledger import Claim, Ledger
from retu.config.protocols import ROBUST
from retu.labeling.subphases import MILD, SEVERE, STABLE
from retu.scaling.draw_statistics import correlations
from retu.scaling.law import BoolArray, FloatArray

PURE_RL: Branch = ("none", 0)


@dataclass(frozen=True)
class Setting:
    """What the tests know besides the values: which branches, labels (Figure 3) and losses."""

    evidence: Evidence
    labels: dict[Branch, str]
    datasets: tuple[str, ...]

    def top(self, values: FloatArray, dataset: str) -> FloatArray:
        """Highest value of a data set in every draw."""
        rows = values[self.evidence.rows(self.evidence.of_dataset(dataset))]
        highest: FloatArray = rows.max(axis=0)
        return highest

    def tops(self, values: FloatArray) -> FloatArray:
        """Highest values of all data sets, shape (data sets, draws)."""
        return np.stack([self.top(values, name) for name in self.datasets])

    def best_branches(self, values: FloatArray, dataset: str) -> list[Branch]:
        """The branch with the highest value of a data set, in every draw."""
        branches = self.evidence.of_dataset(dataset)
        return [branches[i] for i in values[self.evidence.rows(branches)].argmax(axis=0)]


def labels_of(ledger: Ledger) -> dict[Branch, str]:
    """The sub-phases that Figure 3 draws: the sentences speak of these."""
    return {
        (claim.dataset, claim.sft_step): claim.value
        for claim in ledger.of("subphase")
        if claim.sft_step is not None
    }


def probability(claim: Claim, setting: Setting, measure: str) -> float:
    """Share of draws in which a sentence holds, by one measure (a column of the draws)."""
    return float(TESTS[claim.test](setting.evidence.draws[measure], setting).mean())


def sequential_beats_single(values: FloatArray, setting: Setting) -> BoolArray:
    """An SFT-then-RL branch is above Pure RL and above the best SFT checkpoint measured.

    One branch is enough: the one of which that is surest. The highest of all in every draw would
    be above by chance, and a branch whose ceiling is not known has draws that say so.
    """
    return above_single(values, setting.evidence)[1]


def above_single(values: FloatArray, evidence: Evidence) -> tuple[Branch, BoolArray]:
    """The branch that is most often above both, and where it is."""
    branches = [branch for branch in evidence.branches if branch != PURE_RL]
    alone = values[evidence.rows([PURE_RL])[0]]
    ours = values[evidence.rows(branches)]
    above = (ours > alone) & (ours > evidence.sft["score"].max())
    surest = int(above.mean(axis=1).argmax())
    return branches[surest], np.asarray(above[surest], dtype=np.bool_)


def switch_stable_or_first_mild(values: FloatArray, setting: Setting) -> BoolArray:
    """In all data sets the best branch starts at a Stable or the first Mild checkpoint."""
    return best_among(values, setting, first_mild=1)


def switch_stable_or_mild(values: FloatArray, setting: Setting) -> BoolArray:
    """In all data sets the best branch starts at a Stable or any Mild checkpoint."""
    return best_among(values, setting, first_mild=None)


def best_is_stable(values: FloatArray, setting: Setting) -> BoolArray:
    """In all data sets the best branch starts at a Stable checkpoint."""
    return best_among(values, setting, first_mild=0)


def best_among(values: FloatArray, setting: Setting, first_mild: int | None) -> BoolArray:
    """Whether the best branch of every data set is Stable or among its first Mild ones."""
    holds = np.ones(values.shape[1], dtype=np.bool_)
    for name in setting.datasets:
        branches = setting.evidence.of_dataset(name)
        mild = [branch for branch in branches if setting.labels.get(branch) == MILD][:first_mild]
        stable = [branch for branch in branches if setting.labels.get(branch) == STABLE]
        allowed = {*stable, *mild}
        holds &= [branch in allowed for branch in setting.best_branches(values, name)]
    return holds


def severe_is_lowest(values: FloatArray, setting: Setting) -> BoolArray:
    """The Severe branch of a data set is below all its other branches."""
    branches = setting.evidence.of_dataset(setting.datasets[0])
    severe = np.array([setting.labels.get(branch) == SEVERE for branch in branches])
    rows = values[setting.evidence.rows(branches)]
    return np.asarray(rows[severe].max(axis=0) < rows[~severe].min(axis=0), dtype=np.bool_)


def rising_order(values: FloatArray, setting: Setting) -> BoolArray:
    """The data sets' best values rise in the order given."""
    return np.asarray((np.diff(setting.tops(values), axis=0) > 0).all(axis=0), dtype=np.bool_)


def last_on_top(values: FloatArray, setting: Setting) -> BoolArray:
    """The last data set has the highest best value."""
    tops = setting.tops(values)
    return np.asarray(np.equal(tops.argmax(axis=0), len(tops) - 1), dtype=np.bool_)


def first_lowest(values: FloatArray, setting: Setting) -> BoolArray:
    """The first data set has the lowest best value."""
    return np.asarray(np.equal(setting.tops(values).argmin(axis=0), 0), dtype=np.bool_)


def most_gain_last(values: FloatArray, setting: Setting) -> BoolArray:
    """The last data set has the highest mean gain over P_sft; Severe branches are left out."""
    gains = values - setting.evidence.draws["p_sft"]
    means = []
    for name in setting.datasets:
        branches = [b for b in setting.evidence.of_dataset(name) if setting.labels.get(b) != SEVERE]
        means.append(gains[setting.evidence.rows(branches)].mean(axis=0))
    return np.asarray(np.equal(np.stack(means).argmax(axis=0), len(means) - 1), dtype=np.bool_)


def loss_anticorrelates(values: FloatArray, setting: Setting) -> BoolArray:
    """Pearson r of best values and minimum losses is negative."""
    return np.asarray(pearson_draws(values, setting) < 0, dtype=np.bool_)


def loss_ranks_exactly(values: FloatArray, setting: Setting) -> BoolArray:
    """Sorted by falling minimum loss, the best values rise: Spearman's rho is -1."""
    order = np.argsort([-loss for loss in minimum_losses(setting)], kind="stable")
    return np.asarray(
        (np.diff(setting.tops(values)[order], axis=0) > 0).all(axis=0), dtype=np.bool_
    )


def pearson_draws(values: FloatArray, setting: Setting) -> FloatArray:
    """Pearson r over data sets of best value and minimum validation loss, in every draw."""
    return correlations(np.array(minimum_losses(setting)), setting.tops(values))


def spearman_draws(values: FloatArray, setting: Setting) -> FloatArray:
    """Spearman's rho over data sets of best value and minimum validation loss, in every draw."""
    ranked = setting.tops(values).argsort(axis=0).argsort(axis=0).astype(np.float64)
    losses = np.argsort(np.argsort(minimum_losses(setting))).astype(np.float64)
    return correlations(losses, ranked)


def minimum_losses(setting: Setting) -> list[float]:
    """Minimum validation loss of every data set."""
    found = {branch[0]: row["min_val_loss"] for branch, row in setting.evidence.subphases.items()}
    return [as_number(found.get(name, float("nan"))) for name in setting.datasets]


def concerned(claim: Claim, setting: Setting) -> Sequence[Branch]:
    """The branches whose ceilings decide a sentence: the best one of every data set it names."""
    evidence = setting.evidence
    names = claim.datasets
    if claim.test in ("severe_is_lowest", "most_gain_last"):
        return [branch for name in names for branch in evidence.of_dataset(name)]
    if claim.test == "sequential_beats_single":
        return [PURE_RL, above_single(evidence.draws["a_post"], evidence)[0]]
    point = np.array([[evidence.fit(ROBUST, b, "a_post")] for b in evidence.branches])
    return [setting.best_branches(point, name)[0] for name in names]


TESTS: dict[str, Callable[[FloatArray, Setting], BoolArray]] = {
    "best_is_stable": best_is_stable,
    "first_lowest": first_lowest,
    "last_on_top": last_on_top,
    "loss_anticorrelates": loss_anticorrelates,
    "loss_ranks_exactly": loss_ranks_exactly,
    "most_gain_last": most_gain_last,
    "rising_order": rising_order,
    "sequential_beats_single": sequential_beats_single,
    "severe_is_lowest": severe_is_lowest,
    "switch_stable_or_first_mild": switch_stable_or_first_mild,
    "switch_stable_or_mild": switch_stable_or_mild,
}
