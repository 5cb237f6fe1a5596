"""The joint table: points of SFT runs and RL branches, their compute, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from workflow_scripts import curves as script
from workflow_scripts.errors import InputError
from workflow_scripts.evaluation.curves import CURVE_COLUMNS, curve_table, read_runs

Points = list[dict[str, Any]]


def write_grades(path: Path, correct_by_step: dict[int, list[int]]) -> str:
    """Grades of one benchmark, one sample a problem."""
    rows = [
        {"step": step, "benchmark": "chains", "problem_id": f"p{n}", "sample": 0}
        | {"correct": value, "parsed": "", "reason": ""}
        for step, values in correct_by_step.items()
        for n, value in enumerate(values)
    ]
    pd.DataFrame(rows).to_parquet(path)
    return path.as_posix()


def write_compute(path: Path, column: str, by_step: dict[int, float]) -> str:
    """A table of compute by step."""
    pd.DataFrame({"step": list(by_step), column: list(by_step.values())}).to_csv(path, index=False)
    return path.as_posix()


@pytest.fixture
def points(tmp_path: Path) -> Points:
    """An SFT run with steps 0, 4, 8; one branch from step 4; Pure RL from the base model."""
    sft = write_grades(tmp_path / "sft.parquet", {0: [0, 0], 4: [1, 0], 8: [1, 1]})
    losses = write_compute(
        tmp_path / "losses.csv", "x_sft_eflops", {0: 0.0, 4: 2e-6, 6: 3e-6, 8: 4e-6}
    )
    rl = write_grades(tmp_path / "rl.parquet", {10: [1, 1], 5: [0, 1]})
    spent = write_compute(tmp_path / "compute.csv", "x_rl_eflops", {0: 0.0, 5: 1e-6, 10: 2.5e-6})
    run = {"model": "tiny", "dataset": "easy", "seed": 1}
    branch = {"kind": "rl", "grades": rl, "compute": spent, "recipe": "grpo", "parent_grades": sft}
    return [
        {**run, **branch, "paradigm": "SFT-then-RL", "sft_step": 4, "x_sft": losses},
        {**run, **branch, "paradigm": "Pure RL", "dataset": "none", "sft_step": 0},
        {**run, "kind": "sft", "grades": sft, "compute": losses, "recipe": "sft"}
        | {"paradigm": "Pure SFT"},
    ]


def make_table(path: Path, entries: Points) -> pd.DataFrame:
    """The table of a list of runs, by way of points.json."""
    path.write_text(json.dumps(entries))
    return curve_table("lab", read_runs(path))


def test_points_compute_and_scores(tmp_path: Path, points: Points) -> None:
    table = make_table(tmp_path / "points.json", points)
    assert tuple(table.columns) == CURVE_COLUMNS
    assert table.groupby("benchmark").size().to_dict() == {"chains": 9, "overall": 9}
    overall = table[table["benchmark"] == "overall"]
    shown = overall[["paradigm", "sft_step", "rl_step", "x_sft_eflops", "x_rl_eflops", "score"]]
    assert shown.to_numpy().tolist() == [
        ["Pure SFT", 0, 0, 0.0, 0.0, 0.0],
        ["Pure SFT", 4, 0, 2e-6, 0.0, 50.0],
        ["Pure SFT", 8, 0, 4e-6, 0.0, 100.0],
        ["SFT-then-RL", 4, 0, 2e-6, 0.0, 50.0],
        ["SFT-then-RL", 4, 5, 2e-6, 1e-6, 50.0],
        ["SFT-then-RL", 4, 10, 2e-6, 2.5e-6, 100.0],
        ["Pure RL", 0, 0, 0.0, 0.0, 0.0],
        ["Pure RL", 0, 5, 0.0, 1e-6, 50.0],
        ["Pure RL", 0, 10, 0.0, 2.5e-6, 100.0],
    ]
    first = overall[(overall["paradigm"] == "SFT-then-RL") & (overall["rl_step"] == 0)]
    assert first["source"].tolist() == [(tmp_path / "sft.parquet").as_posix()]


def test_the_base_model_may_be_evaluated_apart(tmp_path: Path, points: Points) -> None:
    together = make_table(tmp_path / "points.json", points[2:])
    write_grades(tmp_path / "sft.parquet", {4: [1, 0], 8: [1, 1]})
    base = write_grades(tmp_path / "base.parquet", {0: [0, 0]})
    apart = make_table(tmp_path / "points.json", [points[2] | {"parent_grades": base}])
    sources = apart.loc[apart["sft_step"] == 0, "source"]
    assert set(sources) == {base}
    pd.testing.assert_frame_equal(apart.drop(columns="source"), together.drop(columns="source"))


def test_order_of_runs_does_not_matter(tmp_path: Path, points: Points) -> None:
    table = make_table(tmp_path / "points.json", points)
    again = make_table(tmp_path / "points.json", points[::-1])
    pd.testing.assert_frame_equal(table, again)


def test_command_line_writes_the_same_bytes_twice(
    tmp_path: Path, points: Points, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "points.json"
    path.write_text(json.dumps(points))
    outs = [tmp_path / "one.csv", tmp_path / "two.csv"]
    for out in outs:
        options = ["--study", "lab", "--points", str(path), "--out", str(out)]
        monkeypatch.setattr("sys.argv", ["curves", *options])
        script.main()
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert b"\r" not in outs[0].read_bytes()
    assert pd.read_csv(outs[0])["x_rl_eflops"].max() == 2.5e-6


def test_the_same_run_twice_is_refused(tmp_path: Path, points: Points) -> None:
    with pytest.raises(InputError, match=r"two runs give the same point.*Pure SFT"):
        make_table(tmp_path / "points.json", [*points, points[2]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "eval"}, "run 0, kind"),
        ({"colour": "red"}, "run 0, colour"),
        ({"sft_step": None}, "needs sft_step"),
        ({"parent_grades": None}, "needs parent_grades"),
        ({"x_sft": None}, "needs x_sft"),
        ({"sft_step": 5}, r"step 5, where .*rl\.parquet starts, is not evaluated"),
    ],
)
def test_bad_entries_are_named(
    tmp_path: Path, points: Points, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        make_table(tmp_path / "points.json", [points[0] | change, *points[1:]])


def test_missing_compute_step_zero_and_other_benchmarks(tmp_path: Path, points: Points) -> None:
    path = tmp_path / "points.json"
    write_compute(tmp_path / "compute.csv", "x_rl_eflops", {0: 0.0, 5: 1e-6})
    with pytest.raises(InputError, match="no x_rl_eflops for step 10"):
        make_table(path, points[:1])
    write_grades(tmp_path / "rl.parquet", {0: [1, 1], 5: [0, 1]})
    with pytest.raises(InputError, match="has step 0"):
        make_table(path, points[:1])
    write_grades(tmp_path / "rl.parquet", {5: [0, 1, 1]})
    with pytest.raises(InputError, match="other benchmarks"):
        make_table(path, points[:1])


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_unreadable_list_of_runs(tmp_path: Path, text: str) -> None:
    path = tmp_path / "points.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"points\.json"):
        read_runs(path)
