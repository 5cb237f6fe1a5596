"""The answer in words, computed from the data: when to switch, which data, what ceiling.

Every sentence takes its direction from the sign in the data, and says so when the interval or a
second measure does not support it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from retu.core.markdown import format_interval, format_number
from retu.core.text import format_quantity
from retu.labeling.subphases import ADAPTATION, MILD, SEVERE, STABLE
from retu.reporting.aggregate import (
    average_branches,
    build_dataset_ceilings,
    find_best_branch,
    find_top_row,
    list_paradigms,
    t_interval,
)
from retu.reporting.drawing import select_rows
from retu.reporting.paradigm_table import build_paradigm_table
from retu.reporting.paradigm_text import describe_instability, describe_leads, find_rivals
from retu.reporting.tidy_files import SFT_THEN_RL
from retu.scaling.correlation import MIN_DATASETS, correlate_pairs


@dataclass(frozen=True)
class AnswerPart:
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
    def is_clear(self) -> bool:
        """Whether the interval excludes zero."""
        return math.isfinite(self.low) and (self.low > 0 or self.high < 0)


def build_answer(
    curves: pd.DataFrame, fits: pd.DataFrame, subphases: pd.DataFrame, order: Sequence[str]
) -> list[AnswerPart]:
    """The answer for one model, in reading order; parts without data are left out."""
    branches = average_branches(select_rows(fits, paradigm=SFT_THEN_RL))
    models = fits["model"].unique()
    ceilings = build_dataset_ceilings(fits, subphases, order, str(models[0]) if len(models) else "")
    parts = (
        answer_paradigm(curves, fits, order),
        answer_switch(branches),
        answer_data(ceilings),
        answer_ceiling(branches),
    )
    return [part for part in parts if part is not None]


def answer_paradigm(
    curves: pd.DataFrame, fits: pd.DataFrame, order: Sequence[str]
) -> AnswerPart | None:
    """Best smoothed score of each paradigm; sequential SFT-then-RL against the other kinds.

    A lead counts when it exceeds what sampling of problems alone explains. Pure SFT stands with
    its best checkpoint, which is not smoothed: that favours it.
    """
    table = build_paradigm_table(curves, fits, order)
    table["best"] = table["best_smoothed"].fillna(table["best_score"])
    names = list_paradigms(table)
    tops = pd.DataFrame([find_top_row(select_rows(table, paradigm=name), "best") for name in names])
    if len(tops) < 2:
        return None
    ranked = tops.sort_values("best", ascending=False, kind="stable")
    first = ranked.iloc[0]
    rest = ", ".join(
        f"{r['paradigm']} {format_number(r['best'])}%" for _, r in ranked[1:].iterrows()
    )
    text = (
        f"{first['paradigm']} reached the highest score, {format_number(first['best'])}% (best"
        f" median of "
        f"five evaluations, of SFT the best checkpoint; then {rest})."
    )
    runs = int((table["paradigm"] == SFT_THEN_RL).sum())
    if runs > 1:
        text += f" SFT-then-RL counts with the best of {runs} starts, which is optimistic."
    leads, clear = describe_leads(*find_rivals(ranked), curves)
    text = " ".join([text, leads, *describe_instability(table)])
    return AnswerPart("Which paradigm", text, not clear)


def compute_contrast(
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


def answer_switch(branches: pd.DataFrame) -> AnswerPart | None:
    """Do Stable checkpoints give the highest ceilings, as the paper says?"""
    known = branches.dropna(subset=["a_post"])
    if known.empty:
        return None
    tops = known.loc[known.groupby("dataset", sort=False)["a_post"].idxmax()]
    labels = tops["subphase"].replace("", "unlabelled").value_counts(sort=False)
    places = [f"{label} in {count}" for label, count in labels.items()]
    places[0] += f" of {format_quantity(len(tops), 'data set')}"
    sentences = [f"The branch with the highest ceiling starts from {', from '.join(places)}."]
    supports = []
    for name, others in (("Adaptation", (ADAPTATION,)), ("overfitted", (MILD, SEVERE))):
        ceiling = compute_contrast(known, (STABLE,), others, "a_post")
        observed = compute_contrast(known, (STABLE,), others, "best_score")
        if ceiling.n:
            text, supported = describe_contrast(name, ceiling, observed)
            sentences.append(text)
            supports.append(supported)
    if len(sentences) == 1:
        sentences.append("No data set has both Stable and other branches, so nothing is compared.")
    return AnswerPart("When to switch", " ".join(sentences), not (supports and all(supports)))


def describe_contrast(name: str, ceiling: Contrast, observed: Contrast) -> tuple[str, bool]:
    """One comparison in words, and whether the data support its direction."""
    direction = "higher" if ceiling.mean > 0 else "lower"
    text = (
        f"Ceilings from Stable checkpoints are {format_number(abs(ceiling.mean))} points"
        f" {direction} than "
        f"from {name} ones"
    )
    if not math.isfinite(ceiling.low):
        return (
            f"{text}, over {format_n_datasets(ceiling.n)}: too few for an interval, weak evidence.",
            False,
        )
    text += (
        f" (90% interval {format_interval(ceiling.low, ceiling.high)} over "
        f"{format_n_datasets(ceiling.n)})"
    )
    if not ceiling.is_clear:
        return f"{text}; the interval includes zero: weak evidence.", False
    if ceiling.mean * observed.mean <= 0:
        return f"{text}, but best observed scores do not agree: weak evidence.", False
    return f"{text}.", True


def format_n_datasets(n: int) -> str:
    """`1 data set`, `2 data sets`."""
    return f"{n} data set{'' if n == 1 else 's'}"


def answer_data(ceilings: pd.DataFrame) -> AnswerPart | None:
    """Does a lower minimum validation loss go with a higher ceiling?"""
    if ceilings.empty:
        return None
    top = find_top_row(ceilings, "a_post")
    text = f"The highest ceiling belongs to {top['dataset']}"
    ends = format_interval(float(top["a_post_low"]), float(top["a_post_high"]))
    text += f", {format_number(float(top['a_post']))}% (90% interval {ends})"
    losses = ceilings["min_val_loss"].tolist()
    found = correlate_pairs(losses, ceilings["a_post"].tolist())
    observed = correlate_pairs(losses, ceilings["best_score"].tolist())
    if found.note:
        return AnswerPart("Which data", f"{text}; relating ceilings to losses {found.note}.", True)
    direction = "higher" if found.pearson < 0 else "lower"
    text += (
        f". A lower minimum validation loss goes with a {direction} ceiling (Pearson r "
        f"{format_number(found.pearson, 2)}, 95% interval"
        f" {format_interval(found.low, found.high, 2)}, "
        f"Spearman {format_number(found.spearman, 2)}, {format_n_datasets(found.n)}; with best"
        f" observed scores r "
        f"{format_number(observed.pearson, 2)})"
    )
    if found.low <= 0 <= found.high:
        return AnswerPart("Which data", f"{text}; the interval includes zero: weak evidence.", True)
    agrees = found.pearson * observed.pearson > 0
    tail = "." if agrees else ", but best observed scores do not agree: weak evidence."
    return AnswerPart("Which data", text + tail, not agrees)


def answer_ceiling(branches: pd.DataFrame) -> AnswerPart | None:
    """The highest identified ceiling, or the best observed score when none is identified."""
    identified = branches[branches["identified"].astype(bool)]
    top = find_best_branch(identified)
    count = f"{len(identified)} of {len(branches)} ceilings are identified by the data"
    if top is None:
        best = find_best_branch(branches, "best_score")
        if best is None:
            return None
        text = (
            f"No ceiling is identified by the data; what is known is the best score after RL, "
            f"{format_number(float(best['best_score']))}% ({describe_start(best)})."
        )
        return AnswerPart("What ceiling", text, True)
    ends = format_interval(float(top["a_post_low"]), float(top["a_post_high"]))
    text = (
        f"The highest identified ceiling is {format_number(float(top['a_post']))}% (90% interval"
        f" {ends}; "
        f"{describe_start(top)}); the best score after RL in that branch is "
        f"{format_number(float(top['best_score']))}%. {count}."
    )
    return AnswerPart("What ceiling", text, 2 * len(identified) < len(branches))


def describe_start(branch: pd.Series) -> str:
    """Where a branch starts, in words."""
    label = f", {branch['subphase']}" if branch["subphase"] else ""
    return f"{branch['dataset']}, RL from SFT step {int(branch['sft_step'])}{label}"
