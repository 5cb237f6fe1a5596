"""A study's own value for a printed number, by what the number is (`QUESTIONS`)."""

from collections.abc import Callable

import pandas as pd

from retu.audit.claims.ledger import Claim
from retu.audit.study_claims.own_runs import (
    RL_STEPS,
    OwnRuns,
    name_paradigm,
    select_highest,
)
from retu.audit.study_claims.own_values import (
    OwnValue,
    find_branch,
    measure_ceiling,
    measure_gain,
    measure_loss,
    measure_score,
    subtract_values,
)
from retu.audit.study_claims.study_evidence import MissingRunsError
from retu.core.text import squash_text
from retu.evaluation.scores import list_out_of_distribution
from retu.reporting.best_scores import BASE
from retu.reporting.published_values import COMPUTE_TOLERANCE
from retu.reporting.tidy_files import NO_DATASET, PURE_RL, SFT_THEN_RL

FIGURE_4 = "figure_4"


def ask_start(claim: Claim, runs: OwnRuns, dataset: str) -> OwnValue:
    """P_sft: the score of the checkpoint."""
    step = runs.find_step(dataset, claim)
    return measure_score(runs.select_starts(dataset, step), name_start(dataset, step))


def name_start(dataset: str, step: int) -> str:
    """How a checkpoint is called."""
    return f"SFT on {dataset} step {step}" if step else "base model"


def find_start(claim: Claim, runs: OwnRuns, dataset: str) -> int:
    """The RL branch from the checkpoint of a claim, from the base model at step 0."""
    step = runs.find_step(dataset, claim)
    if not step:
        return find_branch(runs.evidence, PURE_RL, NO_DATASET, 0)
    return find_branch(runs.evidence, SFT_THEN_RL, dataset, step)


def ask_ceiling(claim: Claim, runs: OwnRuns, dataset: str) -> OwnValue:
    """A_post of the branch from the checkpoint."""
    return measure_ceiling(runs.evidence, find_start(claim, runs, dataset))


def ask_gain(claim: Claim, runs: OwnRuns, dataset: str) -> OwnValue:
    """PL_rl of the branch from the checkpoint."""
    return measure_gain(runs.evidence, find_start(claim, runs, dataset))


def ask_highest_ceiling(claim: Claim, runs: OwnRuns, dataset: str) -> OwnValue:
    """A_post of the branch of a set that has the highest."""
    return measure_ceiling(runs.evidence, find_branch(runs.evidence, SFT_THEN_RL, dataset))


def ask_min_loss(claim: Claim, runs: OwnRuns, dataset: str) -> OwnValue:
    """The minimum of the SFT run's validation loss, seed by seed."""
    rows = select_losses(runs, dataset)
    return measure_loss(rows.groupby("seed")["min_val_loss"].min().tolist(), f"SFT on {dataset}")


def ask_loss(claim: Claim, runs: OwnRuns, dataset: str) -> OwnValue:
    """The validation loss of the checkpoint, seed by seed."""
    step = runs.find_step(dataset, claim)
    rows = select_losses(runs, dataset)
    rows = rows[rows["sft_step"] == step]
    if rows.empty:
        raise MissingRunsError(f"a validation loss of SFT on {dataset} at step {step}")
    return measure_loss(rows["val_loss"].tolist(), f"SFT on {dataset} step {step}")


def select_losses(runs: OwnRuns, dataset: str) -> pd.DataFrame:
    """The labels of a set whose loss is known."""
    rows = runs.subphases[runs.subphases["dataset"] == dataset].dropna(subset=["val_loss"])
    if rows.empty:
        raise MissingRunsError(f"validation losses of SFT on {dataset}")
    return rows


def ask_compute(claim: Claim, runs: OwnRuns, dataset: str) -> OwnValue:
    """SFT compute of the checkpoint, EFLOPs; it may differ as the lengths of drawn rows do."""
    step = runs.find_step(dataset, claim)
    if claim.sft_step and step != claim.sft_step:
        # A checkpoint that was found by its compute has that compute: nothing would be asked.
        raise MissingRunsError(f"a checkpoint of {dataset} at step {claim.sft_step}")
    rows = runs.select_starts(dataset, step)
    compute, off = float(rows["x_sft_eflops"].mean()), COMPUTE_TOLERANCE
    return OwnValue(
        compute, compute * (1 - off), compute * (1 + off), (name_start(dataset, step),),
        len(rows), note="the interval is 2% either way, for the lengths of other rows",
    )  # fmt: skip


