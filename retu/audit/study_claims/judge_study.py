"""A verdict on every sentence that a training study can be asked, with the numbers behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from retu.audit.claims.ledger import Claim
from retu.audit.study_claims.pooled_draws import BEST, CEILING, COMMON, MEASURES
from retu.audit.study_claims.sentence_outcome import CANNOT_BE_ASKED, SentenceOutcome
from retu.audit.study_claims.sentence_tests import ask_sentence
from retu.audit.study_claims.study_evidence import (
    Checkpoint,
    MissingRunsError,
    StudyEvidence,
    make_branches,
    make_points,
)
from retu.audit.study_claims.study_tests import (
    MEASURE_WORDS,
    OF_ONE_MEASURE,
    STUDY_TESTS,
    get_leading_measure,
)
from retu.core.tables import round_to_six_digits
from retu.evaluation.scores import list_out_of_distribution
from retu.planning.claims_facts import StudyClaimsJob

STUDY_CLAIM_COLUMNS = (
    *("id", "source", "place", "sentence", "tier", "test", "model", "leads", "verdict", "why"),
    *("quantity", "unit", "ours", "low", "high"),
    *("measure", "effect", "effect_low", "effect_high", "effect_is", "probability"),
    *("verdict_ceiling", "probability_ceiling", "verdict_common", "probability_common"),
    *("verdict_best", "probability_best", "n_seeds", "interval_covers", "n_branches", "branches"),
    "published",
)
MEASURE_COLUMNS = {CEILING: "ceiling", COMMON: "common", BEST: "best"}
PROBLEMS_ONLY = "problem sampling only; seed noise is unknown with one seed"
WITH_SEEDS = "problem sampling and the scatter of seeds"


@dataclass(frozen=True)
class StudyTables:
    """What the rules before wrote.

    Attributes:
        curves, subphases, fits, draws, stats: curves.csv and so on, of all models; fits and draws
            of one protocol.
        counts: by model, data set and step the problems of a checkpoint: columns benchmark,
            problem_id, size (samples), sum (right ones), of the first seed.
    """

    curves: pd.DataFrame
    subphases: pd.DataFrame
    fits: pd.DataFrame
    draws: pd.DataFrame
    stats: pd.DataFrame
    counts: Mapping[tuple[str, str, int], pd.DataFrame]


def gather_study(tables: StudyTables, job: StudyClaimsJob) -> list[StudyEvidence]:
    """The evidence of every model that has curves, in the study's order."""
    rows = {
        str(name): int(count)
        for name, count in zip(tables.stats["dataset"], tables.stats["rows"], strict=True)
    }
    found = []
    for model in job.models:
        curves, subphases, fits, draws = (
            frame[frame["model"] == model]
            for frame in (tables.curves, tables.subphases, tables.fits, tables.draws)
        )
        if curves.empty:
            continue
        rng = np.random.default_rng(0)
        branches, pooled = make_branches(fits, draws, rng)
        elsewhere = list_out_of_distribution(curves)
        counts: dict[Checkpoint, pd.DataFrame] = {
            (dataset, step): frame[~frame["benchmark"].isin(elsewhere)]
            for (owner, dataset, step), frame in tables.counts.items()
            if owner == model
        }
        points = make_points(curves, subphases)
        found.append(
            StudyEvidence(model, job, branches, pooled, points, curves, fits, counts, rows, rng)
        )
    return found


def judge_study(
    claims: Sequence[Claim], evidences: Sequence[StudyEvidence], version: str
) -> pd.DataFrame:
    """One row a sentence and model that has the runs, `STUDY_CLAIM_COLUMNS`; `leads` marks the
    first model's. A sentence that no model can be asked has one row, with the reason in `why`.

    Args:
        claims: headline sentences of the paper, and those of others with their `source`.
        evidences: of the study's models, the first leads.
        version: arXiv id of the paper, the source where a claim has none.
    """
    rows: list[dict[str, object]] = []
    for claim in claims:
        answered, reasons = [], []
        for evidence in evidences:
            others = [one for one in evidences if one is not evidence]
            try:
                answered.append(answer_sentence(claim, evidence, others))
            except MissingRunsError as missing:
                reasons.append(str(missing))
        about = describe_sentence(claim, version)
        if not answered:
            why = f"needs {reasons[0]}" if reasons else "needs scores of a model"
            rows.append({**about, "leads": True, "verdict": CANNOT_BE_ASKED, "why": why})
        rows += [{**about, **row, "leads": i == 0} for i, row in enumerate(answered)]
    table = pd.DataFrame(rows, columns=list(STUDY_CLAIM_COLUMNS))
    return table.astype(dict.fromkeys(["n_seeds", "n_branches"], "Int64"))


def describe_sentence(claim: Claim, version: str) -> dict[str, object]:
    """The cells that say what is asked."""
    return {
        "id": claim.id,
        "source": claim.source or version,
        "place": claim.place,
        "sentence": claim.sentence,
        "tier": claim.tier,
        "test": claim.study_test or claim.test,
        "quantity": claim.quantity,
        "published": claim.note if claim.source else "",
    }


def ask_claim(
    claim: Claim, evidence: StudyEvidence, others: Sequence[StudyEvidence], measure: str
) -> SentenceOutcome:
    """Test a sentence by one measure; MissingRunsError where the study has not the runs."""
    if not evidence.branches and claim.study_test != "row_mean_deflates_sft":
        raise MissingRunsError("RL branches with fits")
    if claim.test == "none" and not claim.study_test:
        raise MissingRunsError("a test; claims/statements.yaml names none")
    if claim.study_test:
        return STUDY_TESTS[claim.study_test](evidence, others, measure)
    return ask_sentence(claim, evidence, measure)


def answer_sentence(
    claim: Claim, evidence: StudyEvidence, others: Sequence[StudyEvidence]
) -> dict[str, object]:
    """The cells with the verdict of one model.

    Raises:
        MissingRunsError: it has not the runs.
    """
    test = claim.study_test or claim.test
    leading = get_leading_measure(test)
    asked = (leading,) if test in OF_ONE_MEASURE else MEASURES
    outcomes = {name: ask_claim(claim, evidence, others, name) for name in asked}
    outcome = outcomes[leading]
    cells: dict[str, object] = {}
    for name, one in outcomes.items() if len(outcomes) > 1 else ():
        cells[f"verdict_{MEASURE_COLUMNS[name]}"] = one.verdict
        cells[f"probability_{MEASURE_COLUMNS[name]}"] = round_to_six_digits(one.probability)
    low, high = outcome.interval
    middle = float(np.median(outcome.effect)) if np.isfinite(low) else float("nan")
    covers = WITH_SEEDS if outcome.n_seeds > 1 else PROBLEMS_ONLY
    return {
        **cells,
        "model": evidence.model,
        "verdict": outcome.verdict,
        "why": "; ".join(part for part in (outcome.unknown, outcome.note) if part),
        "measure": "" if test in OF_ONE_MEASURE else MEASURE_WORDS[leading],
        "effect": round_to_six_digits(middle),
        "effect_low": round_to_six_digits(low),
        "effect_high": round_to_six_digits(high),
        "effect_is": outcome.what,
        "probability": round_to_six_digits(outcome.probability),
        "n_seeds": outcome.n_seeds,
        "interval_covers": f"{covers}; {outcome.covers}" if outcome.covers else covers,
        "n_branches": len(outcome.branches),
        "branches": "; ".join(outcome.branches),
    }
