"""The runs of a training study that stand where the paper's do: by model, title and checkpoint."""

from dataclasses import dataclass

import pandas as pd

from retu.audit.claims.ledger import Claim
from retu.audit.study_claims.study_evidence import MissingRunsError, StudyEvidence
from retu.core.text import squash_text
from retu.reporting.aggregate import find_top_row, select_achieved_points
from retu.reporting.best_scores import keep_highest_points
from retu.reporting.published_values import find_nearest_compute
from retu.reporting.tidy_files import NO_DATASET, OVERALL, PURE_RL, PURE_SFT, SFT_THEN_RL

RL_STEPS = 200
"""Within so many steps of RL the scores of Table 1 were reached."""
MAIN_RECIPE = "dapo_dc"


@dataclass(frozen=True)
class OwnRuns:
    """The runs of one model: what its sentences are judged on, and its rows of subphases.csv."""

    evidence: StudyEvidence
    subphases: pd.DataFrame

    def find_dataset(self, title: str) -> str | None:
        """The set of that title on which the model was trained; `none` stays; None without one."""
        if title in (NO_DATASET, ""):
            return NO_DATASET
        trained = set(self.evidence.curves["dataset"])
        titles = self.evidence.job.titles
        return next((n for n, held in titles.items() if held == title and n in trained), None)

    def select_starts(self, dataset: str, sft_step: int, benchmark: str = OVERALL) -> pd.DataFrame:
        """The scores of a checkpoint before RL, one row a seed; of the base model its one score.

        Raises:
            MissingRunsError: nobody scored it.
        """
        curves = self.evidence.curves
        rows = curves[(curves["benchmark"] == benchmark) & (curves["sft_step"] == sft_step)]
        rows = rows[rows["rl_step"] == 0]
        if sft_step:
            rows = rows[rows["dataset"] == dataset]
        if rows.empty:
            what = f"SFT on {dataset} at step {sft_step}" if sft_step else "the base model"
            on = "" if benchmark == OVERALL else f" on {benchmark}"
            raise MissingRunsError(f"a score of {what}{on}")
        return rows.drop_duplicates("seed") if sft_step else rows.head(1)

    def find_step(self, dataset: str, claim: Claim) -> int:
        """The SFT step of a claim: the printed one, or the nearest in compute within 2%.

        Raises:
            MissingRunsError: the run has no such checkpoint.
        """
        curves = self.evidence.curves
        rows = curves[(curves["dataset"] == dataset) & (curves["rl_step"] == 0)]
        if claim.sft_step is not None and (claim.sft_step in set(rows["sft_step"])):
            return claim.sft_step
        if not claim.sft_step and claim.dataset in (NO_DATASET, ""):
            return 0
        printed = (claim.cells or {}).get("x_sft_eflops")
        told = [f"step {claim.sft_step}"] if claim.sft_step is not None else []
        if printed:
            found = find_nearest_compute(
                rows.groupby("sft_step")["x_sft_eflops"].mean(), float(printed)
            )
            if found is not None:
                return found
            told.append(f"{printed} EFLOPs (within 2%)")
        if claim.sft_step == 0:
            return 0
        raise MissingRunsError(f"a checkpoint of {dataset} at {' or '.join(told)}")


def name_paradigm(paradigm: str, recipe: str) -> str:
    """What curves.csv calls a row of Table 1: DAPO_dc is RL as such, others go by their title."""
    if recipe in ("", "-"):
        return paradigm
    if squash_text(recipe) == squash_text(MAIN_RECIPE):
        return SFT_THEN_RL if paradigm == SFT_THEN_RL else PURE_RL
    return f"SFT-then-{recipe}" if paradigm == SFT_THEN_RL else recipe


def select_highest(
    runs: OwnRuns,
    paradigm: str,
    dataset: str,
    sft_step: int | None = None,
    limit: int | None = None,
    benchmark: str = OVERALL,
) -> pd.DataFrame:
    """The highest point of each seed, of the checkpoint and recipe where their mean is highest.

    Args:
        sft_step: the checkpoint; None: any.
        limit: scores within so many RL steps count; None: all.

    Raises:
        MissingRunsError: no such run, or RL that ends before the limit.
    """
    curves = runs.evidence.curves
    rows = curves[(curves["paradigm"] == paradigm) & (curves["dataset"] == dataset)]
    rows = select_achieved_points(rows[rows["benchmark"] == benchmark])
    rows = rows[(rows["paradigm"] != PURE_SFT) | (rows["sft_step"] > 0)]
    if sft_step is not None:
        rows = rows[rows["sft_step"] == sft_step]
    of = paradigm if dataset == NO_DATASET else f"{paradigm} from {dataset}"
    of += "" if sft_step is None else f" step {sft_step}"
    if rows.empty:
        raise MissingRunsError(of if benchmark == OVERALL else f"{of} scored on {benchmark}")
    if limit is not None and paradigm != PURE_SFT:
        if rows["rl_step"].max() < limit:
            raise MissingRunsError(
                f"{of} for {limit} steps of RL; it ends at {rows['rl_step'].max()}"
            )
        rows = rows[rows["rl_step"] <= limit]
    best = [keep_highest_points(part) for _, part in rows.groupby(["recipe", "sft_step"])]
    means = pd.DataFrame({"place": range(len(best)), "score": [b["score"].mean() for b in best]})
    return best[int(find_top_row(means, "score")["place"])]
