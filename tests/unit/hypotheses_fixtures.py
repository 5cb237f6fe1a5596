"""Made studies of several replicates, in which every run's score is what a test says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from retu.audit.hypotheses.contrasts import CONTRASTS
from retu.audit.hypotheses.graded_runs import GradedRun
from retu.audit.hypotheses.judge_hypotheses import judge_hypotheses
from retu.audit.hypotheses.problem_draws import draw_problems
from retu.audit.hypotheses.registered import Hypothesis
from retu.audit.hypotheses.replicates import Replicate, gather_replicates, replace_by_ceilings
from retu.config.hypotheses import HypothesesSettings
from retu.core.run_paths import NO_DATASET, Run

REPLICATES = ("LabSeed0", "LabSeed1", "LabSeed2", "LabSeed3", "LabSeed4")
LABELS = {10: "Adaptation", 20: "Stable", 30: "Mild Overfitting", 40: "Severe Overfitting"}
LOSSES = {10: 1.2, 20: 1.0, 30: 1.05, 40: 1.3}  # times that of the set
SETS = {"LabFull": 0.2, "LabHard": 0.3, "LabEasy": 0.4, "LabSmall": 0.5}  # minimum loss
BENCHMARKS = {"Chain1": 30, "Chain2": 50}
SETTINGS = HypothesesSettings(
    protocol="test-1",
    replicates=list(REPLICATES),
    recipe="dapo_dc",
    mixed=["luffy", "srft"],
    sizes=["LabSmall", "LabFull"],
    difficulties=["LabEasy", "LabHard"],
    switch_sets=["LabFull", "LabSmall"],
    last_evaluations=2,
)
ALIKE = 60.0  # points of a run of which nothing is said
Level = Callable[[Run], float]
Row = dict[Any, Any]


def score_alike(run: Run) -> float:
    """Every run ends alike."""
    return ALIKE


@dataclass
class MadeStudy:
    """What a made study has.

    Attributes:
        level: final score of a run, points.
        scatter: standard deviation between runs, points, each with a seed of its own.
        interaction: standard deviation of what problems do to single recipes, share of right
            answers, alike in all replicates.
        replicates: that have runs; without: those of runs that are not there.
        samples: of each problem of Chain2.
    """

    level: Level = score_alike
    scatter: float = 0.5
    interaction: float = 0.0
    replicates: Sequence[str] = REPLICATES
    without: Callable[[Run], bool] = lambda run: False
    samples: int = 1
    settings: HypothesesSettings = SETTINGS
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))

    def list_runs(self) -> list[Run]:
        """Its runs."""
        runs = []
        for name in self.replicates:
            for dataset in SETS:
                runs.append(Run("sft", name, dataset))
                runs += [Run("rl", name, dataset, step, "dapo_dc") for step in LABELS]
            for recipe in ("dapo_dc", "luffy", "srft"):
                runs.append(Run("rl", name, NO_DATASET, 0, recipe))
        return [run for run in runs if not self.without(run)]

    def grade_runs(self) -> list[GradedRun]:
        """The runs as graded."""
        index = pd.MultiIndex.from_tuples(
            [(name, f"p{i:02d}") for name, n in BENCHMARKS.items() for i in range(n)],
            names=["benchmark", "problem_id"],
        )
        samples = pd.Series(
            np.where(index.get_level_values(0) == "Chain2", self.samples, 1), index=index
        )
        favours: dict[tuple[str, str, int], np.ndarray] = {}
        return [self.grade_run(run, index, samples, favours) for run in self.list_runs()]

    def grade_run(
        self,
        run: Run,
        index: pd.MultiIndex,
        samples: pd.Series,
        favours: dict[tuple[str, str, int], np.ndarray],
    ) -> GradedRun:
        """One run: SFT at its checkpoints, RL at four evaluations."""
        steps = list(LABELS) if run.kind == "sft" else [1, 2, 3, 4]
        key = run.dataset, run.recipe, run.sft_step
        if key not in favours:
            drawn = self.rng.normal(0, 1, len(index)) * self.interaction
            # Nothing on the whole of a benchmark: the score stays what it was said to be.
            favours[key] = drawn - pd.Series(drawn, index=index).groupby(level=0).transform("mean")
        level = (self.level(run) + self.rng.normal(0, self.scatter)) / 100
        shares = pd.DataFrame({step: level + np.asarray(favours[key]) for step in steps}, index)
        return GradedRun(run, shares, (shares > 0.5).astype(int), samples)

    def label_checkpoints(self) -> pd.DataFrame:
        """subphases.csv."""
        return pd.DataFrame(
            {"model": name, "dataset": dataset, "seed": 0, "sft_step": step, "subphase": label,
             "val_loss": LOSSES[step] * loss, "min_val_loss": loss}
            for name in self.replicates for dataset, loss in SETS.items()
            for step, label in LABELS.items()
        )  # fmt: skip

    def gather(self) -> list[Replicate]:
        """Its replicates."""
        graded = self.grade_runs()
        draws = draw_problems(graded[0].problems, self.settings.average_over, n_draws=300)
        return gather_replicates(graded, self.label_checkpoints(), draws, self.settings)

    def tabulate(self, fits: pd.DataFrame | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
        """All hypotheses, and the replicates' rows."""
        replicates = self.gather()
        empty = pd.DataFrame(columns=["model", "dataset", "sft_step", "recipe", "seed", "a_post"])
        ceilings = replace_by_ceilings(replicates, empty if fits is None else fits)
        return judge_hypotheses(
            make_hypotheses(), replicates, ceilings, self.settings, {"more_data": "rows: 1, 2"}
        )

    def judge(self, fits: pd.DataFrame | None = None) -> tuple[dict[str, Row], pd.DataFrame]:
        """The rows of hypotheses by contrast, and the replicates' rows."""
        table, detail = self.tabulate(fits)
        return {str(row["contrast"]): row for row in table.to_dict("records")}, detail


def make_hypotheses() -> list[Hypothesis]:
    """One for every contrast."""
    return [
        Hypothesis(
            id=f"H{i}", hypothesis=f"about {name}", place="Section 6.1", prediction="above 0",
            contrast=name, against="below 0",
            unit="rank correlation" if name == "loss_predicts" else "points",
        )
        for i, name in enumerate(CONTRASTS, start=1)
    ]  # fmt: skip
