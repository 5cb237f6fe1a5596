"""The grid of recipes: batched refits against direct ones, benchmarks left out, what is said."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from retu.config.analysis import FitSettings, Protocol
from retu.core.errors import InputError
from retu.planning.jobs import SensitivityJob
from retu.reporting import sensitivity_page
from retu.reporting.fit_sensitivity import (
    build_branch_table,
    build_recipe_table,
    build_sensitivity_summary,
    drop_benchmarks,
)
from retu.reporting.sensitivity_text import tabulate_branch_ranges, tabulate_sensitivity
from retu.scaling.best_curve import fit_problem
from retu.scaling.branch import Branch, ListedSettings, make_branch
from retu.scaling.fit_recipes import list_recipes, refit_cases
from retu.scaling.problem import make_problem
from workflow_scripts import sensitivity as script

AXES: dict[str, list[object]] = {
    "cap_factor": [1.5, None],
    "student": [4.0, None],
    "weights": ["binomial", "equal"],
    "origin": ["free", "p_sft"],
    "stop_at_collapse": [True, False],
}
X = np.linspace(0.0, 60.0, 25)
N_PROBLEMS = {"easy": 300, "hard": 100}


def make_sensitivity_job(**axes: list[object]) -> SensitivityJob:
    """A job over some axes from the default protocol."""
    return SensitivityJob(
        protocol=Protocol(), fit=FitSettings(common_compute=40.0), axes=axes or AXES
    )


def make_rising_branch(gain: float, collapse: bool, seed: int = 3) -> Branch:
    """A noisy curve of the law; with a collapse its last points fall by 20."""
    rng = np.random.default_rng(seed)
    score = 70 + gain / (1 + (15 / np.maximum(X, 1e-9)) ** 1.5) + rng.normal(0, 0.3, X.size)
    score[X > 48] -= 20.0 * collapse
    return make_branch(X, score, rng.uniform(0.5, 0.9, X.size))


@pytest.mark.parametrize("collapse", [False, True])
def test_batched_refits_are_direct_fits(collapse: bool) -> None:
    branches = [make_rising_branch(8.0, collapse), make_rising_branch(3.0, False, seed=5)]
    recipes = list_recipes(make_sensitivity_job())
    cases = [(branch, recipe.protocol) for branch in branches for recipe in recipes]
    found = refit_cases(cases, min_points=5, x_common=40.0)
    for (branch, protocol), values in zip(cases, found, strict=True):
        curve = fit_problem(
            make_problem(branch, protocol, ListedSettings()), ListedSettings()
        ).curve
        at_common = curve.compute_score(np.array([40.0]))[0, 0]
        assert values == pytest.approx([curve.ceiling[0], at_common], abs=1e-6)


def test_only_a_collapse_tells_recipes_apart_that_stop_there() -> None:
    recipes = list_recipes(make_sensitivity_job(student=[None], stop_at_collapse=[True, False]))
    for collapse in (True, False):
        branch = make_rising_branch(8.0, collapse)
        stopped, whole = refit_cases([(branch, r.protocol) for r in recipes], 5, 40.0)[:, 0]
        assert bool(abs(stopped - whole) > 1) is collapse
        assert stopped == pytest.approx(78.0, abs=3.0)


def test_a_protocol_of_its_own_search_is_fitted_as_it_is() -> None:
    protocol = Protocol(search="single start", student=None, origin="p_sft", cap_factor=None)
    branch = make_rising_branch(8.0, False)
    curve = fit_problem(make_problem(branch, protocol, ListedSettings()), ListedSettings()).curve
    assert refit_cases([(branch, protocol)], 5, 40.0)[0, 0] == pytest.approx(curve.ceiling[0])


def test_flat_and_short_branches_have_no_invented_ceiling() -> None:
    flat = make_branch(X, 70 - X / 10)
    short = make_branch(X[:3], [70, 71, 72])
    protocol = Protocol(origin="p_sft")
    found = refit_cases([(flat, protocol), (short, protocol)], 5, float("nan"))
    assert found[0, 0] == 70.0
    assert np.isnan(found[:, 1]).all(), "no common compute"
    assert np.isnan(found[1, 0])


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"cap_facto": [1.5]}, "axes: cap_facto: no such key; did you mean cap_factor"),
        ({"cap_factor": [-1.0]}, "axes: cap_factor: .* got -1.0"),
        ({"benchmarks": ["minerva"]}, "not a list of benchmarks"),
    ],
)
def test_impossible_axes_are_named(axes: dict[str, list[object]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        list_recipes(make_sensitivity_job(**axes))


def make_curves() -> pd.DataFrame:
    """Two data sets with two branches each, two benchmarks; only A gains on `hard`."""
    rows = []
    for dataset, step, gain in (("A", 10, 4.0), ("A", 20, 6.0), ("B", 10, 2.0), ("B", 20, 3.0)):
        rng = np.random.default_rng([step, int(gain)])
        rise = X / (X + 10.0)
        scores: dict[str, np.ndarray] = {
            "easy": 80 + gain * rise + rng.normal(0, 0.2, X.size),
            "hard": 30 + 10 * gain * rise * (dataset == "A") + rng.normal(0, 0.2, X.size),
        }
        total = sum(N_PROBLEMS.values())
        counts = {**N_PROBLEMS, "overall": total}
        weighted = [scores[name] * count for name, count in N_PROBLEMS.items()]
        scores["overall"] = np.sum(weighted, axis=0) / total
        for benchmark, values in scores.items():
            rows += [
                {
                    "study": "made", "model": "m", "dataset": dataset, "sft_step": step,
                    "paradigm": "SFT-then-RL", "recipe": "r", "seed": 0, "x_sft_eflops": 1.0,
                    "x_rl_eflops": x, "benchmark": benchmark, "n_problems": counts[benchmark],
                    "n_samples": counts[benchmark], "score": score, "rl_step": 10 * place,
                    "source": "made",
                }
                for place, (x, score) in enumerate(zip(X, values, strict=True))
            ]  # fmt: skip
    return pd.DataFrame(rows)


def make_losses() -> pd.DataFrame:
    """A has the lower loss."""
    row = {
        "study": "made", "model": "m", "seed": 0, "sft_step": 10, "x_sft_eflops": 1.0,
        "ratio": 1.0, "subphase": "Stable", "margin_stable": -0.02, "margin_severe": -0.1,
        "branch": True,
    }  # fmt: skip
    losses = {"A": 0.4, "B": 0.5}
    return pd.DataFrame(
        [row | {"dataset": n, "val_loss": loss, "min_val_loss": loss} for n, loss in losses.items()]
    )


def test_leaving_a_benchmark_out_keeps_the_mean_over_problems() -> None:
    curves = make_curves()
    left = drop_benchmarks(curves, ["hard"])
    assert set(left["benchmark"]) == {"easy", "overall"}
    keys = ["dataset", "sft_step", "rl_step"]
    easy = curves[curves["benchmark"] == "easy"].set_index(keys)["score"]
    overall = left[left["benchmark"] == "overall"].set_index(keys)["score"]
    pd.testing.assert_series_equal(overall, easy.loc[overall.index], check_exact=False)
    apart = curves[curves["benchmark"] == "easy"].assign(benchmark="options", score=1.0)
    both = pd.concat([curves, apart])
    marked = both.assign(out_of_distribution=both["benchmark"] == "options")
    kept = drop_benchmarks(marked, ["hard"])
    again = kept[kept["benchmark"] == "overall"].set_index(keys)["score"]
    pd.testing.assert_series_equal(again, overall)
    with pytest.raises(InputError, match="no benchmark 'other'"):
        drop_benchmarks(curves, ["other"])
    with pytest.raises(InputError, match="leaves no benchmark"):
        drop_benchmarks(curves, ["hard", "easy"])


def run_script(folder: Path, monkeypatch: pytest.MonkeyPatch, axes: dict[str, object]) -> Path:
    """Run the script on the made-up curves."""
    make_curves().to_csv(folder / "curves.csv", index=False)
    make_losses().to_csv(folder / "subphases.csv", index=False)
    spec = json.dumps({"protocol": {}, "fit": {"common_compute": 40.0}, "axes": axes})
    outputs = ("out", "out-recipes", "out-summary")
    options = [f"--{name}={folder}/{name}.csv" for name in outputs]
    inputs = [f"--curves={folder}/curves.csv", f"--subphases={folder}/subphases.csv"]
    argv = ["x", *inputs, f"--spec={spec}", *options, f"--out-md={folder}/page.md"]
    monkeypatch.setattr(sys, "argv", argv)
    script.main()
    return folder


def test_the_script_tells_sets_of_benchmarks_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    axes = {"cap_factor": [1.5, 2.0], "benchmarks": [[], ["hard"]]}
    out = run_script(tmp_path, monkeypatch, axes)
    branches = pd.read_csv(out / "out.csv")
    assert list(branches["dataset"]) == ["A", "A", "B", "B"] * 2
    assert set(branches["benchmarks"]) == {"all", "without hard"}
    both = branches.pivot(index=["dataset", "sft_step"], columns="benchmarks", values="a_post_min")
    shift = both["without hard"] - both["all"]
    assert (shift.loc["B"] > 10).all(), "the level of another score"
    assert (branches["a_post_range"] < 2).all()
    assert (branches["rank_best"] >= 1).all()
    recipes = pd.read_csv(out / "out-recipes.csv")
    assert len(recipes) == 4 * 2
    assert recipes.loc[recipes["unchanged"], "cap_factor"].unique().tolist() == [1.5]
    top = recipes[recipes["a_post_rank"] == 1]
    assert set(top["dataset"]) == {"A"}
    page = (out / "page.md").read_text(encoding="utf-8")
    assert "4 recipes" in page
    assert "benchmarks: without hard" in page


def test_summary_counts_orders_and_says_what_is_missing() -> None:
    losses = pd.Series({"A": 0.5, "B": 0.4, "C": 0.3})
    rows = []
    for recipe, values in enumerate(((1.0, 2.0, 3.0), (2.0, 1.0, 3.0), (3.0, 3.0, 3.0))):
        r = np.corrcoef(losses, values)[0, 1] if len(set(values)) > 1 else np.nan
        ranks = pd.Series(values).rank(ascending=False, method="max").astype(int)
        spearman = {0: -1.0, 1: -0.5, 2: np.nan}[recipe]
        for place, name in enumerate(losses.index):
            row = {"recipe": recipe, "axis": "x", "unchanged": False, "dataset": name}
            row |= {"min_val_loss": losses[name]}
            for measure in ("a_post", "common_score", "best_smoothed"):
                row |= {measure: values[place], f"{measure}_rank": ranks[place]}
                row |= {f"{measure}_pearson": r, f"{measure}_spearman": spearman}
            rows.append(row)
    summary = build_sensitivity_summary(pd.DataFrame(rows))
    first = summary.iloc[0]
    assert (first["n_recipes"], first["share_exact_order"]) == (3, pytest.approx(1 / 3))
    assert first["share_lowest_loss_on_top"] == pytest.approx(2 / 3), "a tie is no lead"
    text = tabulate_sensitivity(summary)
    assert text.rows[0][:4] == ("fitted ceiling", "all recipes", "3", "33%")


def test_recipe_table_and_branch_text_of_two_branches() -> None:
    recipes = list_recipes(make_sensitivity_job(cap_factor=[1.5]))
    settings = FitSettings(common_compute=40.0)
    refits = sensitivity_page.refit_all(make_curves(), recipes, settings)
    table = build_recipe_table(refits, pd.Series({"A": 0.4, "B": 0.5}))
    assert table["dataset"].tolist() == ["A", "B"]
    assert table["a_post"].tolist() == [
        refits.values["a_post"][0, :2].max(),
        refits.values["a_post"][0, 2:].max(),
    ]
    text = tabulate_branch_ranges(build_branch_table(refits, ["A", "B"]))
    row = dict(zip(text.headers, text.rows[0], strict=True))
    assert (row["Data set"], row["range"]) == ("A", "0.0")
    assert row["rank in its data set"] in ("1 of 2", "2 of 2")
