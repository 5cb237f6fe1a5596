"""`fit_curves`: one row a branch, labels joined, errors that name the branch."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from retu.config.analysis import FitSettings
from retu.config.protocols import make_fit_job
from retu.core.errors import InputError
from retu.scaling.branch import ListedSettings
from retu.scaling.fitting import fit_tables
from retu.scaling.law import compute_gain
from retu.scaling.measured_branches import extract_branches
from workflow_scripts import fit_curves as script

X = np.concatenate([[0.0], np.geomspace(1.0, 40.0, 10)])
JOB = make_fit_job("robust", FitSettings(n_bootstrap=30))


def make_branch_rows_with_benchmark(seed: int, sft_step: int, scale: float = 1.0) -> pd.DataFrame:
    """Curve rows of one branch: overall and one benchmark."""
    noise = np.random.default_rng(seed).normal(0, 0.3, X.size)
    score = 60 + compute_gain(X, epsilon=0.0, pl_rl=9.0, c_mid=6.0, b=1.5) + noise
    facts = {
        "study": "lab",
        "model": "tiny",
        "dataset": "easy" if sft_step else "none",
        "sft_step": sft_step,
        "paradigm": "SFT-then-RL" if sft_step else "Pure RL",
        "recipe": "dapo",
        "seed": seed,
        "x_sft_eflops": 0.5 * sft_step,
    }
    points = pd.DataFrame(
        {**facts, "x_rl_eflops": X * scale, "score": score, "rl_step": range(X.size)}
    )
    counted = points.assign(n_problems=400, n_samples=400)
    return pd.concat([counted.assign(benchmark="overall"), counted.assign(benchmark="k3")])


def fit_curve_table(curves: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Fit all branches of a table."""
    branches = extract_branches(curves)
    fitted = fit_tables.fit_branches(branches, JOB, None)
    return fit_tables.tabulate_fits(branches, fitted, labels, JOB)


def make_script_curves() -> pd.DataFrame:
    """Two branches, and a Pure SFT row that is none."""
    sft = make_branch_rows_with_benchmark(0, 20).head(1).assign(paradigm="Pure SFT")
    return pd.concat(
        [make_branch_rows_with_benchmark(0, 20), sft, make_branch_rows_with_benchmark(0, 0)],
        ignore_index=True,
    )


def make_script_labels(seed: int = 0) -> pd.DataFrame:
    """Labels of the only SFT run."""
    facts = {"study": "lab", "model": "tiny", "dataset": "easy", "seed": seed}
    return pd.DataFrame([{**facts, "sft_step": 20, "subphase": "Stable"}])


def test_one_row_per_branch_with_its_label() -> None:
    table = fit_curve_table(make_script_curves(), make_script_labels())
    assert list(table["paradigm"]) == ["SFT-then-RL", "Pure RL"]
    assert list(table["subphase"]) == ["Stable", ""]
    assert list(table["x_sft_eflops"]) == [10.0, 0.0]
    assert list(table["n_points"]) == [X.size, X.size]
    overall = make_branch_rows_with_benchmark(0, 20).query("benchmark == 'overall'")["score"]
    assert table.loc[0, "p_sft"] == pytest.approx(overall.iloc[0], rel=1e-5)
    assert table.loc[0, "best_score"] == pytest.approx(overall.max(), rel=1e-5)
    assert table.loc[0, "x_max_eflops"] == X.max()
    assert table.loc[0, "a_post"] == pytest.approx(69.0, abs=2.0)


def test_best_score_is_one_that_rl_reached() -> None:
    hurt = make_branch_rows_with_benchmark(0, 20).reset_index(drop=True)
    start = hurt.query("benchmark == 'overall' and rl_step == 0")["score"].iloc[0]
    hurt.loc[hurt["rl_step"] > 0, "score"] = start - 5 - hurt["rl_step"]
    table = fit_curve_table(hurt, make_script_labels())
    assert table.loc[0, "p_sft"] == pytest.approx(start, rel=1e-5)
    assert float(str(table.loc[0, "pl_rl"])) < 0
    assert (table.loc[0, "verdict"], table.loc[0, "reason"]) == (
        "not identified",
        "the scores fall",
    )
    assert table.loc[0, "best_score"] == pytest.approx(start - 6)


def test_other_branches_do_not_change_a_row() -> None:
    alone = fit_curve_table(make_branch_rows_with_benchmark(0, 20), make_script_labels())
    together = fit_curve_table(make_script_curves(), make_script_labels())
    pd.testing.assert_frame_equal(alone, together.head(1), check_exact=True)


def test_order_of_the_rows_does_not_matter() -> None:
    shuffled = make_script_curves().sample(frac=1.0, random_state=1)
    expected = fit_curve_table(make_script_curves(), make_script_labels())
    pd.testing.assert_frame_equal(
        fit_curve_table(shuffled, make_script_labels()), expected, check_exact=True
    )


def test_compute_of_tiny_models_keeps_its_digits() -> None:
    small = fit_curve_table(
        make_branch_rows_with_benchmark(0, 20, scale=1e-9), make_script_labels()
    )
    large = fit_curve_table(make_branch_rows_with_benchmark(0, 20), make_script_labels())
    assert small["c_mid"].to_numpy() == pytest.approx(large["c_mid"].to_numpy() * 1e-9, rel=1e-4)
    assert list(small["x_max_eflops"]) == [X.max() * 1e-9]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda c: c[c["rl_step"] > 0], "0 points at x_rl = 0"),
        (lambda c: pd.concat([c, c.tail(1)]), "appears twice"),
        (lambda c: c.assign(x_sft_eflops=range(len(c))), "several values of x_sft"),
        (lambda c: c.assign(x_rl_eflops=c["x_rl_eflops"].mod(7)), "decreases"),
        (lambda c: c.assign(paradigm="Pure SFT"), "no row of an RL branch"),
    ],
    ids=["no start", "repeated", "two checkpoints", "compute falls", "no branch"],
)
def test_broken_curves_are_refused(change: object, word: str) -> None:
    assert callable(change)
    overall = make_branch_rows_with_benchmark(0, 20).query("benchmark == 'overall'")
    with pytest.raises(InputError, match=word):
        fit_curve_table(change(overall), make_script_labels())


