"""The table of figure 2 against the curves it comes from, and the sentence about paradigms."""

import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from reporting_fixtures import (
    ALL,
    CHECKPOINT,
    METHODS,
    ORDER,
    MadeParameters,
    read_frames,
    write_study,
)
from scipy import stats

from retu.reporting.aggregate import measure_run, spread_ratio
from retu.reporting.paradigm_table import (
    BEFORE_COLLAPSE,
    PARADIGM_COLUMNS,
    build_paradigm_table,
    tabulate_paradigms,
)
from retu.reporting.paradigm_text import compute_sampling_noise
from retu.reporting.study_answer import AnswerPart, answer_paradigm
from retu.reporting.tidy_files import fill_text_cells
from workflow_scripts import figure_2

NAMES = tuple(METHODS)


def get_paradigm_row(table: pd.DataFrame, paradigm: str, step: int = 0) -> pd.Series:
    """The row of a paradigm and start."""
    rows = table[(table["paradigm"] == paradigm) & (table["sft_step"] == step)]
    assert len(rows) == 1
    return rows.iloc[0]


def make_run_points(
    scores: list[float], paradigm: str = "GRPO", x_sft: float = 0.0
) -> pd.DataFrame:
    """One run with a point at x_rl = 1, 2, ... EFLOPs."""
    x = np.arange(1.0, len(scores) + 1)
    return pd.DataFrame(
        {"paradigm": paradigm, "x_sft_eflops": x_sft, "x_rl_eflops": x, "score": scores}
    )


def test_the_table_has_every_paradigm_and_start_in_order() -> None:
    table = build_paradigm_table(*read_frames(), ORDER)
    assert tuple(table.columns) == PARADIGM_COLUMNS
    assert len(table) == 4 + 1 + 6 + 16 + 6, "Pure SFT, Pure RL, methods, SFT-then-RL, after SFT"
    shown = table[table["in_figure"]]
    assert shown["paradigm"].tolist() == [
        *("Pure SFT", "Pure RL", *NAMES),
        *("SFT-then-RL", "SFT-then-RL", *(f"SFT-then-{name}" for name in NAMES)),
        *("SFT-then-RL", "SFT-then-RL"),
    ]
    assert set(shown["dataset"]) == {"none", "Huge"}


def test_model_and_recipe_are_named_when_rows_would_look_the_same() -> None:
    curves, fits = read_frames(MadeParameters(methods=("GRPO",)))
    once = tabulate_paradigms(build_paradigm_table(curves, fits, ORDER))
    assert not {"Model", "Recipe"} & set(once.headers)
    grpo, fit = curves.query("paradigm == 'GRPO'"), fits.query("paradigm == 'GRPO'")
    twice = (
        pd.concat([curves, grpo.assign(recipe="grpo_long")]),
        pd.concat([fits, fit.assign(recipe="grpo_long")]),
    )
    text = tabulate_paradigms(build_paradigm_table(*twice, ORDER))
    assert text.headers[:3] == ("Start", "Recipe", "Paradigm")
    assert [cells[1] for cells in text.rows if cells[2] == "GRPO"] == ["grpo", "grpo_long"]


def test_the_table_against_the_curves_by_hand() -> None:
    curves, fits = read_frames()
    row = get_paradigm_row(build_paradigm_table(curves, fits, ORDER), "SFT-then-GRPO", CHECKPOINT)
    run = curves.query("paradigm == 'SFT-then-GRPO' and rl_step > 0").sort_values("rl_step")
    fit = fits.query("paradigm == 'SFT-then-GRPO'").iloc[0]
    score = run["score"].to_numpy()
    padded = [np.median(score[max(0, i - 2) : i + 3]) for i in range(len(score))]
    assert row["best_smoothed"] == pytest.approx(max(padded))
    assert row["best_score"] == score.max()
    assert row["end_score"] == pytest.approx(np.median(score[-3:]))
    assert row["spread"] == pytest.approx(np.std(score[-4:], ddof=1)), "a third of 12"
    assert (row["a_post"], row["verdict"]) == (fit["a_post"], "identified")
    x = (run["x_sft_eflops"] + run["x_rl_eflops"]).to_numpy()
    assert row["x_total_eflops"] == pytest.approx(x[-1])
    assert row["x_near_best_eflops"] == x[[p >= 0.95 * max(padded) for p in padded].index(True)]
    other = curves.query("paradigm == 'SFT-then-DAPO_d' and rl_step > 0")["score"].tail(4)
    assert row["spread_ratio"] == pytest.approx(row["spread"] / np.std(other, ddof=1))


