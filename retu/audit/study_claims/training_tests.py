"""Tests of sentences on how SFT and RL are trained: repetition, reduction of the loss, length."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from retu.audit.study_claims.paradigm_tests import Others, explain_unknown, list_names
from retu.audit.study_claims.pooled_draws import C_MID, CEILING, EXPONENT, START
from retu.audit.study_claims.sentence_outcome import SentenceOutcome
from retu.audit.study_claims.study_evidence import (
    MissingRunsError,
    SftPoint,
    StudyBranch,
    StudyEvidence,
    is_plain_sequence,
)
from retu.core.arrays import FloatArray
from retu.evaluation.scores import list_out_of_distribution
from retu.labeling.subphases import SEVERE
from retu.reporting.paradigm_styles import PURE
from retu.reporting.tidy_files import NO_DATASET, OVERALL
from retu.scaling.law import compute_rise_fraction
from retu.scaling.sampling_noise import compute_binomial_error
from retu.scaling.smoothing import compute_centred_median

HALF, ABOUT = 0.5, 0.25
"""Rows of the smaller set, and how far numbers of epochs and rows may be from those named, as a
share of them."""
EARLY_EPOCHS = 0.4
MOST = 0.5


def ask_half_twice(evidence: StudyEvidence, others: Others, measure: str) -> SentenceOutcome:
    """Whether two epochs of half of the rows beat one epoch of all, after the same RL."""
    pairs = sorted(list_half_pairs(evidence))
    if not pairs:
        raise MissingRunsError(
            "two sets drawn alike, one with half the rows, with RL after two epochs of it and one"
            " epoch of the other"
        )
    _, half, whole = pairs[0]
    effect = evidence.draws[measure][half] - evidence.draws[measure][whole]
    return SentenceOutcome(
        effect > 0, effect, "points, two epochs of half over one epoch of all",
        list_names(evidence, [half, whole]), evidence.count_seeds([half, whole]),
        explain_unknown(evidence, measure, [half, whole]),
    )  # fmt: skip


def list_half_pairs(evidence: StudyEvidence) -> Iterator[tuple[float, int, int]]:
    """Branches of half a set and of the whole one, with how far they are from what is asked."""
    epochs = {i: count_epochs(evidence, evidence.branches[i]) for i in evidence.find_sequences()}
    for half, whole in ((i, j) for i in epochs for j in epochs):
        names = {evidence.branches[i].dataset for i in (half, whole)}
        if len(names) < 2 or not any(names <= set(g) for g in evidence.job.drawn_alike):
            continue
        rows = [evidence.rows.get(evidence.branches[i].dataset, 0) for i in (half, whole)]
        share = rows[0] / rows[1] if rows[1] else 0.0
        off = [abs(share / HALF - 1), abs(epochs[half] / 2 - 1), abs(epochs[whole] - 1)]
        if max(off) <= ABOUT:
            yield sum(off), half, whole


def count_epochs(evidence: StudyEvidence, branch: StudyBranch) -> float:
    """Epochs over its SFT set before a branch; NaN where batch or rows are not known."""
    batches = [
        run.batch_size
        for run in evidence.job.trained
        if (run.model, run.dataset) == (evidence.model, branch.dataset)
    ]
    rows = evidence.rows.get(branch.dataset, 0)
    if not batches or batches[0] is None or not rows:
        return float("nan")
    return branch.sft_step * batches[0] / rows


def ask_row_mean_deflates(evidence: StudyEvidence, others: Others, measure: str) -> SentenceOutcome:
    """Whether the best checkpoint scores lower with a loss that averages row means."""
    scored: dict[str, SftPoint] = {}
    for point in sorted(evidence.list_trained_points(), key=lambda one: one.score):
        scored[point.dataset] = point
    reduced = {
        run.dataset: run.reduction
        for run in evidence.job.trained
        if run.model == evidence.model and run.dataset in scored
    }
    pairs = [
        (token, row)
        for group in evidence.job.alike
        for token in group
        for row in group
        if reduced.get(token) == "token" and reduced.get(row) == "row"
    ]
    if not pairs:
        raise MissingRunsError(
            "the same SFT set under two names, one trained with `reduction: token`, one with `row`"
        )
    tokens = evidence.draw_scores([scored[token] for token, _ in pairs])
    rows = evidence.draw_scores([scored[row] for _, row in pairs])
    effect: FloatArray = (tokens - rows).mean(axis=0)
    used = [scored[name] for pair in pairs for name in pair]
    return SentenceOutcome(
        effect > 0, effect, "points, token mean over row mean, best checkpoint of each",
        tuple(point.name for point in used), evidence.count_seeds([], used),
    )  # fmt: skip


def ask_early_gain(evidence: StudyEvidence, others: Others, measure: str) -> SentenceOutcome:
    """Whether more than half of what RL gains by its end is there after 40% of an epoch.

    By the fitted law of each branch; branches count by their gain.
    """
    rows = evidence.find_branches(
        lambda b: (
            not b.collapsed
            and (b.kind == PURE if b.dataset == NO_DATASET else is_plain_sequence(b))
        )
    )
    gains, early, used = [], [], []
    for i in rows:
        places = find_early_places(evidence, evidence.branches[i])
        if places is None:
            continue
        log_mid, b = np.log(evidence.draws[C_MID][i]), evidence.draws[EXPONENT][i]
        rise = evidence.draws[CEILING][i] - evidence.draws[START][i]
        shares = [compute_rise_fraction(np.full_like(b, x), log_mid, b) for x in places]
        early.append(rise * shares[0])
        gains.append(rise * shares[1])
        used.append(i)
    if not used:
        raise MissingRunsError("RL that goes on for more than 40% of an epoch over its prompts")
    effect: FloatArray = np.sum(early, axis=0) / np.sum(gains, axis=0) - MOST
    return SentenceOutcome(
        effect > 0, effect, "share of the gain within 40% of an epoch, minus one half",
        list_names(evidence, used), evidence.count_seeds(used),
        note="a longer run has a smaller share; the gain is that by the end of each",
    )  # fmt: skip


def find_early_places(evidence: StudyEvidence, branch: StudyBranch) -> tuple[float, float] | None:
    """RL compute (EFLOPs) at 40% of an epoch and at the end; None if the run is shorter."""
    use = evidence.job.prompts.get(branch.recipe)
    n_prompts = evidence.rows.get(use.prompts, 0) if use else 0
    points = select_points(evidence.curves, branch)
    points = points[points["benchmark"] == OVERALL]
    if use is None or not n_prompts or points.empty:
        return None
    course = points.groupby("rl_step")["x_rl_eflops"].mean().sort_index()
    wanted = EARLY_EPOCHS * n_prompts / use.prompts_per_step
    if course.index[-1] <= wanted:
        return None
    x = np.interp(wanted, course.index.to_numpy(float), course.to_numpy(float))
    return float(x), float(course.iloc[-1])


def select_points(curves: pd.DataFrame, branch: StudyBranch) -> pd.DataFrame:
    """The rows of a branch in curves.csv."""
    key = ("dataset", "sft_step", "paradigm", "recipe")
    return curves[np.logical_and.reduce([curves[k] == getattr(branch, k) for k in key])]


def ask_later_start_elsewhere(
    evidence: StudyEvidence, others: Others, measure: str
) -> SentenceOutcome:
    """Whether RL from the latest checkpoint of a set is above that from its earliest one, on
    benchmarks that are out of distribution; Severe Overfitting is left out.

    By the best score, a running median of five, averaged over benchmarks and sets.
    """
    names = list_out_of_distribution(evidence.curves)
    if not names:
        raise MissingRunsError("a benchmark with `out_of_distribution: true`")
    elsewhere = evidence.curves[evidence.curves["benchmark"].isin(names)]
    rows = [i for i in evidence.find_sequences() if evidence.branches[i].label != SEVERE]
    by_set: dict[str, list[int]] = {}
    for i in sorted(rows, key=lambda i: evidence.branches[i].sft_step):
        by_set.setdefault(evidence.branches[i].dataset, []).append(i)
    ends = [(found[0], found[-1]) for found in by_set.values() if len(found) > 1]
    if not ends:
        raise MissingRunsError("RL from an early and a late checkpoint of one SFT set")
    differences = []
    for early, late in ends:
        scores = [draw_elsewhere(evidence, elsewhere, i) for i in (early, late)]
        differences.append(scores[1] - scores[0])
    effect: FloatArray = np.mean(differences, axis=0)
    used = [i for pair in ends for i in pair]
    return SentenceOutcome(
        effect > 0, effect, "points out of distribution, latest start over earliest",
        list_names(evidence, used), evidence.count_seeds(used),
        note=f"on {', '.join(names)}",
    )  # fmt: skip


def draw_elsewhere(evidence: StudyEvidence, curves: pd.DataFrame, row: int) -> FloatArray:
    """Draws of a branch's best score on some benchmarks, averaged over them and seeds.

    With several seeds their scatter is in the draws, beside the sampling of problems.
    """
    points = select_points(curves, evidence.branches[row])
    points = points[points["rl_step"] > 0]
    if points.empty:
        raise MissingRunsError(
            f"scores out of distribution of {evidence.branches[row].name} during RL"
        )
    best, variances = {}, []
    for key, run in points.groupby(["benchmark", "seed"]):
        course = run.sort_values("rl_step")["score"].to_numpy(float)
        best[key] = float(compute_centred_median(course).max())
        n = float(run["n_problems"].iloc[0])
        share = (best[key] / 100 * n + 0.5) / (n + 1)
        variances.append(float(compute_binomial_error(share, n)) ** 2)
    by_seed = pd.Series(best).groupby(level=1).mean()
    variance = np.mean(variances) / points["benchmark"].nunique()
    if len(by_seed) > 1:
        variance += by_seed.var(ddof=1) / len(by_seed)
    noise = evidence.rng.standard_normal(evidence.n_draws)
    return np.asarray(by_seed.mean() + np.sqrt(variance) * noise, dtype=np.float64)
