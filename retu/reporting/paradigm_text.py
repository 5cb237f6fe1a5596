"""Sentences that compare paradigms: leads between kinds of them, collapses, instability."""

import math

import pandas as pd

from retu.core.markdown import format_interval, format_number, format_significant
from retu.reporting.aggregate import find_top_row
from retu.reporting.compute_units import choose_unit
from retu.reporting.paradigm_styles import (
    PURE,
    REFERENCE,
    SEQUENTIAL,
    SFT_THEN_SYNCHRONISED,
    SYNCHRONISED,
)
from retu.reporting.tidy_files import NO_DATASET, PURE_SFT
from retu.scaling.sampling_noise import Z, compute_binomial_error

COMPARED_KINDS = (PURE, SYNCHRONISED, SFT_THEN_SYNCHRONISED)


def find_rivals(ranked: pd.DataFrame) -> tuple[pd.Series, dict[str, pd.Series]]:
    """Whom to compare with whom, in words: the best sequential paradigm with that of other kinds.

    Without sequential ones, or without others, the first of all with the second. `ranked` has one
    row per paradigm, the best first, and at least two.
    """
    best = {str(row["kind"]): row for _, row in ranked.drop_duplicates("kind").iterrows()}
    others = {kind: best[kind] for kind in COMPARED_KINDS if kind in best}
    if SEQUENTIAL in best and others:
        return best[SEQUENTIAL], {f"the best {kind} paradigm": row for kind, row in others.items()}
    return ranked.iloc[0], {"the second": ranked.iloc[1]}


def describe_leads(
    ours: pd.Series, others: dict[str, pd.Series], curves: pd.DataFrame
) -> tuple[str, bool]:
    """How far one paradigm is from others, and whether sampling noise explains none of it."""
    parts, clear = [], []
    for place, (name, theirs) in enumerate(others.items()):
        gap = float(ours["best"] - theirs["best"])
        noise = compute_sampling_noise(curves, float(ours["best"]), float(theirs["best"]))
        clear.append(abs(gap) > noise)
        explains = "sampling of problems alone explains" if place == 0 else "it explains"
        parts.append(
            f"{format_number(abs(gap))} points {'above' if gap >= 0 else 'below'} {name}, "
            f"{name_paradigm_start(theirs)}, where {explains} {format_number(noise)}"
            f"{'' if clear[-1] else ' (weak evidence)'}"
        )
    kind = "Sequential SFT-then-RL, at best " if ours["kind"] == SEQUENTIAL else ""
    return f"{kind}{name_paradigm_start(ours)}{',' if kind else ''} is {'; '.join(parts)}.", all(
        clear
    )


def name_paradigm_start(row: pd.Series) -> str:
    """A paradigm and where it starts: `LUFFY`, `Pure SFT (Few)`, `SFT-then-RL (Few, step 40)`."""
    if row["dataset"] == NO_DATASET:
        return str(row["paradigm"])
    step = "" if row["paradigm"] == PURE_SFT else f", step {int(row['sft_step'])}"
    return f"{row['paradigm']} ({row['dataset']}{step})"


def describe_instability(table: pd.DataFrame) -> list[str]:
    """Which runs collapsed, and which of the others varies most at its end beside DAPO_d."""
    sentences = []
    fallen = table["n_collapsed"] > 0
    if fallen.any():
        unit = choose_unit(table["x_total_eflops"])
        places = [
            f"{name_paradigm_start(row)} after"
            f" {format_significant(row['x_collapse_eflops'] * unit.per_eflop)} "
            f"{unit.name}"
            for _, row in table[fallen].iterrows()
        ]
        sentences.append(f"Collapsed, and counted with the part before: {', '.join(places)}.")
    known = table[~fallen].dropna(subset=["spread_ratio_low", "spread_ratio_high"])
    if known.empty:
        return sentences
    wild = find_top_row(known, "spread_ratio")
    ends = format_interval(float(wild["spread_ratio_low"]), float(wild["spread_ratio_high"]))
    luck = "the largest of all such ratios is partly luck"
    chance = luck if wild["spread_ratio_low"] > 1 else "chance alone explains that"
    sentences.append(
        f"{'Of the others' if fallen.any() else 'Of all runs'}, {name_paradigm_start(wild)} is the"
        f" least "
        f"steady over its last third: its standard deviation is "
        f"{format_number(float(wild['spread_ratio']))} times that of {REFERENCE} from the same"
        f" start (90% "
        f"interval {ends}; {chance})."
    )
    return sentences


def compute_sampling_noise(curves: pd.DataFrame, *scores: float) -> float:
    """Half-width of the 90% binomial interval of a difference of two scores, points.

    Each score counts one right and one wrong problem more (Agresti and Caffo 2000): the plain
    error is too small where problems are few, and 0 where all are right. The scores are of the same
    problems, and smoothed: the true half-width is smaller.
    """
    problems = max(float(curves["n_problems"].min()), 1.0) + 2.0
    rights = [min(max(score / 100, 0.0), 1.0) * (problems - 2.0) + 1.0 for score in scores]
    return Z * math.hypot(*(compute_binomial_error(right / problems, problems) for right in rights))
