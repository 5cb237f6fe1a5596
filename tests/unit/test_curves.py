"""The joint table: points of SFT runs and RL branches, their compute, and what is refused."""

from pathlib import Path

import pandas as pd
import pytest

from retu.core.errors import InputError
from retu.core.run_paths import Run, parse_run
from retu.evaluation.curve_table import CURVE_COLUMNS, tabulate_curves
from workflow_scripts import curves as script

SFT = Run("sft", "tiny", "easy", seed=1)
BRANCH = Run("rl", "tiny", "easy", 4, "grpo", 1)
PURE_RL = Run("rl", "tiny", "none", 0, "grpo", 1)
RUNS = [BRANCH, PURE_RL, SFT]


def write_grades(results: Path, run: Run, correct_by_step: dict[int, list[int]]) -> None:
    """Grades of one benchmark, one sample a problem."""
    rows = [
        {"step": step, "benchmark": "chains", "problem_id": f"p{n}", "sample": 0}
        | {"correct": value, "parsed": "", "reason": ""}
        for step, values in correct_by_step.items()
        for n, value in enumerate(values)
    ]
    folder = results / run.path
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_parquet(folder / "grades.parquet")


def write_compute(path: Path, column: str, by_step: dict[int, float]) -> None:
    """A table of compute by step."""
    pd.DataFrame({"step": list(by_step), column: list(by_step.values())}).to_csv(path, index=False)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A base model, an SFT run with steps 4 and 8, one branch from step 4, and Pure RL."""
    write_grades(tmp_path, Run("base", "tiny"), {0: [0, 0]})
    write_grades(tmp_path, SFT, {4: [1, 0], 8: [1, 1]})
    losses = {0: 0.0, 4: 2e-6, 6: 3e-6, 8: 4e-6}
    write_compute(tmp_path / SFT.path / "losses.csv", "x_sft_eflops", losses)
    for run in (BRANCH, PURE_RL):
        write_grades(tmp_path, run, {10: [1, 1], 5: [0, 1]})
        write_compute(tmp_path / run.path / "compute.csv", "x_rl_eflops", {5: 1e-6, 10: 2.5e-6})
    return tmp_path


def test_points_compute_and_scores(results: Path) -> None:
    table = tabulate_curves("lab", results, RUNS, {})
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
    assert first["source"].tolist() == [(results / SFT.path / "grades.parquet").as_posix()]


def test_cut_shares_follow_the_grades(results: Path) -> None:
    """Empty where a file of grades does not tell; step 0 of a branch has that of its start."""
    path = results / SFT.path / "grades.parquet"
    grades = pd.read_parquet(path)
    grades.assign(finished=[False, True, True, True]).to_parquet(path)
    table = tabulate_curves("lab", results, [BRANCH, SFT], {})
    overall = table[table["benchmark"] == "overall"].set_index(["paradigm", "sft_step", "rl_step"])
    known = overall["cut_share"].dropna().to_dict()
    assert known == {
        ("Pure SFT", 4, 0): 0.5,
        ("Pure SFT", 8, 0): 0.0,
        ("SFT-then-RL", 4, 0): 0.5,
    }


def test_benchmarks_out_of_distribution_have_rows_and_a_mark(results: Path) -> None:
    plain = tabulate_curves("lab", results, RUNS, {})
    for path in results.rglob("grades.parquet"):
        grades = pd.read_parquet(path)
        options = grades.assign(benchmark="options", correct=1 - grades["correct"])
        pd.concat([grades, options], ignore_index=True).to_parquet(path)
    table = tabulate_curves("lab", results, RUNS, {}, left_out=["options"])
    assert tuple(table.columns) == (*CURVE_COLUMNS, "out_of_distribution")
    marked = table.groupby("benchmark")["out_of_distribution"].agg(["all", "any"])
    assert marked.to_numpy().tolist() == [[False, False], [True, True], [False, False]]
    rest = table[table["benchmark"] != "options"].drop(columns="out_of_distribution")
    pd.testing.assert_frame_equal(rest.reset_index(drop=True), plain)
    apart = table[table["benchmark"] == "options"]["score"]
    assert apart.tolist() == (100 - plain[plain["benchmark"] == "chains"]["score"]).tolist()


def test_order_of_runs_does_not_matter(results: Path) -> None:
    table = tabulate_curves("lab", results, RUNS, {})
    pd.testing.assert_frame_equal(table, tabulate_curves("lab", results, RUNS[::-1], {}))


def test_command_line_writes_the_same_bytes_twice(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outs = [results / "one.csv", results / "two.csv"]
    for out in outs:
        spec = '{"study": "lab", "titles": {}}'
        files = {"sft": "losses.csv", "rl": "compute.csv"}
        compute = [str(results / run.path / files[run.kind]) for run in RUNS]
        grades = [str(results / run.path / "grades.parquet") for run in RUNS]
        options = ["--spec", spec, "--out", str(out), "--grades", *grades, "--compute", *compute]
        monkeypatch.setattr("sys.argv", ["curves", *options])
        script.main()
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert b"\r" not in outs[0].read_bytes()
    assert pd.read_csv(outs[0])["x_rl_eflops"].max() == 2.5e-6


def test_titles_of_recipes_name_the_paradigms(results: Path) -> None:
    table = tabulate_curves("lab", results, RUNS, {BRANCH.recipe: "LUFFY"})
    assert set(table["paradigm"]) == {"Pure SFT", "LUFFY", "SFT-then-LUFFY"}


def test_the_same_run_twice_is_refused(results: Path) -> None:
    with pytest.raises(InputError, match="listed twice"):
        tabulate_curves("lab", results, [*RUNS, SFT], {})


def test_missing_compute_parent_step_and_other_benchmarks(results: Path) -> None:
    compute = results / BRANCH.path / "compute.csv"
    write_compute(compute, "x_rl_eflops", {5: 1e-6})
    with pytest.raises(InputError, match="no x_rl_eflops for step 10"):
        tabulate_curves("lab", results, [BRANCH], {})
    write_compute(compute, "x_rl_eflops", {5: 1e-6, 10: 2e-6})
    write_grades(results, SFT, {8: [1, 1]})
    with pytest.raises(InputError, match=r"step 4, where .* starts, is not evaluated"):
        tabulate_curves("lab", results, [BRANCH], {})
    write_grades(results, SFT, {4: [1, 0], 8: [1, 1]})
    write_grades(results, BRANCH, {0: [1, 1], 5: [0, 1]})
    with pytest.raises(InputError, match="has step 0"):
        tabulate_curves("lab", results, [BRANCH], {})
    write_grades(results, BRANCH, {5: [0, 1, 1]})
    with pytest.raises(InputError, match="other benchmarks"):
        tabulate_curves("lab", results, [BRANCH], {})


@pytest.mark.parametrize("run", [Run("base", "tiny"), SFT, BRANCH, PURE_RL])
def test_paths_of_runs_read_back(run: Run) -> None:
    assert parse_run(run.path) == run


@pytest.mark.parametrize(
    "path", ["sft/tiny", "rl/tiny/easy/step4/seed0", "sft/tiny/easy/seed01", ""]
)
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(InputError, match="is not the path of a run"):
        parse_run(path)