def test_a_collapsed_run_has_the_best_before_it_for_a_ceiling() -> None:
    """Paper, appendix F."""
    curves, fits = read_frames()
    row = get_paradigm_row(build_paradigm_table(curves, fits, ORDER), "SRFT")
    end = fits.query("paradigm == 'SRFT'")["x_end_eflops"].iloc[0]
    run = curves.query("paradigm == 'SRFT' and rl_step > 0")
    before = run[run["x_rl_eflops"] <= 1.001 * end]["score"]
    assert 0 < len(before) < len(run)
    assert (row["verdict"], row["a_post"]) == (BEFORE_COLLAPSE, before.max())
    assert math.isnan(row["a_post_low"])
    assert math.isnan(row["a_post_high"])
    assert row["n_collapsed"] == 1
    assert row["x_collapse_eflops"] == pytest.approx(end, rel=1e-5)
    assert row["end_score"] < 0.5 * row["best_smoothed"]
    assert row["spread_ratio_low"] > 2.6, "the fall itself counts, though the run ends in peace"
    text = tabulate_paradigms(build_paradigm_table(curves, fits, ORDER))
    cells = next(cells for cells in text.rows if cells[1] == "SRFT")
    assert cells[text.headers.index("Collapsed (GFLOPs)")] == "yes at 17.5"


def test_pure_sft_is_not_smoothed_and_has_no_ceiling() -> None:
    curves, fits = read_frames()
    table = build_paradigm_table(curves, fits, ORDER)
    row = table[(table["paradigm"] == "Pure SFT") & (table["dataset"] == "Huge")].iloc[0]
    run = curves.query("paradigm == 'Pure SFT' and dataset == 'Huge'")
    assert row["best_score"] == run["score"].max()
    assert row["end_score"] == run.sort_values("sft_step")["score"].iloc[-1]
    assert row[["best_smoothed", "a_post", "spread", "spread_ratio"]].isna().all()
    assert (row["verdict"], row["n_points"]) == ("", 5)


def test_seeds_are_averaged_and_their_spread_is_told() -> None:
    made = MadeParameters(seeds=(0, 1, 2), methods=("DAPO_d", "SRFT"))
    curves, fits = read_frames(made)
    whole = fits["paradigm"].eq("SRFT") & fits["seed"].eq(2)
    fits.loc[whole, "collapsed"] = False
    table = build_paradigm_table(curves, fits, ORDER)
    row, fallen = get_paradigm_row(table, "DAPO_d"), get_paradigm_row(table, "SRFT")
    ends = [
        np.median(run.sort_values("rl_step")["score"].tail(3))
        for _, run in curves.query("paradigm == 'DAPO_d'").groupby("seed")
    ]
    assert row["end_score"] == pytest.approx(np.mean(ends))
    assert row["spread_over_seeds"] == pytest.approx(np.std(ends, ddof=1))
    assert (row["n_seeds"], row["n_collapsed"], fallen["n_collapsed"]) == (3, 0, 2)
    text = tabulate_paradigms(table)
    assert "SD over seeds" in text.headers
    assert any("(2 of 3 seeds)" in cell for cells in text.rows for cell in cells)
    assert (
        "SD over seeds"
        not in tabulate_paradigms(build_paradigm_table(*read_frames(), ORDER)).headers
    )


def test_a_single_lucky_evaluation_does_not_make_the_best() -> None:
    scores = [10.0, 20.0, 21.0, 22.0, 60.0, 21.0, 22.0, 23.0, 22.0]
    found = measure_run(make_run_points(scores), math.inf)
    assert (found["best_score"], found["best_smoothed"]) == (60.0, 22.0)
    assert found["x_near_best_eflops"] == 3.0, "the first median of 21"


def test_short_runs_tell_what_they_can() -> None:
    one = measure_run(make_run_points([30.0], x_sft=4.0), math.inf)
    assert (one["best_smoothed"], one["x_total_eflops"]) == (30.0, 5.0)
    assert math.isnan(one["variance"])
    two = measure_run(make_run_points([30.0, 40.0, 10.0]), 2.0)
    assert two["x_collapse_eflops"] == 2.0
    assert two["best_before_collapse"] == 40.0
    assert two["variance"] == pytest.approx(np.var([40.0, 10.0], ddof=1))


def test_spread_ratio_covers_the_truth() -> None:
    """4000 pairs of 4 and 6 normal scores whose true ratio is 2.6."""
    rng = np.random.default_rng(3)
    pairs = zip(2.6 * rng.normal(size=(4000, 4)), rng.normal(size=(4000, 6)), strict=True)
    found = [spread_ratio(a.std(ddof=1), 3, b.std(ddof=1), 5) for a, b in pairs]
    covered = np.mean([low <= 2.6 <= high for _, low, high in found])
    assert covered == pytest.approx(0.90, abs=0.02)
    assert all(math.isnan(value) for value in spread_ratio(1.0, 3, math.nan, 0))
    assert all(math.isnan(value) for value in spread_ratio(1.0, 3, 0.0, 3))
    ratio, low, _ = spread_ratio(2.0, 3, 1.0, 5)
    assert (ratio / low) ** 2 == pytest.approx(stats.f.ppf(0.95, 3, 5))


