"""`fit_curves` on tables of anyone's: the workflow's numbers, and one line for every mistake."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from retu.config.analysis import FitSettings
from retu.config.protocols import load_protocols, make_fit_job
from retu.core.errors import InputError
from retu.scaling.fitting.curve_fits import fit_curves
from retu.scaling.fitting.fit_tables import fit_branches, tabulate_fits
from retu.scaling.law import compute_gain
from retu.scaling.measured_branches import extract_branches

X = np.concatenate([[0.0], np.geomspace(1.0, 40.0, 10)])
FIT = FitSettings(n_bootstrap=30)


def make_points(draw: int = 0, **columns: object) -> pd.DataFrame:
    """Points of one branch with a ceiling at 69 percent."""
    noise = np.random.default_rng(draw).normal(0, 0.3, X.size)
    score = 60 + compute_gain(X, epsilon=0.0, pl_rl=9.0, c_mid=6.0, b=1.5) + noise
    return pd.DataFrame({**columns, "x_rl_eflops": X, "score": score})


def make_workflow_table() -> pd.DataFrame:
    """Two branches as results/STUDY/curves.csv has them, from base models, which need no label."""
    facts = {"study": "s", "dataset": "none", "sft_step": 0, "paradigm": "Pure RL", "recipe": "r"}
    counts = {"n_problems": 400, "n_samples": 400, "x_sft_eflops": 0.0, "rl_step": range(X.size)}
    branches = [make_points(i, **facts, model=f"m{i}", seed=0, **counts) for i in (0, 1)]
    rows = pd.concat(branches, ignore_index=True)
    return pd.concat([rows.assign(benchmark=name) for name in ("overall", "k3")])


def test_a_table_of_the_workflow_gets_the_workflows_numbers(tmp_path: Path) -> None:
    table = make_workflow_table()
    job = make_fit_job("robust", FIT)
    branches = extract_branches(table)
    labels = pd.DataFrame(columns=["study", "model", "dataset", "sft_step", "seed", "subphase"])
    wanted = tabulate_fits(branches, fit_branches(branches, job, None), labels, job)
    path = tmp_path / "curves.csv"
    table.to_csv(path, index=False)
    for given in (table, path, str(path)):
        found = fit_curves(given, fit=FIT)
        pd.testing.assert_frame_equal(found, wanted[list(found.columns)])


def test_rows_out_of_distribution_change_no_branch() -> None:
    table = make_workflow_table()
    apart = table[table["benchmark"] == "k3"].assign(benchmark="options", score=20.0, n_problems=7)
    both = pd.concat([table, apart])
    marked = both.assign(out_of_distribution=both["benchmark"] == "options")
    for one, other in zip(extract_branches(marked), extract_branches(table), strict=True):
        np.testing.assert_array_equal(one.branch.error, other.branch.error)
        np.testing.assert_array_equal(one.branch.score, other.branch.score)
    with pytest.raises(InputError, match="the benchmarks give"):
        extract_branches(both)


def test_branches_are_told_apart_and_rows_may_be_in_any_order() -> None:
    one, other = make_points(0, branch="a"), make_points(1, branch="b")
    both = pd.concat([one, other]).sample(frac=1.0, random_state=5)
    found = fit_curves(both, fit=FIT)
    assert list(found["branch"]) == ["a", "b"]
    assert found["a_post"].between(66, 72).all()
    assert (found["a_post_low"] < found["a_post_high"]).all()
    assert set(found["verdict"]) <= {"identified", "bound", "not identified"}
    renamed = both.rename(columns={"branch": "run"})
    assert list(fit_curves(renamed, by=["run"], fit=FIT)["run"]) == ["a", "b"]


def test_a_single_branch_needs_no_name_and_errors_count() -> None:
    points = make_points()
    plain = fit_curves(points, fit=FIT)
    assert (len(plain), "branch" in plain) == (1, False)
    error = np.where(X > 20, 5.0, 0.3)
    assert fit_curves(points.assign(error=error), fit=FIT)["noise"][0] != plain["noise"][0]


@pytest.mark.parametrize("protocol", load_protocols())
def test_every_protocol_fits_without_a_table_of_settings(protocol: str) -> None:
    found = fit_curves(make_points(), protocol, fit=FIT)
    assert list(found["protocol"]) == [protocol]
    assert 66 < found["a_post"][0] < 76


GOOD = make_points()
BAD: dict[str, tuple[Any, dict[str, Any], str]] = {
    "protocol": (GOOD, {"protocol": "robst"}, "unknown protocol 'robst'; did you mean robust"),
    "column": (GOOD.drop(columns="score"), {}, "curves: lacks the columns score; add them"),
    "by": (GOOD, {"by": "run"}, "curves: lacks the columns run"),
    "rows": (GOOD.head(0), {}, "curves: has no rows; give the points"),
    "text": (GOOD.assign(score="high"), {}, "row 1, column score: 'high' is not a number"),
    "fractions": (GOOD.assign(score=GOOD["score"] / 100), {}, "these are fractions"),
    "no start": (GOOD.tail(9), {}, "0 points at x_rl = 0; exactly one"),
    "branch": (GOOD.assign(branch="a", score=120.0), {}, "curves: branch a: a score is missing"),
    "path": ("there_is_none.csv", {}, r"there_is_none\.csv: not readable \(No such file"),
}


@pytest.mark.parametrize(("table", "options", "message"), BAD.values(), ids=BAD.keys())
def test_a_mistake_is_one_line(table: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        fit_curves(table, **options)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    for name, content in (("a.csv", b""), ("b.csv", b"\xff\xfe\x00"), ("c.parquet", b"no")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=f"{name}: not readable") as raised:
            fit_curves(tmp_path / name)
        assert "\n" not in str(raised.value)
