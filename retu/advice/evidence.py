"""What is known of the checkpoints that an advice is about: from a study, or from curves alone."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from retu.advice.candidates import POOL_KEY, Candidate, make_candidate, read_candidates
from retu.advice.loss_table import join_losses, read_losses
from retu.core.errors import InputError, advise_making
from retu.core.run_paths import NO_DATASET, Run, name_checkpoint
from retu.core.tables import read_table
from retu.evaluation.curve_table import CURVE_COLUMNS
from retu.evaluation.scores import CUT_LIMIT, OVERALL, list_out_of_distribution
from retu.evaluation.statistics import compute_pass_at_k
from retu.scaling.logged_branches import make_logged_branches
from retu.scaling.measured_branches import MeasuredBranch

NAN = float("nan")
CURVES_NEEDED = tuple(name for name in CURVE_COLUMNS if name != "cut_share")
"""Older tables do not know how many answers were cut."""
SUBPHASE_COLUMNS = (*POOL_KEY, "dataset", "sft_step", "val_loss", "subphase", "margin_stable")


@dataclass(frozen=True)
class PassAtK:
    """pass@k of a checkpoint over the problems that have so many samples, percent."""

    k: int
    percent: float


@dataclass(frozen=True)
class Evidence:
    """All that is known of the checkpoints of one pool.

    Attributes:
        title: what the pool is called.
        unit: of compute: EFLOPs, or steps.
        candidates: the checkpoints, each with its RL curve if it has one.
        pass_at_k: of the checkpoints whose generations are stored, by name.
        fits: rows of fits.csv of its branches, by name; those that are missing are fitted.
        notes: what was assumed on reading.
        make_labels: what to do about missing labels.
        is_study: whether a study made them, so that RL steps are known and rungs can be run.
        sft_of: the model and the seed whose SFT runs it shares with pools of other recipes.
    """

    title: str
    unit: str
    candidates: tuple[Candidate, ...]
    pass_at_k: dict[str, PassAtK] = field(default_factory=dict)
    fits: dict[str, dict[str, object]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    make_labels: str = ""
    is_study: bool = False
    sft_of: str = ""


def read_study_evidence(study: str, root: Path, relative: str) -> list[Evidence]:
    """The pools of a finished or partial study: model, seed and RL recipe each.

    Args:
        study: its name.
        root: the folder that holds `relative`.
        relative: results/STUDY, as errors name it.

    Raises:
        InputError: the study has no curves and no labels, or a table is wrong.
    """
    folder = root / relative
    curves = read_if_there(folder / "curves.csv", CURVES_NEEDED)
    labels = read_if_there(folder / "subphases.csv", SUBPHASE_COLUMNS)
    advised = advise_making(Path(relative) / "curves.csv")
    if curves.empty and labels.empty:
        raise InputError(f"study {study}: no results yet; {advised}")
    make_labels = advise_making(Path(relative) / "subphases.csv")
    fits = read_if_there(folder / "fits" / "robust.csv")
    pools = gather_study_evidence(folder, curves, labels, fits, make_labels)
    if not pools:
        raise InputError(f"study {study}: no SFT checkpoint has been evaluated; {advised}")
    return pools


def read_if_there(path: Path, columns: Sequence[str] = ()) -> pd.DataFrame:
    """A table of a study, without rows if it has not been made yet."""
    if not path.exists():
        return pd.DataFrame(columns=list(columns))
    return read_table(path, columns)


def gather_study_evidence(
    folder: Path,
    curves: pd.DataFrame,
    labels: pd.DataFrame,
    fits: pd.DataFrame,
    make_labels: str = "",
) -> list[Evidence]:
    """The pools of a study that have a checkpoint.

    Args:
        folder: of its results, whose grades of SFT runs say pass@k as far as they are there.
        curves, labels, fits: rows of curves.csv, subphases.csv and of the fits of one protocol.
        make_labels: what to do about labels that are missing.
    """
    pools, apart = [], list_out_of_distribution(curves)
    for key in sorted({*map(tuple, curves[POOL_KEY].values), *map(tuple, labels[POOL_KEY].values)}):
        mine = curves[(curves[POOL_KEY] == [*key]).all(axis=1)]
        own = labels[(labels[POOL_KEY] == [*key]).all(axis=1)]
        rl = mine[(mine["paradigm"] != "Pure SFT") & (mine["dataset"] != NO_DATASET)]
        for recipe in sorted(rl["recipe"].dropna().unique()) or [None]:
            rows = mine[(mine["paradigm"] == "Pure SFT") | (mine["recipe"] == recipe)]
            pool = read_pool(rows[rows["dataset"] != NO_DATASET], own)
            if pool:
                facts = dict(zip(POOL_KEY, key, strict=True))
                known = gather_pool_evidence(folder, facts, recipe, pool, fits, make_labels, apart)
                pools.append(replace(known, notes=tuple(note_cut_answers(rows))))
    return pools


def note_cut_answers(curves: pd.DataFrame) -> list[str]:
    """A note if the token limit cut too many answers of a point; none where that is not known."""
    if "cut_share" not in curves:
        return []
    known = curves[curves["benchmark"] == OVERALL].dropna(subset=["cut_share"])
    if known.empty:
        return []
    worst = known.sort_values("cut_share", ascending=False, kind="stable").iloc[0]
    share = float(worst["cut_share"])
    if share <= CUT_LIMIT:
        return []
    place = name_checkpoint(worst["dataset"], worst["sft_step"])
    return [
        f"{share:.1%} of the answers at {place}, RL step {worst['rl_step']}, were cut at the"
        " token limit: such scores are lower bounds, raise max_new_tokens"
    ]


def gather_pool_evidence(
    folder: Path,
    facts: dict[str, object],
    recipe: str | None,
    pool: list[Candidate],
    fits: pd.DataFrame,
    make_labels: str,
    apart: Collection[str],
) -> Evidence:
    """What is known of a pool: its candidates, their pass@k and the fits of their branches.

    The benchmarks `apart` are out of distribution and do not count.
    """
    title = f"{facts['model']}, seed {facts['seed']}"
    return Evidence(
        f"{title}, {recipe}" if recipe else title,
        "EFLOPs",
        tuple(pool),
        read_pass_at_k(folder, str(facts["model"]), int(str(facts["seed"])), pool, apart),
        {} if recipe is None else choose_fits(fits, facts, recipe),
        make_labels=make_labels,
        is_study=True,
        sft_of=title,
    )


def read_pool(curves: pd.DataFrame, labels: pd.DataFrame) -> list[Candidate]:
    """Checkpoints with their labels, or without any where none are there."""
    if not labels.empty:
        return read_candidates(curves, labels)
    keys = curves.loc[curves["sft_step"] > 0, ["dataset", "sft_step"]].drop_duplicates()
    found = []
    for _, row in keys.sort_values(["dataset", "sft_step"]).iterrows():
        rows = curves[(curves[["dataset", "sft_step"]] == row).all(axis=1)]
        facts = {**row, "subphase": "", "margin_stable": NAN, "val_loss": NAN}
        found.append(make_candidate(pd.Series(facts), rows))
    return found


def choose_fits(
    fits: pd.DataFrame, facts: dict[str, object], recipe: str
) -> dict[str, dict[str, object]]:
    """The fits of one pool by the name of their checkpoint."""
    if fits.empty:
        return {}
    keys = [*facts, "recipe"]
    rows = fits[(fits[keys] == [*facts.values(), recipe]).all(axis=1)]
    return {
        name_checkpoint(row["dataset"], row["sft_step"]): dict(row) for _, row in rows.iterrows()
    }


def read_pass_at_k(
    folder: Path, model: str, seed: int, pool: list[Candidate], apart: Collection[str]
) -> dict[str, PassAtK]:
    """pass@k of every checkpoint with several samples a problem, k as large as they allow."""
    found = {}
    for dataset in sorted({one.dataset for one in pool}):
        path = folder / Run("sft", model, dataset, seed=seed).path / "grades.parquet"
        if not path.exists():
            continue
        grades = read_table(path, ("step", "benchmark", "problem_id", "correct"))
        grades = grades[~grades["benchmark"].isin(list(apart))]
        counts = grades.groupby(["step", "benchmark", "problem_id"])["correct"].agg(["size", "sum"])
        largest = int(counts["size"].max())
        counts = counts[counts["size"] == largest]
        for step, rows in counts.groupby(level="step"):
            if largest > 1:
                shares = [compute_pass_at_k(int(n), largest, largest) for n in rows["sum"]]
                found[name_checkpoint(dataset, step)] = PassAtK(
                    largest, 100 * float(np.mean(shares))
                )
    return found


def make_curve_evidence(
    points: pd.DataFrame,
    unit: str,
    notes: tuple[str, ...] = (),
    losses: Path | None = None,
    start_score: float | None = None,
) -> Evidence:
    """The evidence of curves that belong to no study.

    Args:
        points: as `make_logged_branches` takes them.
        unit: of x.
        notes: what was assumed on reading them.
        losses: CSV as `read_losses` takes it: which checkpoint a curve starts from and its
            validation loss; a row without a curve is a checkpoint without RL.
        start_score: score at x = 0 of curves that have none, percent.

    Raises:
        InputError: a curve that cannot be read, or losses that do not fit the curves.
    """
    branches, assumed = make_logged_branches(points, start_score)
    curves = {str(one.key["curve"]): make_curve(one) for one in branches}
    pool, stored = [*curves.values()], dict[str, PassAtK]()
    if losses is not None:
        table = read_losses(losses)
        pool = join_losses(curves, table, losses)
        stored = {
            name_checkpoint(row.dataset, row.sft_step): PassAtK(
                int(float(str(row.k))), float(str(row.pass_at_k))
            )
            for row in table.dropna(subset="pass_at_k").itertuples()
        }
    return Evidence("curves", unit, tuple(pool), stored, notes=(*notes, *assumed))


def make_curve(measured: MeasuredBranch) -> Candidate:
    """The candidate of a curve; its RL steps merely count its points."""
    branch = measured.branch
    steps: npt.NDArray[np.int64] = np.arange(branch.x.size)
    later = branch if branch.x.size > 1 else None
    name = str(measured.key["curve"])
    return Candidate(name, 0, "", NAN, NAN, NAN, branch.p_sft, steps, later)
