"""The answer in words, computed from the data: when to switch, which data, what ceiling.

Every sentence takes its direction from the sign in the data, and says so when the interval or a
second measure does not support it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from retu.core.markdown import interval, number
from retu.labeling.subphases import ADAPTATION, MILD, SEVERE, STABLE
from retu.reporting.aggregate import (
    best_branch,
    branch_means,
    dataset_ceilings,
    paradigms_of,
    t_interval,
    top_row,
)
from retu.reporting.drawing import select
from retu.reporting.paradigm_table import paradigm_table
from retu.reporting.paradigm_text import instability_sentences, leads_sentence, rivals
from retu.reporting.tidy_files import SFT_THEN_RL
from retu.scaling.correlation import MIN_DATASETS, correlate


@dataclass(frozen=True)
class Finding:
    """One part of the answer: a lead-in, the sentence, and whether the evidence is weak."""

    question: str
    text: str
    weak: bool


@dataclass(frozen=True)
class Contrast:
    """Mean difference between two groups of branches over data sets, points."""

    n: int
    mean: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Whether the interval excludes zero."""
        return math.isfinite(self.low) and (self.low > 0 or self.high < 0)


def findings(
    curves: pd.DataFrame, fits: pd.DataFrame, subphases: pd.DataFrame, order: Sequence[str]
) -> list[Finding]:
    """The answer for one model, in reading order; parts without data are left out."""
    branches = branch_means(select(fits, paradigm=SFT_THEN_RL))
    models = fits["model"].unique()
    ceilings = dataset_ceilings(fits, subphases, order, str(models[0]) if len(models) else "")
    parts = (
        paradigm_finding(curves, fits, order),
        switch_finding(branches),
        data_finding(ceilings),
        ceiling_finding(branches),
    )
    return [part for part in parts if part is not None]


def paradigm_finding(
    curves: pd.DataFrame, fits: pd.DataFrame, order: Sequence[str]
) -> Finding | None:
    """Best smoothed score of each paradigm; sequential SFT-then-RL against the other kinds.

    A lead counts when it exceeds what sampling of problems alone explains. Pure SFT stands with
    its best checkpoint, which is not smoothed: that favours it.
    """
    table = paradigm_table(curves, fits, order)
    table["best"] = table["best_smoothed"].fillna(table["best_score"])
    names = paradigms_of(table)
    tops = pd.DataFrame([top_row(select(table, paradigm=name), "best") for name in names])
    if len(tops) < 2:
        return None
    ranked = tops.sort_values("best", ascending=False, kind="stable")
    first = ranked.iloc[0]
    rest = ", ".join(f"{r['paradigm']} {number(r['best'])}%" for _, r in ranked[1:].iterrows())
    text = (
        f"{first['paradigm']} reached the highest score, {number(first['best'])}% (best median of "
        f"five evaluations, of SFT the best checkpoint; then {rest})."
    )
    runs = int((table["paradigm"] == SFT_THEN_RL).sum())
    if runs > 1:
        text += f" SFT-then-RL counts with the best of {runs} starts, which is optimistic."
    leads, clear = leads_sentence(*rivals(ranked), curves)
    text = " ".join([text, leads, *instability_sentences(table)])
    return Finding("Which paradigm", text, not clear)


def contrast(
    branches: pd.DataFrame, ours: Sequence[str], others: Sequence[str], measure: str
) -> Contrast:
    """Mean over data sets of (mean of our sub-phases minus mean of the others)."""
    differences = []
    for _, rows in branches.dropna(subset=[measure]).groupby("dataset", sort=False):
        mine = rows.loc[rows["subphase"].isin(ours), measure]
        theirs = rows.loc[rows["subphase"].isin(others), measure]
        if len(mine) and len(theirs):
            differences.append(float(mine.mean() - theirs.mean()))
    mean = float(np.mean(differences)) if differences else math.nan
    # Data sets, not branches or seeds, are the independent units; two of them tell no spread.
    ends = t_interval(differences) if len(differences) >= MIN_DATASETS else (math.nan, math.nan)
    return Contrast(len(differences), mean, *ends)


