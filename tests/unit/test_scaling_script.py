"""`fit_curves`: one row a branch, labels joined, errors that name the branch."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workflow_scripts import fit_curves as script
from workflow_scripts.errors import InputError
from workflow_scripts.scaling.law import gain
from workflow_scripts.scaling.settings import FitSettings

X = np.concatenate([[0.0], np.geomspace(1.0, 40.0, 10)])
SETTINGS = FitSettings(n_bootstrap=30)


def branch(seed: int, sft_step: int, scale: float = 1.0) -> pd.DataFrame:
    """Curve rows of one branch: overall and one benchmark."""
    noise = np.random.default_rng(seed).normal(0, 0.3, X.size)
    score = 60 + gain(X, epsilon=0.0, pl_rl=9.0, c_mid=6.0, b=1.5) + noise
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
    return pd.concat([points.assign(benchmark="overall"), points.assign(benchmark="k3", score=1.0)])


def curves() -> pd.DataFrame:
    """Two branches, and a Pure SFT row that is none."""
    sft = branch(0, 20).head(1).assign(paradigm="Pure SFT")
    return pd.concat([branch(0, 20), sft, branch(0, 0)], ignore_index=True)


def subphases(seed: int = 0) -> pd.DataFrame:
    """Labels of the only SFT run."""
    facts = {"study": "lab", "model": "tiny", "dataset": "easy", "seed": seed}
    return pd.DataFrame([{**facts, "sft_step": 20, "subphase": "Stable"}])


def test_one_row_per_branch_with_its_label() -> None:
    table = script.fit_table(curves(), subphases(), SETTINGS)
    assert list(table["paradigm"]) == ["SFT-then-RL", "Pure RL"]
    assert list(table["subphase"]) == ["Stable", ""]
    assert list(table["x_sft_eflops"]) == [10.0, 0.0]
    assert list(table["n_points"]) == [X.size, X.size]
    overall = branch(0, 20).query("benchmark == 'overall'")["score"]
    assert table.loc[0, "p_sft"] == overall.iloc[0]
    assert table.loc[0, "best_score"] == overall.max()
    assert table.loc[0, "x_max_eflops"] == X.max()
    assert table.loc[0, "a_post"] == pytest.approx(69.0, abs=1.5)


def test_best_score_is_one_that_rl_reached() -> None:
    hurt = branch(0, 20).reset_index(drop=True)
    start = hurt.query("benchmark == 'overall' and rl_step == 0")["score"].iloc[0]
    hurt.loc[hurt["rl_step"] > 0, "score"] = start - 5 - hurt["rl_step"]
    table = script.fit_table(hurt, subphases(), SETTINGS)
    assert table.loc[0, "p_sft"] == start
    assert table.loc[0, "pl_rl"] == 0
    assert table.loc[0, "best_score"] == pytest.approx(start - 6)


def test_other_branches_do_not_change_a_row() -> None:
    alone = script.fit_table(branch(0, 20), subphases(), SETTINGS)
    together = script.fit_table(curves(), subphases(), SETTINGS)
    pd.testing.assert_frame_equal(alone, together.head(1), check_exact=True)


def test_order_of_the_rows_does_not_matter() -> None:
    shuffled = curves().sample(frac=1.0, random_state=1)
    expected = script.fit_table(curves(), subphases(), SETTINGS)
    pd.testing.assert_frame_equal(
        script.fit_table(shuffled, subphases(), SETTINGS), expected, check_exact=True
    )


def test_compute_of_tiny_models_keeps_its_digits() -> None:
    small = script.fit_table(branch(0, 20, scale=1e-9), subphases(), SETTINGS)
    large = script.fit_table(branch(0, 20), subphases(), SETTINGS)
    assert small["c_mid"].to_numpy() == pytest.approx(large["c_mid"].to_numpy() * 1e-9, rel=1e-4)
    assert list(small["x_max_eflops"]) == [X.max() * 1e-9]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda c: c[c["rl_step"] > 0], "0 points at x_rl = 0"),
        (lambda c: pd.concat([c, c.tail(1)]), "appears twice"),
        (lambda c: c.assign(x_sft_eflops=range(len(c))), "several values of x_sft"),
        (lambda c: c.assign(x_rl_eflops=c["x_rl_eflops"].mod(7)), "decreases"),
        (lambda c: c.assign(paradigm="Pure SFT"), "no overall row"),
    ],
    ids=["no start", "repeated", "two checkpoints", "compute falls", "no branch"],
)
def test_broken_curves_are_refused(change: object, word: str) -> None:
    assert callable(change)
    overall = branch(0, 20).query("benchmark == 'overall'")
    with pytest.raises(InputError, match=word):
        script.fit_table(change(overall), subphases(), SETTINGS)


def test_a_branch_without_a_label_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"seed 0.*no sub-phase"):
        script.fit_table(curves(), subphases(seed=1), SETTINGS)


def test_script_writes_the_same_bytes_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = {name: tmp_path / f"{name}.csv" for name in ("curves", "subphases", "out")}
    curves().to_csv(paths["curves"], index=False)
    subphases().to_csv(paths["subphases"], index=False)
    options = [f"--{name}={path}" for name, path in paths.items()]
    monkeypatch.setattr(sys, "argv", ["fit_curves", *options, "--spec", '{"n_bootstrap": 30}'])
    script.main()
    first = paths["out"].read_bytes()
    script.main()
    assert paths["out"].read_bytes() == first
    assert list(pd.read_csv(paths["out"]).columns) == script.OUTPUT


def test_script_names_the_curve_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = {name: tmp_path / f"{name}.csv" for name in ("curves", "subphases", "out")}
    curves().assign(score=200.0).to_csv(paths["curves"], index=False)
    subphases().to_csv(paths["subphases"], index=False)
    options = [f"--{name}={path}" for name, path in paths.items()]
    monkeypatch.setattr(sys, "argv", ["fit_curves", *options, "--spec", "{}"])
    with pytest.raises(InputError, match=r"curves\.csv: branch .*outside 0 to 100"):
        script.main()
    assert not paths["out"].exists()
