"""Verdicts on printed numbers by the runs of a training study that has the paper's model."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from retu.audit.claims.granularity import get_half_unit, is_rounded_to
from retu.audit.claims.ledger import Claim, Ledger
from retu.audit.claims.studied_numbers import is_asked_of_studies
from retu.audit.study_claims.judge_study import (
    PROBLEMS_ONLY,
    STUDY_CLAIM_COLUMNS,
    WITH_SEEDS,
    StudyTables,
)
from retu.audit.study_claims.number_correlations import CORRELATIONS, ask_correlation
from retu.audit.study_claims.number_questions import QUESTIONS
from retu.audit.study_claims.own_runs import OwnRuns
from retu.audit.study_claims.own_values import OwnValue
from retu.audit.study_claims.sentence_outcome import (
    CANNOT_BE_ASKED,
    CONTRADICTS,
    SUPPORTS,
    UNDECIDED,
)
from retu.audit.study_claims.study_evidence import MissingRunsError, StudyEvidence
from retu.core.tables import round_to_six_digits
from retu.core.text import squash_text
from retu.scaling.sampling_noise import Z, compute_binomial_error

LOSSES = ("min_val_loss", "val_loss")
WIDEST = {**dict.fromkeys(LOSSES, 0.05), **dict.fromkeys(CORRELATIONS, 0.5)}
"""The widest interval that can support a number; what is not named is in points."""
WIDEST_POINTS = 4.0
EXACT_QUANTITIES = ("sft_step", "x_sft")
"""Their interval is no noise, so that no width makes them undecided."""
AT_LEAST = "above"
"""A note that begins so: the paper prints a lower bound."""


@dataclass(frozen=True)
class JudgedNumbers:
    """Verdicts on printed numbers.

    Attributes:
        table: a row a number, `STUDY_CLAIM_COLUMNS`.
        n_of_other_models: how many are of models that the study does not have.
        n_of_other_sets: how many more are of data sets that it has not trained on.
    """

    table: pd.DataFrame
    n_of_other_models: int
    n_of_other_sets: int


def judge_numbers(
    ledger: Ledger, evidences: Sequence[StudyEvidence], tables: StudyTables
) -> JudgedNumbers:
    """Judge the numbers of the paper whose model and data set the study has.

    A model is the paper's where both names have the same letters and digits, whatever their case;
    a data set where its title is the paper's name.
    """
    own = {squash_text(one.model): one for one in evidences}
    rows, others = [], {"model": 0, "dataset": 0}
    for claim in filter(is_asked_of_studies, ledger.claims.values()):
        evidence = own.get(squash_text(claim.model))
        if evidence is None:
            others["model"] += 1
            continue
        labels = tables.subphases[tables.subphases["model"] == evidence.model]
        runs = OwnRuns(evidence, labels)
        if runs.find_dataset(claim.dataset) is None:
            others["dataset"] += 1
            continue
        rows.append(describe_number(claim, evidence, ledger) | answer_number(claim, runs, ledger))
    table = pd.DataFrame(rows, columns=list(STUDY_CLAIM_COLUMNS))
    table = table.astype(dict.fromkeys(["n_seeds", "n_branches"], "Int64"))
    return JudgedNumbers(table, others["model"], others["dataset"])


def append_numbers(sentences: pd.DataFrame, numbers: JudgedNumbers) -> pd.DataFrame:
    """The rows of claims.csv: sentences first."""
    return pd.concat([sentences, numbers.table]) if len(numbers.table) else sentences


def describe_number(claim: Claim, evidence: StudyEvidence, ledger: Ledger) -> dict[str, object]:
    """The cells that say what is printed, and of which model."""
    return {
        **{"id": claim.id, "source": ledger.version, "place": claim.place, "tier": claim.tier},
        **{"quantity": claim.quantity, "published": claim.value, "unit": claim.unit},
        **{"model": evidence.model, "leads": True},
    }


def answer_number(claim: Claim, runs: OwnRuns, ledger: Ledger) -> dict[str, object]:
    """The cells with the study's own value and the verdict."""
    try:
        if claim.quantity in CORRELATIONS:
            own = ask_correlation(claim, runs, ledger)
        else:
            dataset = runs.find_dataset(claim.dataset)
            own = QUESTIONS[claim.quantity](claim, runs, str(dataset))
    except MissingRunsError as missing:
        return {"verdict": CANNOT_BE_ASKED, "why": f"needs {missing}"}
    verdict = judge_number(claim, own)
    width = explain_width(claim, own) if verdict == UNDECIDED else ""
    return {
        "verdict": verdict,
        "why": "; ".join(part for part in (own.unknown, width, own.note) if part),
        "ours": round_to_six_digits(own.value),
        "low": round_to_six_digits(own.low),
        "high": round_to_six_digits(own.high),
        "n_seeds": own.n_seeds,
        "interval_covers": WITH_SEEDS if own.n_seeds > 1 else PROBLEMS_ONLY,
        "n_branches": len(own.branches),
        "branches": "; ".join(own.branches),
    }


def judge_number(claim: Claim, own: OwnValue) -> str:
    """Supports, contradicts or undecided.

    The study's 90% interval is widened, in quadrature, by what the printed number, which is one
    run's, may be off itself: its binomial error where the ledger knows the problems, and the
    scatter of seeds where the study has several; and by half a unit of its last place. A number
    outside is contradicted; inside it is supported, unless the interval is too wide to say so.
    Without an interval a number can be confirmed and not contradicted.
    """
    if own.unknown:
        return UNDECIDED
    if not (np.isfinite(own.low) and np.isfinite(own.high)):
        return SUPPORTS if is_rounded_to(own.value, claim.value, claim.decimals) else UNDECIDED
    printed, half = float(claim.value), get_half_unit(claim.value, claim.decimals)
    extra = Z * float(np.hypot(compute_printed_error(claim), own.spread))
    low = own.value - float(np.hypot(own.value - own.low, extra)) - half
    high = own.value + float(np.hypot(own.high - own.value, extra)) + half
    if printed > high or (printed < low and not claim.note.startswith(AT_LEAST)):
        return CONTRADICTS
    return UNDECIDED if explain_width(claim, own) else SUPPORTS


def compute_printed_error(claim: Claim) -> float:
    """The binomial error of a printed score, points; 0 where its problems are not known."""
    if claim.counts is None:
        return 0.0
    n_problems = claim.counts.n_problems
    share = (float(claim.value) / 100 * n_problems + 0.5) / (n_problems + 1)
    return float(compute_binomial_error(share, n_problems))


def explain_width(claim: Claim, own: OwnValue) -> str:
    """That an interval is too wide to support a number; empty where it is not."""
    widest = WIDEST.get(claim.quantity, WIDEST_POINTS)
    if claim.quantity in EXACT_QUANTITIES or not own.high - own.low > widest:
        return ""
    return f"an interval wider than {widest:g} supports nothing"
