"""Made studies in which a sentence is right, wrong or open, as a gap in points says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from retu.audit.study_claims.judge_study import StudyTables
from retu.audit.study_claims.pooled_draws import DRAWN_COLUMNS
from retu.planning.claims_facts import PromptUse, StudyClaimsJob, TrainedSet

N_DRAWS = 200
NOISE = 0.5  # of a draw, points
N_PROBLEMS = 100_000  # so that SFT scores are known as well
RL_STEPS = np.arange(31)


@dataclass(frozen=True)
class MadeBranch:
    """An RL branch: what its draws lie around, and its course where a test looks at that."""

    dataset: str
    sft_step: int
    value: float
    paradigm: str = "SFT-then-RL"
    recipe: str = "dapo_dc"
    model: str = "tiny"
    seed: int = 0
    start: float = 30.0
    ceiling: float | None = None  # where it is not the value
    label: str = "Stable"
    verdict: str = "identified"
    c_mid: tuple[float, ...] = (1.0,)  # the draws in turn
    b: float = 2.0
    scatter: float = 1.0  # of the scores of the last third
    elsewhere: float | None = None  # score on a benchmark out of distribution
    benchmark: str = "Away"  # its name
    collapsed: bool = False
    quick: bool = False  # at its best at once

    @property
    def key(self) -> dict[str, Any]:
        """The columns that tell runs apart."""
        names = ("model", "dataset", "sft_step", "paradigm", "recipe", "seed")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class MadePoint:
    """An SFT checkpoint."""

    dataset: str
    step: int
    score: float
    val_loss: float = 0.5
    model: str = "tiny"
    label: str = "Stable"


@dataclass
class MadeStudy:
    """What a made study has; the rest of its job follows."""

    branches: list[MadeBranch]
    points: list[MadePoint] = field(default_factory=list)
    titles: Mapping[str, str] = field(default_factory=dict)
    trained: list[TrainedSet] = field(default_factory=list)
    alike: list[list[str]] = field(default_factory=list)
    drawn_alike: list[list[str]] = field(default_factory=list)
    rows: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[tuple[str, str, int], pd.DataFrame] = field(default_factory=dict)
    prompts_per_step: int = 1
    rl_step: int = 1  # steps of RL from point to point

    def make_job(self) -> StudyClaimsJob:
        """The facts of the study."""
        everything: list[MadeBranch | MadePoint] = [*self.branches, *self.points]
        sets = dict.fromkeys(one.dataset for one in everything if one.dataset != "none")
        use = PromptUse(prompts="prompts", prompts_per_step=self.prompts_per_step)
        return StudyClaimsJob(
            study="made",
            models=list(dict.fromkeys(one.model for one in everything)),
            titles={name: self.titles.get(name, name) for name in sets},
            trained=self.trained,
            prompts={"dapo_dc": use},
            alike=self.alike,
            drawn_alike=self.drawn_alike,
        )

    def make_tables(self) -> StudyTables:
        """Its tables, as they are read."""
        curves = [row for branch in self.branches for row in make_course(branch, self.rl_step)]
        curves += [
            {
                **{"model": one.model, "dataset": one.dataset, "sft_step": one.step, "seed": 0},
                **{"paradigm": "Pure SFT", "recipe": "", "benchmark": "overall", "rl_step": 0},
                **{"x_sft_eflops": one.step / 100, "x_rl_eflops": 0.0, "score": one.score},
                "n_problems": N_PROBLEMS,
            }
            for one in self.points
        ]
        labels = [
            {
                **{"model": one.model, "dataset": one.dataset, "sft_step": one.step, "seed": 0},
                **{"val_loss": one.val_loss, "min_val_loss": one.val_loss, "subphase": one.label},
            }
            for one in self.points
        ]
        columns = ["model", "dataset", "sft_step", "seed", "val_loss", "min_val_loss", "subphase"]
        rows = {"prompts": 100, **self.rows}
        return StudyTables(
            curves=pd.DataFrame(curves),
            subphases=pd.DataFrame(labels, columns=columns),
            fits=pd.DataFrame([make_fit(branch) for branch in self.branches]),
            draws=pd.concat([make_draws(i, branch) for i, branch in enumerate(self.branches)]),
            stats=pd.DataFrame({"dataset": list(rows), "rows": list(rows.values())}),
            counts=self.counts,
        )


def make_fit(branch: MadeBranch) -> dict[str, object]:
    """The row of a branch in the fits."""
    return {
        **branch.key,
        **{"collapsed": branch.collapsed, "verdict": branch.verdict, "subphase": branch.label},
        "x_end_eflops": 1.5 if branch.collapsed else 3.0,
        "a_post": branch.value if branch.ceiling is None else branch.ceiling,
    }


def make_draws(number: int, branch: MadeBranch) -> pd.DataFrame:
    """The draws of a branch, independent of those of others."""
    rng = np.random.default_rng(number)
    noise = NOISE * rng.standard_normal((len(DRAWN_COLUMNS), N_DRAWS))
    ceiling = branch.value if branch.ceiling is None else branch.ceiling
    middles = {
        **dict.fromkeys(DRAWN_COLUMNS, branch.value),
        **{"a_post": ceiling, "p_sft": branch.start},
    }
    columns = {name: middles[name] + noise[i] for i, name in enumerate(DRAWN_COLUMNS)}
    columns |= {"c_mid": np.resize(branch.c_mid, N_DRAWS), "b": np.full(N_DRAWS, branch.b)}
    return pd.DataFrame(columns).assign(draw=np.arange(N_DRAWS), **branch.key)


def make_course(branch: MadeBranch, rl_step: int = 1) -> list[dict[str, object]]:
    """Its points in curves.csv: a rise, then scatter around its value; 0.1 EFLOPs a step."""
    rng = np.random.default_rng(5)
    rise = np.minimum(RL_STEPS / (2 if branch.quick else 20), 1.0)
    scores = branch.start + (branch.value - branch.start) * rise
    scores[20:] += branch.scatter * rng.standard_normal(11)
    shared = {**branch.key, "x_sft_eflops": branch.sft_step / 100, "n_problems": N_PROBLEMS}
    rows = [
        {
            **shared,
            "benchmark": "overall",
            "rl_step": int(s) * rl_step,
            "x_rl_eflops": s / 10,
            "score": y,
        }
        for s, y in zip(RL_STEPS, scores, strict=True)
    ]
    if branch.elsewhere is None:
        return rows
    rows = [{**row, "out_of_distribution": False} for row in rows]
    away = {"benchmark": branch.benchmark, "out_of_distribution": True, "score": branch.elsewhere}
    return rows + [{**row, **away} for row in rows]


def make_counts(any_right: float, share: float, n: int = 200, k: int = 8) -> pd.DataFrame:
    """Right samples of `n` problems: so many have one, and so many samples are right in all."""
    solved = round(any_right * n)
    total = max(round(share * n * k), solved)
    right = np.zeros(n, dtype=int)
    right[:solved] = 1
    right[: (total - solved) // (k - 1)] = k
    return pd.DataFrame({"benchmark": "Deep", "problem_id": np.arange(n), "size": k, "sum": right})


def compare_mixed(gap: float) -> MadeStudy:
    """SFT-then-RL against two mixed methods."""
    return MadeStudy(
        [
            MadeBranch("A", 10, 60 + gap),
            MadeBranch("none", 0, 60, "LUFFY", "luffy"),
            MadeBranch("none", 0, 50, "SRFT", "srft"),
        ]
    )


def compare_sft(gap: float) -> MadeStudy:
    """The best SFT checkpoint against three mixed methods."""
    mixed = [MadeBranch("none", 0, 60, name, name.lower()) for name in ("LUFFY", "SRFT", "UPT")]
    return MadeStudy(mixed, [MadePoint("A", 10, 60 + gap), MadePoint("A", 5, 40)])


def scatter_mixed(gap: float) -> MadeStudy:
    """The scatter of a mixed method against that of DAPO_d."""
    scatter = {1: 9.0, 0: 1.0, -1: 0.05}[int(np.sign(gap))]
    return MadeStudy(
        [
            MadeBranch("none", 0, 50, "LUFFY", "luffy", scatter=scatter),
            MadeBranch("none", 0, 60, "DAPO_d", "dapo_d"),
        ]
    )


def compare_single(gap: float) -> MadeStudy:
    """SFT-then-DAPO_d against DAPO_d from the base model and SFT alone."""
    branches = [
        MadeBranch("A", 10, 60 + gap, "SFT-then-DAPO_d", "dapo_d"),
        MadeBranch("none", 0, 60, "DAPO_d", "dapo_d"),
    ]
    return MadeStudy(branches, [MadePoint("A", 10, 55)])


def order_models(gap: float) -> MadeStudy:
    """The same three sets for two models, in the same order, in the other or in one by chance."""
    values = {"A": 50.0, "B": 50 + 5.0, "C": 50 + 10.0}
    step = float(np.sign(gap))
    other = {name: 55 + step * (value - 55) for name, value in values.items()}
    if gap == 0:
        other = {**values, "B": values["C"]}
    return MadeStudy(
        [MadeBranch(name, 10, value) for name, value in values.items()]
        + [MadeBranch(name, 10, value, model="other") for name, value in other.items()]
    )


def compare_elsewhere(gap: float) -> MadeStudy:
    """An early and a late start, out of distribution."""
    late = MadeBranch("A", 90, 60, elsewhere=70 + gap)
    return MadeStudy([MadeBranch("A", 10, 60, elsewhere=70.0), late])


def rank_checkpoints(gap: float) -> tuple[list[MadeBranch], list[MadePoint]]:
    """Eight starts: losses tell the outcome (gap above 0), scores do (below), or both (0)."""
    outcome = np.linspace(40, 75, 8)
    by_loss, by_score = outcome * (1 if gap >= 0 else -1), outcome * (1 if gap <= 0 else -1)
    branches = [
        MadeBranch("A", i + 1, float(outcome[i]), start=float(by_score[i] / 2)) for i in range(8)
    ]
    points = [MadePoint("A", i + 1, 40, val_loss=float(2 - by_loss[i] / 100)) for i in range(8)]
    return branches, points


def predict_by_loss(gap: float) -> MadeStudy:
    """Losses against scores before RL."""
    return MadeStudy(*rank_checkpoints(gap))


def predict_by_pass_at_k(gap: float) -> MadeStudy:
    """pass@8 against pass@1 before RL."""
    branches, points = rank_checkpoints(gap)
    rising = np.linspace(0.3, 0.9, 8)
    any_right, share = rising[:: 1 if gap >= 0 else -1], rising[:: 1 if gap <= 0 else -1] / 3
    counts = {
        ("tiny", "A", i + 1): make_counts(float(any_right[i]), float(share[i])) for i in range(8)
    }
    return MadeStudy(branches, points, counts=counts)


def turn_round(gap: float) -> MadeStudy:
    """A stronger start that ends lower by a gap."""
    weak = MadeBranch("A", 10, 60 + gap, start=30.0)
    return MadeStudy([weak, MadeBranch("A", 20, 60, start=40.0)])


def repeat_half(gap: float) -> MadeStudy:
    """Two epochs of half a set against one of the whole."""
    return MadeStudy(
        [MadeBranch("Half", 10, 60 + gap), MadeBranch("Whole", 10, 60)],
        drawn_alike=[["Half", "Whole"]],
        rows={"Half": 160, "Whole": 320},
        trained=[TrainedSet(model="tiny", dataset=n, batch_size=32) for n in ("Half", "Whole")],
    )


def reduce_loss(gap: float) -> MadeStudy:
    """The same set trained with both reductions."""
    return MadeStudy(
        [MadeBranch("Token", 10, 60)],
        [MadePoint("Token", 10, 50 + gap), MadePoint("Row", 10, 50)],
        alike=[["Row", "Token"]],
        trained=[
            TrainedSet(model="tiny", dataset=name, batch_size=32, reduction=name.lower())
            for name in ("Token", "Row")
        ],
    )


def gain_early(gap: float) -> MadeStudy:
    """A rise before 40% of an epoch (1 EFLOP of 3), after it, or one that nobody knows."""
    mids = {1: (0.1,), 0: (0.1, 40.0), -1: (40.0,)}[int(np.sign(gap))]
    # 100 prompts: 40% of an epoch are 10 of the 30 steps.
    return MadeStudy([MadeBranch("A", 10, 60, c_mid=mids, b=3.0)], prompts_per_step=4)


SCENARIOS: dict[str, Callable[[float], MadeStudy]] = {
    "later_start_helps_elsewhere": compare_elsewhere,
    "loss_beats_score": predict_by_loss,
    "models_order_sets_alike": order_models,
    "most_gain_is_early": gain_early,
    "pass_at_k_beats_pass_at_1": predict_by_pass_at_k,
    "row_mean_deflates_sft": reduce_loss,
    "sequential_beats_single_mixed": compare_single,
    "sequential_beats_synchronised": compare_mixed,
    "sft_beats_most_synchronised": compare_sft,
    "stronger_start_ends_lower": turn_round,
    "synchronised_unstable": scatter_mixed,
    "two_epochs_of_half_beat_one": repeat_half,
}
"""By test: a study in which its sentence is right (gap 5), wrong (-5) or open (0)."""
