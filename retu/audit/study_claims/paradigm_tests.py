"""Tests of sentences about paradigms: SFT-then-RL, methods that mix expert data in, their parts."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from retu.audit.study_claims.pooled_draws import CEILING
from retu.audit.study_claims.sentence_outcome import SentenceOutcome
from retu.audit.study_claims.study_evidence import MissingRunsError, SftPoint, StudyEvidence
from retu.core.arrays import FloatArray
from retu.reporting.aggregate import measure_starts
from retu.reporting.paradigm_styles import (
    PURE,
    REFERENCE,
    SEQUENTIAL,
    SYNCHRONISED,
    get_paradigm_kind,
    strip_sft_stage,
)
from retu.reporting.tidy_files import NO_DATASET, OVERALL, SFT_THEN_RL

Others = Sequence[StudyEvidence]
EARLY_SHARE = 0.5
"""Of the compute that the reference method needs: a method that is near its own best by then, and
ends lower, converges early."""


def ask_sequential_over_synchronised(
    evidence: StudyEvidence, others: Others, measure: str
) -> SentenceOutcome:
    """Whether the best SFT-then-RL branch is above every mixed method."""
    mixed, ours = evidence.find_synchronised(), evidence.find_all_sequences()
    return compare_best(evidence, measure, ours, mixed, "points over the best mixed method")


def ask_sequential_over_single(
    evidence: StudyEvidence, others: Others, measure: str
) -> SentenceOutcome:
    """Whether SFT-then-RL on the prompts of the mixed methods is above its parts alone."""
    ours = evidence.find_branches(lambda b: b.kind == SEQUENTIAL and b.paradigm != SFT_THEN_RL)
    if not ours:
        raise MissingRunsError("GRPO or DAPO_d from an SFT checkpoint")
    methods = {strip_sft_stage(evidence.branches[i].paradigm) for i in ours}
    alone = evidence.find_branches(
        lambda b: b.dataset == NO_DATASET and b.kind == PURE and b.paradigm in methods
    )
    if not alone:
        raise MissingRunsError(f"{' or '.join(sorted(methods))} from the base model")
    best = find_best_point(evidence)
    what = "points over the better of SFT alone and RL alone"
    return compare_best(evidence, measure, ours, alone, what, [best])


def ask_sft_over_most_synchronised(
    evidence: StudyEvidence, others: Others, measure: str
) -> SentenceOutcome:
    """Whether the best SFT checkpoint is above the median mixed method."""
    mixed, best = evidence.find_synchronised(), find_best_point(evidence)
    score = evidence.draw_scores([best])[0]
    effect = score - np.median(evidence.draws[measure][mixed], axis=0)
    names = (best.name, *list_names(evidence, mixed))
    return SentenceOutcome(
        effect > 0, effect, "points over the median mixed method", names,
        evidence.count_seeds(mixed, [best]), explain_unknown(evidence, measure, mixed),
    )  # fmt: skip


def find_best_point(evidence: StudyEvidence) -> SftPoint:
    """The SFT checkpoint with the highest score."""
    return max(evidence.list_trained_points(), key=lambda point: point.score)


def list_names(evidence: StudyEvidence, rows: Sequence[int]) -> tuple[str, ...]:
    """What the branches are called."""
    return tuple(evidence.branches[i].name for i in rows)


def explain_unknown(evidence: StudyEvidence, measure: str, rows: Sequence[int]) -> str:
    """How many ceilings are not identified, if the measure is the ceiling."""
    known = [i for i in rows if evidence.branches[i].identified]
    if measure != CEILING or len(known) == len(rows):
        return ""
    return f"{len(known)} of the {len(rows)} deciding ceilings identified"


def compare_best(
    evidence: StudyEvidence, measure: str, ours: Sequence[int], theirs: Sequence[int], what: str,
    points: Sequence[SftPoint] = (),
) -> SentenceOutcome:  # fmt: skip
    """Our branch with the highest median over the best of theirs, in every draw.

    Taking our highest anew in every draw would favour a sentence by chance.
    """
    values = evidence.draws[measure]
    top = max(ours, key=lambda i: float(np.median(values[i])))
    rivals = values[list(theirs)].max(axis=0)
    if points:
        rivals = np.maximum(rivals, evidence.draw_scores(points).max(axis=0))
    effect: FloatArray = values[top] - rivals
    collapsed = [
        evidence.branches[i].name for i in (top, *theirs) if evidence.branches[i].collapsed
    ]
    note = f"collapsed, judged by the best score before it: {', '.join(collapsed)}"
    names = list_names(evidence, [top, *theirs]) + tuple(point.name for point in points)
    return SentenceOutcome(
        effect > 0, effect, what, names,
        evidence.count_seeds([top, *theirs], points),
        explain_unknown(evidence, measure, [top, *theirs]), note if collapsed else "",
    )  # fmt: skip


def ask_synchronised_unstable(
    evidence: StudyEvidence, others: Others, measure: str
) -> SentenceOutcome:
    """Whether every mixed method scatters more than DAPO_d, collapses or converges early.

    Scatter is the standard deviation of the last third of a run; its ratio to that of the
    reference follows an F distribution. The effect is the least such ratio minus one, of the
    methods that neither collapse nor converge early.
    """
    evidence.find_synchronised()
    overall = evidence.curves[evidence.curves["benchmark"] == OVERALL]
    rows = measure_starts(overall, evidence.fits)
    rows = rows[rows["dataset"] == NO_DATASET]
    mixed = rows[rows["paradigm"].map(get_paradigm_kind) == SYNCHRONISED]
    reference = rows[rows["paradigm"] == REFERENCE]
    if reference.empty or not (reference["spread_freedom"].iloc[0] > 0):
        raise MissingRunsError(f"{REFERENCE} from the base model, with several scores in its end")
    ratios, notes = [], []
    for _, row in mixed.iterrows():
        how = describe_fault(row, reference.iloc[0])
        notes += [f"{row['paradigm']} {how}"] if how else []
        if not how:
            ratios.append(draw_ratio(row, reference.iloc[0], evidence))
    endless = np.full(max(evidence.n_draws, 1), np.inf)
    effect: FloatArray = np.min(ratios, axis=0) - 1.0 if ratios else endless
    return SentenceOutcome(
        effect > 0, effect, f"least ratio of scatter to that of {REFERENCE}, minus 1",
        tuple(f"{name} from the base model" for name in [*mixed["paradigm"], REFERENCE]),
        int(min(mixed["n_seeds"].min(), reference["n_seeds"].min())), note="; ".join(notes),
        covers="scatter of the scores of a run's end",
    )  # fmt: skip


def describe_fault(row: "pd.Series[float]", reference: "pd.Series[float]") -> str:
    """Whether a method collapses or converges early; empty if neither."""
    if row["n_collapsed"] > 0:
        return "collapses"
    early = row["x_near_best_eflops"] <= EARLY_SHARE * reference["x_near_best_eflops"]
    return "converges early" if early and row["best_smoothed"] < reference["best_smoothed"] else ""


def draw_ratio(
    row: "pd.Series[float]", reference: "pd.Series[float]", evidence: StudyEvidence
) -> FloatArray:
    """Draws of the ratio of two standard deviations, shape (draws,)."""
    freedom, other = float(row["spread_freedom"]), float(reference["spread_freedom"])
    if not (freedom > 0 and reference["spread"] > 0):
        raise MissingRunsError(
            f"{row['paradigm']} from the base model, with several scores in its end"
        )
    scatter = evidence.rng.f(freedom, other, size=evidence.n_draws)
    ratio: FloatArray = (row["spread"] / reference["spread"]) / np.sqrt(scatter)
    return ratio