def test_the_script_writes_figure_and_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = ",".join(write_study(tmp_path, ALL))
    kinds = ("svg", "png", "pdf", "csv", "md")
    outs = {kind: tmp_path / "out" / f"figure_2.{kind}" for kind in kinds}
    options = [f"--out-{kind}={path}" for kind, path in outs.items()]
    inputs = [f"--{name}={tmp_path}/{name}.csv" for name in ("curves", "fits")]
    monkeypatch.setattr(sys, "argv", ["figure_2", *inputs, f"--order={order}", *options])
    figure_2.main()
    table = fill_text_cells(pd.read_csv(outs["csv"]))
    expected = build_paradigm_table(*read_frames(), ORDER)
    pd.testing.assert_frame_equal(table, expected, check_dtype=False)
    shown = int(expected["in_figure"].sum())
    assert len(outs["md"].read_text(encoding="utf-8").splitlines()) == shown + 2
    assert outs["png"].read_bytes()[:4] == b"\x89PNG"


def make_paradigm_finding(curves: pd.DataFrame, fits: pd.DataFrame) -> AnswerPart:
    """The sentence about paradigms."""
    found = answer_paradigm(curves, fits, ORDER)
    assert found is not None
    return found


def test_the_answer_sets_sequential_against_pure_and_synchronised() -> None:
    curves, fits = read_frames()
    found = make_paradigm_finding(curves, fits)
    table = build_paradigm_table(curves, fits, ORDER)
    top = table.query("paradigm == 'SFT-then-RL'")["best_smoothed"].max()
    pure = table.query("paradigm == 'Pure SFT'")["best_score"].max()
    luffy = table.query("paradigm == 'LUFFY'")["best_smoothed"].max()
    assert found.text.startswith(f"SFT-then-RL reached the highest score, {top:.1f}%")
    assert all(f"{name} " in found.text for name in NAMES)
    assert f"{top - pure:.1f} points above the best pure paradigm, Pure SFT (Huge)" in found.text
    assert f"{top - luffy:.1f} points above the best synchronised paradigm, LUFFY" in found.text
    assert "best of 16 starts, which is optimistic" in found.text
    assert "Collapsed, and counted with the part before: SRFT after 17.5 GFLOPs" in found.text
    assert "chance alone explains that" in found.text, "four scores a run"
    assert not found.weak


def test_the_answer_calls_the_least_steady_run_by_its_interval() -> None:
    curves, fits = read_frames()
    upt = curves[curves["paradigm"].eq("UPT") & (curves["rl_step"] > 0)]
    swing = pd.Series(np.resize([8.0, -8.0], len(upt)), index=upt.index)
    found = make_paradigm_finding(
        curves.assign(score=curves["score"].add(swing, fill_value=0.0)), fits
    )
    assert "Of the others, UPT is the least steady over its last third" in found.text
    assert "the largest of all such ratios is partly luck" in found.text


def test_one_weak_lead_makes_the_answer_weak() -> None:
    curves, fits = read_frames()
    luffy = curves["paradigm"].eq("LUFFY") & (curves["rl_step"] > 0)
    best = build_paradigm_table(curves, fits, ORDER)["best_smoothed"].max()
    found = make_paradigm_finding(
        curves.assign(score=curves["score"].where(~luffy, best - 1.0)), fits
    )
    assert found.weak
    assert "1.0 points above the best synchronised paradigm, LUFFY" in found.text
    assert found.text.count("(weak evidence)") == 1


def test_the_answer_says_when_sequential_training_is_worse() -> None:
    curves, fits = read_frames()
    grpo = curves["paradigm"].eq("GRPO") & (curves["rl_step"] > 0)
    found = make_paradigm_finding(curves.assign(score=curves["score"].where(~grpo, 95.0)), fits)
    assert found.text.startswith("GRPO reached the highest score, 95.0%")
    assert "points below the best pure paradigm, GRPO" in found.text
    assert not found.weak


def test_without_sequential_runs_the_first_two_are_compared() -> None:
    curves, fits = read_frames(
        MadeParameters(datasets=("Huge",), methods=("GRPO", "UPT"), without_branches="Huge")
    )
    found = make_paradigm_finding(curves, fits)
    assert "points above the second, " in found.text
    assert "Sequential" not in found.text


def test_a_lone_paradigm_is_compared_with_nothing() -> None:
    curves, fits = read_frames(MadeParameters(methods=("GRPO",)))
    keep = "paradigm == 'GRPO'"
    assert answer_paradigm(curves.query(keep), fits.query(keep), ORDER) is None


def test_noise_is_there_when_all_problems_are_right() -> None:
    """Five problems, all right twice: the difference is still known badly."""
    few = pd.DataFrame({"n_problems": [5]})
    assert compute_sampling_noise(few, 100.0, 100.0) == pytest.approx(
        100 * 1.644854 * math.sqrt(2 * (6 / 7) * (1 / 7) / 7), rel=1e-5
    )
    many = pd.DataFrame({"n_problems": [2157]})
    plain = 100 * 1.644854 * math.sqrt(2 * 0.7 * 0.3 / 2157)
    assert compute_sampling_noise(many, 70.0, 70.0) == pytest.approx(plain, rel=2e-3)