def round_to_answers(curves: pd.DataFrame) -> pd.DataFrame:
    """The curves with scores that are whole counts of 400 answers."""
    return curves.assign(score=(curves["score"] * 4).round() / 4)


def test_fractions_are_refused_and_tiny_percentages_are_not() -> None:
    fractions = round_to_answers(make_script_curves()).assign(score=lambda c: c["score"] / 100)
    with pytest.raises(InputError, match=r"between 0 and 1.*multiply the column score by 100"):
        extract_branches(fractions)
    answers = np.resize([0.0, 0.25, 0.5, 0.75], len(make_branch_rows_with_benchmark(0, 20)) // 2)
    hopeless = make_branch_rows_with_benchmark(0, 20).assign(score=[*answers, *answers])
    assert extract_branches(hopeless)[0].branch.score.max() == 0.75


def test_text_for_a_number_is_one_line() -> None:
    wrong = make_script_curves().astype({"score": object})
    wrong.loc[3, "score"] = "n/a?"
    with pytest.raises(InputError, match=r"row 4, column score: 'n/a\?' is not a number") as error:
        extract_branches(wrong)
    assert "\n" not in str(error.value)


def test_an_overall_score_that_its_benchmarks_contradict_is_refused() -> None:
    wrong = make_branch_rows_with_benchmark(0, 20).reset_index(drop=True)
    later = (wrong["benchmark"] == "overall") & (wrong["rl_step"] == 4)
    wrong.loc[later, "score"] += 3.0
    with pytest.raises(InputError, match=r"RL step 4: the overall score is .* the benchmarks give"):
        extract_branches(wrong)


def test_a_branch_without_a_label_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"seed 0.*no sub-phase"):
        fit_curve_table(make_script_curves(), make_script_labels(seed=1))


def write_script_inputs(folder: Path, spec: str, table: pd.DataFrame) -> dict[str, Path]:
    """Write the inputs of the script and set its command line; the paths by name."""
    names = {"curves": "csv", "subphases": "csv", "out": "csv", "out-draws": "parquet"}
    paths = {name: folder / f"{name}.{kind}" for name, kind in names.items()}
    table.to_csv(paths["curves"], index=False)
    make_script_labels().to_csv(paths["subphases"], index=False)
    options = [f"--{name}={path}" for name, path in paths.items()]
    sys.argv = ["fit_curves", *options, "--listed", "none", "--spec", spec]
    return paths


def test_script_writes_the_same_bytes_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [])
    paths = write_script_inputs(tmp_path, JOB.model_dump_json(), make_script_curves())
    outputs = [paths["out"], paths["out-draws"]]
    script.main()
    first = [path.read_bytes() for path in outputs]
    script.main()
    assert [path.read_bytes() for path in outputs] == first
    draws = pd.read_parquet(paths["out-draws"])
    assert len(draws) == 2 * 30
    fits = pd.read_csv(paths["out"])
    assert list(fits["protocol"]) == ["robust", "robust"]
    inside = draws["a_post"].between(fits["a_post_low"].min(), fits["a_post_high"].max())
    assert 0.8 < inside.mean() < 1


def test_branches_draw_independently() -> None:
    branches = extract_branches(
        pd.concat([make_branch_rows_with_benchmark(0, 20), make_branch_rows_with_benchmark(0, 0)])
    )
    first, second = (fitted.draws for fitted in fit_tables.fit_branches(branches, JOB, None))
    noise = [draws["p_sft"] - draws["p_sft"].mean() for draws in (first, second)]
    assert abs(np.corrcoef(noise)[0, 1]) < 0.5


def test_a_branch_that_the_table_leaves_out_is_not_fitted() -> None:
    branches = extract_branches(make_script_curves())
    job = make_fit_job("kit", FitSettings(n_bootstrap=5))
    listed = {("easy", 20): ListedSettings(end=X.size)}
    table = fit_tables.tabulate_fits(
        branches, fit_tables.fit_branches(branches, job, listed), make_script_labels(), job
    )
    assert list(table["n_fit"]) == [X.size, 1]
    assert table["a_post"].notna().tolist() == [True, False]
    assert table.loc[1, "verdict"] == "not identified"


def test_the_common_compute_is_what_every_branch_reached() -> None:
    longer, shorter = make_branch_rows_with_benchmark(0, 20), make_branch_rows_with_benchmark(1, 20)
    shorter = shorter[shorter["rl_step"] <= 7]
    branches = extract_branches(
        pd.concat([longer, shorter, make_branch_rows_with_benchmark(0, 0, scale=0.01)])
    )
    assert fit_tables.find_common_compute(branches) == X[7]


def test_script_names_the_curve_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [])
    paths = write_script_inputs(
        tmp_path, JOB.model_dump_json(), make_script_curves().assign(score=200.0)
    )
    with pytest.raises(InputError, match=r"curves\.csv: branch .*outside 0 to 100"):
        script.main()
    assert not paths["out"].exists()


@pytest.mark.parametrize("spec", ['{"name": "robust"}', "[]", '{"fit": {"min_points": 2}}'])
def test_a_wrong_specification_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str
) -> None:
    monkeypatch.setattr(sys, "argv", [])
    write_script_inputs(tmp_path, spec, make_script_curves())
    with pytest.raises(InputError, match="--spec: "):
        script.main()
