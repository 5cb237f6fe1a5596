"""Figure 4: scores out of distribution against compute, after SFT and after RL."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from retu.core.errors import InputError
from retu.core.text import squash_text
from retu.reporting import style
from retu.reporting.compute_units import ComputeUnit, choose_unit
from retu.reporting.drawing import select_rows
from retu.reporting.published_marks import mark_published_scores
from retu.reporting.tidy_files import PURE_SFT, SFT_THEN_RL
from retu.scaling.sampling_noise import compute_binomial_error
from retu.scaling.smoothing import compute_centred_median

HEIGHTS = 2.3, 0.75  # of a row and between rows, inches
MARGINS = 0.6, 0.1, 0.65, 0.5  # left, right, top, bottom, inches
PANELS_A_ROW = 2
LOOKS = (style.Look("#E69F00", "^"), style.Look("#0072B2", "s"))
"""RL from the early and from the late checkpoint."""
DISTRIBUTION_COLUMNS = (
    *("benchmark", "paradigm", "recipe", "sft_step", "rl_step", "n_seeds", "x_sft_eflops"),
    *("x_rl_eflops", "score", "sampling_error", "n_problems", "n_samples"),
)
POINT = ["benchmark", "paradigm", "recipe", "sft_step", "rl_step"]


def build_distribution_table(
    curves: pd.DataFrame,
    benchmarks: Sequence[str],
    model: str,
    dataset: str,
    sft_steps: Sequence[int] = (),
) -> pd.DataFrame:
    """The figure's numbers: one row per benchmark and point, `DISTRIBUTION_COLUMNS`.

    Args:
        curves: all rows of curves.csv.
        benchmarks: those out of distribution.
        model: the model, and its SFT set `dataset`.
        dataset: the SFT set from whose checkpoints RL starts.
        sft_steps: the checkpoints; empty: the first and the last with RL.

    Returns:
        Scores in percent, means over seeds; sampling_error: standard error from the number of
        problems, points; compute in EFLOPs.

    Raises:
        InputError: RL starts from no checkpoint.
    """
    points = select_distribution_points(curves, benchmarks, model, dataset, sft_steps)
    groups = points.groupby(POINT, sort=False)
    table = groups.agg(
        n_seeds=("seed", "nunique"),
        x_sft_eflops=("x_sft_eflops", "mean"),
        x_rl_eflops=("x_rl_eflops", "mean"),
        score=("score", "mean"),
        n_problems=("n_problems", "first"),
        n_samples=("n_samples", "first"),
    ).reset_index()
    answers: Any = (table["n_problems"] * table["n_seeds"]).to_numpy()
    table["sampling_error"] = compute_binomial_error(table["score"].to_numpy() / 100.0, answers)
    ranks = {name: place for place, name in enumerate(benchmarks)}
    table = table.assign(rank=table["benchmark"].map(ranks)).sort_values(
        ["rank", "paradigm", "sft_step", "rl_step"], kind="stable"
    )
    ordered: pd.DataFrame = table[list(DISTRIBUTION_COLUMNS)].reset_index(drop=True)
    return ordered


def select_distribution_points(
    curves: pd.DataFrame,
    benchmarks: Sequence[str],
    model: str,
    dataset: str,
    sft_steps: Sequence[int],
) -> pd.DataFrame:
    """The points of SFT, and of RL by the recipe that starts from most of the chosen checkpoints.

    Labels may have chosen others than the study names: what there is is shown then, and where there
    is none of them, RL from the first and the last that there are.

    Raises:
        InputError: RL starts from no checkpoint.
    """
    own = select_rows(curves, model=model, dataset=dataset)
    own = own[own["benchmark"].isin(benchmarks)]
    branches = own[own["paradigm"] == SFT_THEN_RL]
    starts = {str(name): {*rows["sft_step"]} for name, rows in branches.groupby("recipe")}
    if not starts:
        raise InputError(
            f"artefacts.figure_4: RL of {model} starts from no checkpoint on {dataset}; name a"
            " dataset from which it does"
        )
    recipe = max(starts, key=lambda name: (len(starts[name] & {*sft_steps}), len(starts[name])))
    steps = sorted(starts[recipe])
    chosen = sorted({*steps} & {*sft_steps}) or [steps[0], steps[-1]]
    shown = branches[branches["sft_step"].isin(chosen) & (branches["recipe"] == recipe)]
    points: pd.DataFrame = pd.concat([own[own["paradigm"] == PURE_SFT], shown])
    return points


def add_published_scores(
    table: pd.DataFrame, published: pd.DataFrame, model: str, dataset: str
) -> pd.DataFrame:
    """The rows of `build_distribution_table` with `published`, percent; as it is without any.

    What the paper prints of a checkpoint stands at its SFT point, the highest score of RL at all
    points of the branch. ARC-C is `arc_c` of the ledger, GPQA its `gpqa`.
    """
    own = select_rows(published, model=model, dataset=dataset)
    printed = {
        (name, rl, int(step)): score
        for name, rl, step, score in own[["name", "rl", "sft_step", "score"]].to_numpy()
    }
    if not printed:
        return table
    called = {squash_text(name): name for name, _, _ in printed}
    names = {
        benchmark: next(
            (n for key, n in called.items() if squash_text(benchmark).startswith(key)), ""
        )
        for benchmark in set(table["benchmark"])
    }
    keys = zip(table["benchmark"], table["paradigm"], table["sft_step"], strict=True)
    found = [printed.get((names[b], p == SFT_THEN_RL, int(step))) for b, p, step in keys]
    return table.assign(published=pd.array(found, dtype="Float64"))


def draw_distribution_figure(table: pd.DataFrame, label: str = "paper") -> Figure:
    """Draw the rows of `build_distribution_table`: one panel a benchmark. Inside `use_style()`.

    Scores that the paper prints (`add_published_scores`) have the key `label`.
    """
    benchmarks = list(dict.fromkeys(table["benchmark"]))
    n_rows = -(-len(benchmarks) // PANELS_A_ROW)
    figure, grid = style.make_panel_grid((n_rows, PANELS_A_ROW), HEIGHTS, MARGINS, 0.22)
    unit = choose_unit(table["x_sft_eflops"] + table["x_rl_eflops"])
    for axes in grid.flat[len(benchmarks) :]:
        axes.axis("off")
    for axes, name in zip(grid.flat, benchmarks, strict=False):
        rows = table[table["benchmark"] == name]
        draw_benchmark_panel(axes, rows, unit)
        if "published" in rows:
            mark_published_scores(axes, rows, unit.per_eflop, label)
        axes.set_title(
            f"{name} ({int(rows['n_problems'].iloc[0])} problems)", loc="left", fontweight="bold"
        )
        axes.set_xlabel(f"Total training compute, x_sft + x_rl ({unit.name})")
    for line in grid:
        line[0].set_ylabel("Score (%)")
    pairs = [zip(*axes.get_legend_handles_labels(), strict=True) for axes in grid.flat]
    keys = {name: handle for panel in pairs for handle, name in panel}
    if label in keys:
        keys[label] = keys.pop(label)  # last
    figure.legend(keys.values(), keys.keys(), loc="upper center", ncols=4)
    return figure


def draw_benchmark_panel(axes: Axes, rows: pd.DataFrame, unit: ComputeUnit) -> None:
    """The SFT curve in grey, each branch as dots with a running median, errors as bars."""
    sft = rows[rows["paradigm"] == PURE_SFT].sort_values("x_sft_eflops")
    axes.errorbar(
        sft["x_sft_eflops"] * unit.per_eflop,
        sft["score"],
        yerr=sft["sampling_error"],
        color=style.GREY,
        marker="o",
        ms=3.5,
        lw=1.0,
        elinewidth=0.6,
        label="Pure SFT",
        zorder=2,
    )
    branches = rows[rows["paradigm"] == SFT_THEN_RL]
    for look, (step, points) in zip(LOOKS, branches.groupby("sft_step", sort=True), strict=False):
        ordered = points.sort_values("rl_step")
        x = (ordered["x_sft_eflops"] + ordered["x_rl_eflops"]) * unit.per_eflop
        axes.scatter(
            x, ordered["score"], s=9, color=look.colour, marker=look.marker, alpha=0.6, lw=0
        )
        smooth = compute_centred_median(ordered["score"].to_numpy(float))
        axes.plot(x, smooth, color=look.colour, lw=1.4, label=f"RL from step {step}", zorder=4)
    axes.margins(y=0.12)