def ask_highest_score(claim: Claim, runs: OwnRuns, dataset: str) -> OwnValue:
    """The highest score of a row of Table 1, or of RL in Figure 4."""
    if claim.id.startswith(FIGURE_4):
        rows = select_highest(
            runs, SFT_THEN_RL, dataset, claim.sft_step, benchmark=find_benchmark(claim, runs)
        )
        return measure_score(rows, f"{SFT_THEN_RL} from {dataset} step {claim.sft_step}")
    cells = claim.cells or {}
    if cells["paradigm"] == BASE:
        return measure_score(runs.select_starts(dataset, 0), "base model")
    paradigm = name_paradigm(cells["paradigm"], cells["recipe"])
    rows = select_highest(runs, paradigm, dataset, claim.sft_step, RL_STEPS)
    return measure_score(rows, f"{paradigm} from {name_start(dataset, rows['sft_step'].iloc[0])}")


def ask_switch_point(claim: Claim, runs: OwnRuns, dataset: str) -> OwnValue:
    """The checkpoint whose RL scores highest, unknown while the printed one may be as good."""
    cells = claim.cells or {}
    paradigm = name_paradigm(cells["paradigm"], cells["recipe"])
    curves = runs.evidence.curves
    own = curves[(curves["dataset"] == dataset) & (curves["paradigm"] == paradigm)]
    steps = {int(step) for step in own["sft_step"]}
    if len(steps) < 2 or claim.sft_step not in steps:
        raise MissingRunsError(f"RL from step {claim.sft_step} of {dataset} and from another step")
    best = select_highest(runs, paradigm, dataset, limit=RL_STEPS)
    printed = select_highest(runs, paradigm, dataset, claim.sft_step, RL_STEPS)
    step = int(best["sft_step"].iloc[0])
    names = [f"{paradigm} from {dataset} step {one}" for one in (step, claim.sft_step)]
    lead = subtract_values(measure_score(best, names[0]), measure_score(printed, names[1]))
    open_ = step != claim.sft_step and lead.low <= 0
    return OwnValue(
        step, step, step, lead.branches, lead.n_seeds,
        unknown=f"RL from step {claim.sft_step} is within noise of it" if open_ else "",
        note=f"of the steps {', '.join(map(str, sorted(steps)))}",
    )  # fmt: skip


def find_benchmark(claim: Claim, runs: OwnRuns) -> str:
    """The study's benchmark that a number of Figure 4 is about: ARC-C, or GPQA."""
    wanted = squash_text(claim.id.split(".")[1])
    for name in list_out_of_distribution(runs.evidence.curves):
        if squash_text(name).startswith(wanted):
            return name
    raise MissingRunsError(f"a benchmark {claim.id.split('.')[1]} with `out_of_distribution: true`")


def ask_score_elsewhere(claim: Claim, runs: OwnRuns, dataset: str) -> OwnValue:
    """The score of a checkpoint in Figure 4."""
    return measure_elsewhere(runs, dataset, claim.sft_step or 0, find_benchmark(claim, runs))


def ask_gain_elsewhere(claim: Claim, runs: OwnRuns, dataset: str) -> OwnValue:
    """What SFT gains over the base model in Figure 4."""
    benchmark, step = find_benchmark(claim, runs), claim.sft_step or 0
    after = measure_elsewhere(runs, dataset, step, benchmark)
    return subtract_values(after, measure_elsewhere(runs, dataset, 0, benchmark))


def measure_elsewhere(runs: OwnRuns, dataset: str, step: int, benchmark: str) -> OwnValue:
    """The score of a checkpoint on one benchmark."""
    return measure_score(runs.select_starts(dataset, step, benchmark), name_start(dataset, step))


Question = Callable[[Claim, OwnRuns, str], OwnValue]
QUESTIONS: dict[str, Question] = {
    "A_post": ask_ceiling,
    "PL_rl": ask_gain,
    "P_sft": ask_start,
    "gain": ask_gain_elsewhere,
    "highest_A_post": ask_highest_ceiling,
    "highest_score": ask_highest_score,
    "min_val_loss": ask_min_loss,
    "score": ask_score_elsewhere,
    "sft_step": ask_switch_point,
    "val_loss": ask_loss,
    "x_sft": ask_compute,
}
