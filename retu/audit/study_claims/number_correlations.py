"""Correlations of minimum loss and outcome over the sets of a table, on a study's own runs."""

import numpy as np

from retu.audit.claims.ledger import Claim, Ledger
from retu.audit.study_claims.number_questions import ask_min_loss
from retu.audit.study_claims.own_runs import RL_STEPS, OwnRuns, select_highest
from retu.audit.study_claims.own_values import OwnValue, find_branch, measure_score
from retu.audit.study_claims.paradigm_tests import explain_unknown, list_names
from retu.audit.study_claims.pooled_draws import CEILING
from retu.audit.study_claims.predictor_tests import correlate_ranks
from retu.audit.study_claims.study_evidence import MissingRunsError
from retu.core.arrays import FloatArray
from retu.reporting.tidy_files import SFT_THEN_RL
from retu.scaling.draw_statistics import compute_central_interval, correlate_columns

PEARSON, SPEARMAN = "pearson_r", "spearman_rho"
CORRELATIONS = (PEARSON, SPEARMAN)
TABLE_1 = "table_1"
SAME_SETS = "over the same sets as printed; how it would move with others is in no interval"


def ask_correlation(claim: Claim, runs: OwnRuns, ledger: Ledger) -> OwnValue:
    """A correlation over all sets of the table that the printed one is computed from.

    Raises:
        MissingRunsError: the study lacks one of the sets, its losses or its RL.
    """
    losses = [c for c in ledger.select_claims("min_val_loss") if c.table == claim.of]
    titles = {c.dataset: runs.find_dataset(c.dataset) for c in losses}
    missing = [title for title, name in titles.items() if name is None]
    if missing:
        raise MissingRunsError(f"SFT sets titled {', '.join(missing)}")
    names = [name for name in titles.values() if name]
    x = np.array([ask_min_loss(claim, runs, name).value for name in names])
    y, branches, n_seeds, unknown = draw_outcomes(claim, runs, names)
    if claim.quantity == PEARSON:
        found = correlate_columns(x, y)
    else:
        found = correlate_ranks(np.repeat(x[:, None], y.shape[1], axis=1), y)
    low, high = compute_central_interval(found)
    return OwnValue(
        float(np.median(found)), low, high, branches, n_seeds, unknown=unknown, note=SAME_SETS
    )


def draw_outcomes(
    claim: Claim, runs: OwnRuns, names: list[str]
) -> tuple[FloatArray, tuple[str, ...], int, str]:
    """What RL comes to from each set: draws, shape (sets, draws), the runs, seeds, what is open.

    Ceilings are those of the branch that has a set's highest; table 1 has highest scores instead.
    """
    evidence = runs.evidence
    if claim.of != TABLE_1:
        tops = [find_branch(evidence, SFT_THEN_RL, name) for name in names]
        open_ = explain_unknown(evidence, CEILING, tops)
        seeds = evidence.count_seeds(tops)
        return evidence.draws[CEILING][tops], list_names(evidence, tops), seeds, open_
    best = [select_highest(runs, SFT_THEN_RL, name, limit=RL_STEPS) for name in names]
    values = [
        measure_score(rows, f"{SFT_THEN_RL} from {name} step {rows['sft_step'].iloc[0]}")
        for name, rows in zip(names, best, strict=True)
    ]
    noise = evidence.rng.standard_normal((len(values), evidence.n_draws))
    drawn = np.array([[one.value] for one in values])
    drawn = drawn + np.array([[one.error] for one in values]) * noise
    return drawn, tuple(n for v in values for n in v.branches), min(v.n_seeds for v in values), ""
