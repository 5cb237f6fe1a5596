"""The paper's sentences on a training study: its data sets stand for those whose title they have.

The tests are those of the released curves (`retu/audit/claims/statements.py`).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from retu.audit.claims.evidence import BranchKey, Evidence
from retu.audit.claims.ledger import Claim
from retu.audit.claims.statements import (
    PURE_RL_BRANCH,
    STATEMENT_TESTS,
    StatementSetting,
    find_deciding_branches,
)
from retu.audit.study_claims.pooled_draws import CEILING, MEASURES, START
from retu.audit.study_claims.sentence_margins import (
    ALLOWED_MILD,
    MARGIN_WORDS,
    SENTENCE_MARGINS,
    split_by_label,
)
from retu.audit.study_claims.sentence_outcome import SentenceOutcome
from retu.audit.study_claims.study_evidence import MissingRunsError, StudyEvidence
from retu.config.protocols import ROBUST
from retu.core.arrays import FloatArray
from retu.labeling.subphases import MILD, SEVERE, STABLE
from retu.reporting.tidy_files import IDENTIFIED, NO_DATASET

ABOUT_ANY_SETS = (
    *("sequential_beats_single", "switch_stable_or_first_mild", "switch_stable_or_mild"),
    *("loss_anticorrelates", "loss_ranks_exactly"),
)
"""Tests of sentences about all SFT sets: those of a study are asked, whatever their titles."""
LEAST_SETS = {"loss_anticorrelates": 3, "loss_ranks_exactly": 3}


def ask_sentence(claim: Claim, evidence: StudyEvidence, measure: str) -> SentenceOutcome:
    """Test a headline sentence by one measure.

    Raises:
        MissingRunsError: the study has no such sets, branches or labels.
    """
    rows = evidence.find_sequences()
    names = choose_sets(claim, evidence, rows)
    pure = find_pure_rl(evidence, rows) if claim.test == "sequential_beats_single" else None
    used = [*rows, *([] if pure is None else [pure])]
    setting = StatementSetting(gather_evidence(evidence, used, pure), label_starts(evidence, rows),
                               tuple(names))  # fmt: skip
    kept = keep_contrasts(claim, setting)
    setting = StatementSetting(setting.evidence, setting.labels, kept)
    values = setting.evidence.draws[measure]
    asked = Claim(**{**claim.__dict__, "datasets": kept})
    deciding = find_deciding_branches(asked, setting)
    compared = [i for i in used if i == pure or not kept or evidence.branches[i].dataset in kept]
    left_out = [name for name in names if name not in kept]
    notes = [f"no branch to compare with in {', '.join(left_out)}"] if left_out and kept else []
    return SentenceOutcome(
        holds=STATEMENT_TESTS[claim.test](values, setting),
        effect=SENTENCE_MARGINS[claim.test](values, setting),
        what=MARGIN_WORDS[claim.test],
        branches=tuple(evidence.branches[i].name for i in compared),
        n_seeds=evidence.count_seeds(compared),
        unknown=explain_ceilings(setting.evidence, deciding) if measure == CEILING else "",
        note="; ".join(notes),
    )


def choose_sets(claim: Claim, evidence: StudyEvidence, rows: Sequence[int]) -> list[str]:
    """The study's data sets that a sentence is asked about, in the sentence's order."""
    present = list(dict.fromkeys(evidence.branches[i].dataset for i in rows))
    if claim.test in ABOUT_ANY_SETS:
        listed = [name for name in evidence.job.titles if name in present]
        least = LEAST_SETS.get(claim.test, 1)
        if len(listed) < least:
            raise MissingRunsError(f"RL from {least} SFT sets or more, not {len(listed)}")
        return listed
    found = []
    for wanted in claim.datasets:
        named = [n for n, title in evidence.job.titles.items() if title.lower() == wanted.lower()]
        with_rl = [name for name in named if name in present]
        if not with_rl:
            what = f"RL from {named[0]} ({wanted})" if named else f"a set titled {wanted}, with RL"
            raise MissingRunsError(what)
        found.append(with_rl[0])
    return found


def find_pure_rl(evidence: StudyEvidence, rows: Sequence[int]) -> int:
    """RL from the base model by the recipe of the branches after SFT."""
    recipe = evidence.branches[rows[0]].recipe
    found = evidence.find_branches(lambda b: b.dataset == NO_DATASET and b.recipe == recipe)
    if not found:
        raise MissingRunsError(f"RL from the base model by recipe {recipe}")
    return found[0]


def label_starts(evidence: StudyEvidence, rows: Sequence[int]) -> dict[BranchKey, str]:
    """The sub-phases of the checkpoints from which branches start."""
    return {
        (branch.dataset, branch.sft_step): branch.label
        for branch in (evidence.branches[i] for i in rows)
    }


def keep_contrasts(claim: Claim, setting: StatementSetting) -> tuple[str, ...]:
    """The data sets in which a sentence about labels can be true or false.

    Where all branches have the labels that it names, or none has, nothing was compared.
    """
    if claim.test in ALLOWED_MILD:
        first_mild = ALLOWED_MILD[claim.test]
        kept = tuple(n for n in setting.datasets if all(split_by_label(setting, n, first_mild)))
        if not kept:
            wanted = STABLE if first_mild == 0 else f"{STABLE} or {MILD}"
            raise MissingRunsError(
                f"an SFT set with RL from a {wanted} checkpoint and from another kind"
            )
        return kept
    if claim.test == "severe_is_lowest":
        name = setting.datasets[0]
        labels = [setting.labels.get(branch) for branch in setting.evidence.list_branches(name)]
        if SEVERE not in labels or set(labels) == {SEVERE}:
            raise MissingRunsError(f"RL from {name} at a {SEVERE} checkpoint and at another one")
    if claim.test in LEAST_SETS:
        measured = {dataset for dataset, _ in setting.evidence.subphases}
        if bare := [name for name in setting.datasets if name not in measured]:
            raise MissingRunsError(f"validation losses of {', '.join(bare)}")
    return setting.datasets


def explain_ceilings(evidence: Evidence, deciding: Sequence[BranchKey]) -> str:
    """How many of the ceilings that decide are not known; empty if all are."""
    known = [branch for branch in deciding if evidence.is_identified(branch)]
    if len(known) == len(deciding):
        return ""
    return f"{len(known)} of the {len(deciding)} deciding ceilings identified"


def gather_evidence(evidence: StudyEvidence, rows: Sequence[int], pure: int | None) -> Evidence:
    """Branches in the form in which the tests of the released curves take them."""
    keys: list[BranchKey] = [
        PURE_RL_BRANCH
        if i == pure
        else (evidence.branches[i].dataset, evidence.branches[i].sft_step)
        for i in rows
    ]
    fits: dict[BranchKey, dict[str, object]] = {
        key: {
            "a_post": float(np.median(evidence.draws[CEILING][i])),
            "verdict": IDENTIFIED if evidence.branches[i].identified else "not identified",
            "reason": "",
        }
        for key, i in zip(keys, rows, strict=True)
    }
    scored = [point.score for point in evidence.points.values() if np.isfinite(point.score)]
    draws: dict[str, FloatArray] = {
        name: evidence.draws[name][list(rows)] for name in (*MEASURES, START)
    }
    return Evidence(
        model=evidence.model,
        sft=pd.DataFrame({"score": scored}),
        starts={},
        points={},
        subphases={
            key: {"subphase": point.label, "min_val_loss": point.min_val_loss}
            for key, point in evidence.points.items()
            if np.isfinite(point.min_val_loss)
        },
        fits={ROBUST: fits},
        branches=keys,
        draws=draws,
        settings={},
    )