def switch_finding(branches: pd.DataFrame) -> Finding | None:
    """Do Stable checkpoints give the highest ceilings, as the paper says?"""
    known = branches.dropna(subset=["a_post"])
    if known.empty:
        return None
    tops = known.loc[known.groupby("dataset", sort=False)["a_post"].idxmax()]
    labels = tops["subphase"].replace("", "unlabelled").value_counts(sort=False)
    places = ", ".join(f"{label} in {count}" for label, count in labels.items())
    sentences = [f"The highest ceiling of a data set lies in: {places} (of {len(tops)} data sets)."]
    supports = []
    for name, others in (("Adaptation", (ADAPTATION,)), ("overfitted", (MILD, SEVERE))):
        ceiling = contrast(known, (STABLE,), others, "a_post")
        observed = contrast(known, (STABLE,), others, "best_score")
        if ceiling.n:
            text, supported = contrast_sentence(name, ceiling, observed)
            sentences.append(text)
            supports.append(supported)
    if len(sentences) == 1:
        sentences.append("No data set has both Stable and other branches, so nothing is compared.")
    return Finding("When to switch", " ".join(sentences), not (supports and all(supports)))


def contrast_sentence(name: str, ceiling: Contrast, observed: Contrast) -> tuple[str, bool]:
    """One comparison in words, and whether the data support its direction."""
    direction = "higher" if ceiling.mean > 0 else "lower"
    text = (
        f"Ceilings from Stable checkpoints are {number(abs(ceiling.mean))} points {direction} than "
        f"from {name} ones"
    )
    if not math.isfinite(ceiling.low):
        return f"{text}, over {plural(ceiling.n)}: too few for an interval, weak evidence.", False
    text += f" (90% interval {interval(ceiling.low, ceiling.high)} over {plural(ceiling.n)})"
    if not ceiling.clear:
        return f"{text}; the interval includes zero: weak evidence.", False
    if ceiling.mean * observed.mean <= 0:
        return f"{text}, but best observed scores do not agree: weak evidence.", False
    return f"{text}.", True


def plural(n: int) -> str:
    """`1 data set`, `2 data sets`."""
    return f"{n} data set{'' if n == 1 else 's'}"


def data_finding(ceilings: pd.DataFrame) -> Finding | None:
    """Does a lower minimum validation loss go with a higher ceiling?"""
    if ceilings.empty:
        return None
    top = top_row(ceilings, "a_post")
    text = f"The highest ceiling belongs to {top['dataset']}"
    ends = interval(float(top["a_post_low"]), float(top["a_post_high"]))
    text += f", {number(float(top['a_post']))}% (90% interval {ends})"
    losses = ceilings["min_val_loss"].tolist()
    found = correlate(losses, ceilings["a_post"].tolist())
    observed = correlate(losses, ceilings["best_score"].tolist())
    if found.note:
        return Finding("Which data", f"{text}; relating ceilings to losses {found.note}.", True)
    direction = "higher" if found.pearson < 0 else "lower"
    text += (
        f". A lower minimum validation loss goes with a {direction} ceiling (Pearson r "
        f"{number(found.pearson, 2)}, 95% interval {interval(found.low, found.high, 2)}, "
        f"Spearman {number(found.spearman, 2)}, {plural(found.n)}; with best observed scores r "
        f"{number(observed.pearson, 2)})"
    )
    if found.low <= 0 <= found.high:
        return Finding("Which data", f"{text}; the interval includes zero: weak evidence.", True)
    agrees = found.pearson * observed.pearson > 0
    tail = "." if agrees else ", but best observed scores do not agree: weak evidence."
    return Finding("Which data", text + tail, not agrees)


def ceiling_finding(branches: pd.DataFrame) -> Finding | None:
    """The highest identified ceiling, or the best observed score when none is identified."""
    identified = branches[branches["identified"]]
    top = best_branch(identified)
    count = f"{len(identified)} of {len(branches)} ceilings are identified by the data"
    if top is None:
        best = best_branch(branches, "best_score")
        if best is None:
            return None
        text = (
            f"No ceiling is identified by the data; what is known is the best score after RL, "
            f"{number(float(best['best_score']))}% ({place_of(best)})."
        )
        return Finding("What ceiling", text, True)
    ends = interval(float(top["a_post_low"]), float(top["a_post_high"]))
    text = (
        f"The highest identified ceiling is {number(float(top['a_post']))}% (90% interval {ends}; "
        f"{place_of(top)}); the best score after RL in that branch is "
        f"{number(float(top['best_score']))}%. {count}."
    )
    return Finding("What ceiling", text, 2 * len(identified) < len(branches))


def place_of(branch: pd.Series) -> str:
    """Where a branch starts, in words."""
    label = f", {branch['subphase']}" if branch["subphase"] else ""
    return f"{branch['dataset']}, RL from SFT step {int(branch['sft_step'])}{label}"
