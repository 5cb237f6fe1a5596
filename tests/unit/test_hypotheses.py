"""Registered hypotheses over replicates: effects that were put in are found, and no others."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypotheses_fixtures import ALIKE, REPLICATES, SETS, SETTINGS, MadeStudy
from scipy.special import stdtr
from scipy.stats import nct, t

from retu.audit.hypotheses.contrasts import RIPE
from retu.audit.hypotheses.graded_runs import compute_drawdown, read_graded_runs
from retu.audit.hypotheses.hypotheses_page import format_hypotheses
from retu.audit.hypotheses.inference import adjust_holm, pool_contrasts
from retu.audit.hypotheses.judge_hypotheses import HYPOTHESIS_COLUMNS, SCORE, describe_sets
from retu.audit.hypotheses.power import (
    compute_power,
    count_seeds_needed,
    describe_power,
    find_detectable_effect,
)
from retu.audit.hypotheses.problem_draws import draw_problems
from retu.audit.hypotheses.registered import read_hypotheses
from retu.config.load import load_study, load_training_study
from retu.core.errors import InputError
from retu.core.run_paths import NO_DATASET, Run
from retu.reporting import style
from retu.reporting.figure_hypotheses import draw_hypotheses_figure

ROOT = Path(__file__).resolve().parents[2]


def is_ripe(run: Run) -> bool:
    """Whether RL starts from Stable or Mild Overfitting."""
    return run.kind == "rl" and run.sft_step in (20, 30)


def favour_paper(run: Run) -> float:
    """Every hypothesis of the paper is right by some points, H8 excepted."""
    order = {"LabFull": 12.0, "LabHard": 9.0, "LabEasy": 6.0, "LabSmall": 3.0}
    return ALIKE + order.get(run.dataset, 0.0) + (8.0 if is_ripe(run) else 0.0)


def test_planted_effects_are_found_with_their_size() -> None:
    table, detail = MadeStudy(favour_paper).judge()
    assert list(table.reset_index().columns.sort_values()) == sorted(HYPOTHESIS_COLUMNS)
    expected = {
        "not_too_early": 8.0, "not_too_late": 8.0, "sequential_over_mixed": 20.0,
        "sequential_over_pure": 8.0, "more_data": 9.0, "harder_data": 3.0, "loss_predicts": 1.0,
    }  # fmt: skip
    for name, effect in expected.items():
        row = table.loc[name]
        assert row["verdict"] == "supports", name
        assert row["effect"] == pytest.approx(effect, abs=1.0), name
        assert row["low"] < row["effect"] < row["high"] or row["standard_error"] == 0, name
        assert row["n_replicates"] == len(REPLICATES)
    assert table.loc["sequential_steadier", "verdict"] == "undecided"
    scores = detail[detail["measure"] == SCORE]
    assert len(scores) == 8 * len(REPLICATES)
    by_hypothesis = scores.groupby("hypothesis")["contrast"].mean()
    assert by_hypothesis["H1"] == pytest.approx(table.loc["not_too_early", "effect"], rel=1e-4)


def test_no_effect_stays_undecided_and_the_opposite_contradicts() -> None:
    table, _ = MadeStudy().judge()
    points = table.drop(index=["sequential_over_mixed", "sequential_over_pure"])
    assert set(points["verdict"]) == {"undecided"}
    table, _ = MadeStudy(lambda run: 2 * ALIKE - favour_paper(run)).judge()
    for name in ("not_too_early", "not_too_late", "more_data", "harder_data", "loss_predicts"):
        assert table.loc[name, "verdict"] == "contradicts", name
        assert table.loc[name, "effect"] < 0


def test_holm_on_known_values() -> None:
    # Worked out by hand: 0.01 x 4, 0.02 x 3, max(0.06, 0.03 x 2), max(0.06, 0.04).
    assert adjust_holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert adjust_holm([0.9, 0.6]) == [1.0, 1.0]
    assert adjust_holm([]) == []


def test_verdicts_are_adjusted_over_what_could_be_asked() -> None:
    table, _ = MadeStudy(favour_paper).judge()
    few, _ = MadeStudy(favour_paper, without=lambda run: run.dataset == "LabSmall").judge()
    assert set(few.loc[["more_data"], "verdict"]) == {"cannot be asked here"}
    assert np.isnan(few.loc["more_data", "p_adjusted"])
    for found in (table, few):
        asked = found.dropna(subset=["p"])
        assert adjust_holm(asked["p"].tolist()) == pytest.approx(
            asked["p_adjusted"].tolist(), rel=1e-4
        )


def test_problems_that_all_share_widen_the_interval() -> None:
    """What problems do to a recipe in all replicates alike is no scatter between them."""
    widths, errors = [], []
    for interaction in (0.0, 0.3):
        table, _ = MadeStudy(favour_paper, interaction=interaction).judge()
        row = table.loc["sequential_over_mixed"]
        widths.append(row["high"] - row["low"])
        errors.append(row["sampling_error"])
    assert widths[1] > 2 * widths[0]
    assert errors[0] == pytest.approx(0, abs=1e-6)
    # Two differences of 0.3 a problem, of which benchmarks of 30 and 50 count half each.
    one = 0.3 * 100 * np.sqrt(0.25 / 30 + 0.25 / 50)
    assert errors[1] == pytest.approx(one * np.sqrt(1.5), rel=0.3)


def test_pooled_effect_by_hand() -> None:
    rng = np.random.default_rng(0)
    shared = rng.normal(0, 2.0, 4000)
    values = np.concatenate([np.array([[1.0], [2.0], [3.0]]), np.tile(shared, (3, 1))], axis=1)
    pooled = pool_contrasts(values, 0.05)
    assert (pooled.effect, pooled.scatter, pooled.n) == (2.0, 1.0, 3)
    assert pooled.error == pytest.approx(np.sqrt(1 / 3 + shared.var(ddof=1)))
    assert pooled.high - 2.0 == pytest.approx(4.302653 * pooled.error, rel=1e-6)
    assert pooled.p == pytest.approx(2 * stdtr(2, -2.0 / pooled.error))


def test_missing_runs_are_named() -> None:
    table, detail = MadeStudy(favour_paper, without=lambda run: run.recipe == "dapo_dc").judge()
    for name in ("not_too_early", "more_data", "sequential_steadier"):
        assert table.loc[name, "verdict"] == "cannot be asked here"
        assert "dapo_dc" in table.loc[name, "missing"]
        assert np.isnan(table.loc[name, "effect"])
    assert detail["contrast"].isna().all()

    def lack_one(run: Run) -> bool:
        return run.model == "LabSeed3" and run.dataset == NO_DATASET

    table, detail = MadeStudy(favour_paper, without=lack_one).judge()
    row = table.loc["sequential_over_mixed"]
    assert (row["verdict"], row["n_replicates"]) == ("supports", 4)
    assert row["missing"] == "LabSeed3: luffy or srft from the base model"
    assert table.loc["sequential_over_pure", "missing"] == (
        "LabSeed3: RL by dapo_dc from the base model"
    )
    assert table.loc["more_data", "missing"] == ""


def test_sets_without_both_sub_phases_are_left_out() -> None:
    def lack(run: Run) -> bool:
        return run.dataset == "LabFull" and run.sft_step == 40

    table, detail = MadeStudy(favour_paper, without=lack).judge()
    assert table.loc["not_too_late", "verdict"] == "supports"
    rows = detail[(detail["hypothesis"] == "H2") & (detail["measure"] == SCORE)]
    assert not rows["branches"].str.contains("LabFull").any()
    assert rows["branches"].str.contains("LabSmall step 40").all()


def test_the_mixed_method_is_one_for_all_replicates() -> None:
    """srft is best in one replicate and luffy on the whole."""

    def level(run: Run) -> float:
        if run.recipe == "srft":
            return 75.0 if run.model == "LabSeed0" else 50.0
        return 65.0 if run.recipe == "luffy" else 70.0

    table, detail = MadeStudy(level, scatter=0.0).judge()
    row = table.loc["sequential_over_mixed"]
    assert row["effect"] == pytest.approx(5.0)
    assert row["note"] == "the best of 2 mixed methods over replicates is luffy"
    rows = detail[(detail["hypothesis"] == "H3") & (detail["measure"] == SCORE)]
    assert rows["contrast"].to_numpy() == pytest.approx(np.full(5, 5.0))


def test_sequential_is_compared_with_the_better_of_rl_and_sft_alone() -> None:
    def level(run: Run) -> float:
        if run.kind == "sft":
            return 66.0 if run.model == "LabSeed0" else 40.0
        return 62.0 if run.dataset == NO_DATASET else 70.0

    _, detail = MadeStudy(level, scatter=0.0).judge()
    rows = detail[(detail["hypothesis"] == "H4") & (detail["measure"] == SCORE)]
    assert rows["contrast"].to_numpy() == pytest.approx(np.array([4.0, 8, 8, 8, 8]))


def test_drawdown_of_a_curve_by_hand() -> None:
    # Averages of three: 20, 30, 25, 15, 20; the fall from 30 to 15.
    curve = np.array([[10.0, 20, 30, 40, 5, 0, 55]])
    found = compute_drawdown(curve)
    assert found is not None
    assert found == pytest.approx([15.0])
    rising = compute_drawdown(np.arange(8.0)[None, :])
    assert rising is not None
    assert rising == pytest.approx([0.0])
    assert compute_drawdown(np.ones((2, 3))) is None


def test_ceilings_stand_beside_final_scores() -> None:
    fits = pd.DataFrame(
        {"model": name, "dataset": dataset, "sft_step": step, "recipe": "dapo_dc", "seed": 0,
         "a_post": 90.0 if dataset == "LabFull" else 80.0,
         "verdict": "identified" if step == 20 else "bound"}
        for name in REPLICATES for dataset in SETS for step in (20, 30)
    )  # fmt: skip
    table, _ = MadeStudy(favour_paper).judge(fits)
    row = table.loc["more_data"]
    assert row["ceiling_effect"] == 10.0
    assert (row["n_ceilings"], row["n_identified"]) == (20, 10)
    assert pd.isna(table.loc["loss_predicts", "n_ceilings"])
    assert pd.isna(table.loc["not_too_early", "n_ceilings"])


def test_other_predictors_stand_beside_the_loss() -> None:
    table, detail = MadeStudy(favour_paper, samples=4).judge()
    beside = table.loc["loss_predicts", "beside"]
    assert beside.startswith("highest P_sft: 1.00")
    assert "pass@k: " in beside
    assert "4 sets takes few values" in table.loc["loss_predicts", "note"]
    assert {"highest P_sft", "pass@k"} <= set(detail["measure"])
    table, _ = MadeStudy(favour_paper).judge()
    assert "pass@k: cannot be asked" in table.loc["loss_predicts", "beside"]


def compute_power_by_noncentral_t(effect: float, scatter: float, n: int, alpha: float) -> float:
    """The power of a two-sided t test by scipy's noncentral t, where that knows it."""
    limit, shift = t.isf(alpha / 2, n - 1), abs(effect) / scatter * np.sqrt(n)
    found = float(nct.sf(limit, n - 1, shift) + nct.cdf(-limit, n - 1, shift))
    assert np.isfinite(found)
    return found


@pytest.mark.parametrize(
    ("effect", "scatter", "alpha"), [(1.0, 1.0, 0.05), (-2.0, 1.5, 0.05 / 8), (0.4, 1.0, 0.05 / 8)]
)
def test_seeds_needed_by_a_calculation_of_its_own(
    effect: float, scatter: float, alpha: float
) -> None:
    n = count_seeds_needed(effect, scatter, alpha)
    assert n is not None
    assert compute_power_by_noncentral_t(abs(effect), scatter, n, alpha) >= 0.8
    assert compute_power_by_noncentral_t(abs(effect), scatter, n - 1, alpha) < 0.8


def test_what_no_number_of_seeds_settles() -> None:
    assert count_seeds_needed(0.0, 1.0, 0.05) is None
    assert count_seeds_needed(0.01, 1.0, 0.05) is None
    assert count_seeds_needed(1.0, 0.1, 0.05, shared=1.0) is None
    assert count_seeds_needed(1.0, 0.0, 0.05) == 2
    assert count_seeds_needed(1000.0, 1.0, 0.05) == 2


def test_power_where_the_noncentral_t_of_scipy_knows_none() -> None:
    """By a sum over a million drawn samples of two and of five values."""
    rng = np.random.default_rng(0)
    for n, shift in ((2, 36.0), (2, 100.0), (5, 100.0), (20, 20.0)):
        deviation = np.sqrt(rng.chisquare(n - 1, 1_000_000) / (n - 1))
        drawn = (rng.normal(shift, 1, 1_000_000) / deviation > t.isf(0.05 / 16, n - 1)).mean()
        assert compute_power(shift, n, 0.05 / 8) == pytest.approx(drawn, abs=2e-3)


@pytest.mark.parametrize("n", [2, 5, 20])
def test_the_detectable_effect_is_found_four_times_in_five(n: int) -> None:
    effect = find_detectable_effect(1.5 / np.sqrt(n), n, 0.05 / 8)
    assert compute_power_by_noncentral_t(effect, 1.5, n, 0.05 / 8) == pytest.approx(0.8, abs=1e-3)
    assert f"{n} replicates with a scatter of 1.5 points find an effect of {effect:.1f}" in (
        describe_power(1.5, n, 0.05 / 8)
    )


def test_draws_stay_within_benchmarks_and_scores_weigh_them() -> None:
    index = pd.MultiIndex.from_tuples(
        [("A", "1"), ("A", "2"), ("B", "1"), ("B", "2"), ("B", "3"), ("B", "4")],
        names=["benchmark", "problem_id"],
    )
    shares = np.array([1.0, 0.0, 1.0, 1.0, 1.0, 1.0])
    by_benchmark = draw_problems(index, "benchmarks", 50)
    assert (by_benchmark.counts[:, :2].sum(axis=1) == 2).all()
    assert (by_benchmark.counts[:, 2:].sum(axis=1) == 4).all()
    assert by_benchmark.score_problems(shares)[0] == pytest.approx(75.0)
    by_problem = draw_problems(index, "problems", 50)
    assert by_problem.score_problems(shares)[0] == pytest.approx(500 / 6)
    among = np.array([True, True, False, False, False, False])
    assert by_benchmark.score_problems(shares, among)[0] == pytest.approx(50.0)
    assert by_problem.score_problems(shares, among)[0] == pytest.approx(50.0)


def write_grades(folder: Path, run: Run, problems: list[str], steps: list[int]) -> Path:
    """grades.parquet of a run: right at even problems, benchmark Away always wrong."""
    rows = [
        {"step": step, "benchmark": name, "problem_id": p, "sample": 0,
         "correct": int(name == "Chain1" and int(p) % 2 == 0)}
        for step in steps for name in ("Chain1", "Away") for p in problems
    ]  # fmt: skip
    path = folder / run.path / "grades.parquet"
    path.parent.mkdir(parents=True)
    pd.DataFrame(rows).to_parquet(path)
    return path


def test_grades_are_read_with_rungs_joined(tmp_path: Path) -> None:
    branch = {"model": "m", "dataset": "d", "sft_step": 5, "recipe": "r"}
    runs = [Run("rl", **branch, rung=1), Run("rl", **branch, rung=2)]
    steps = [[1, 2], [3, 10]]
    problems = ["0", "1", "2"]
    paths = [write_grades(tmp_path, r, problems, s) for r, s in zip(runs, steps, strict=True)]
    (graded,) = read_graded_runs(paths, ["Away"])
    assert graded.steps == [1, 2, 3, 10]
    assert graded.shares.index.get_level_values(0).unique().tolist() == ["Chain1"]
    assert graded.shares[10].mean() == pytest.approx(2 / 3)
    other = write_grades(tmp_path, Run("sft", "m", "d"), ["0", "1"], [5])
    with pytest.raises(InputError, match=r"sft/m/d/seed0 and rl/m/d/.* different problems"):
        read_graded_runs([*paths, other], ["Away"])


def test_the_page_and_the_figure_show_every_hypothesis() -> None:
    table, detail = MadeStudy(favour_paper, without=lambda run: run.recipe == "srft").judge()
    rows = table.reset_index()
    page = format_hypotheses(rows, detail, "lab_science", SETTINGS)
    for one in rows["id"]:
        assert f"| {one} |" in page
    assert "Protocol test-1" in page
    assert "rows: 1, 2" in page
    with style.use_style():
        drawn = style.make_svg(
            draw_hypotheses_figure(rows, detail[detail["measure"] == SCORE])
        ).decode()
    assert drawn.startswith("<?xml")


def test_registered_hypotheses_are_whole() -> None:
    found = read_hypotheses(ROOT / "claims" / "hypotheses.yaml")
    assert [one.id for one in found] == [f"H{i}" for i in range(1, 9)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: e[0].update(contrast="not_to_early"), r"entry 1: contrast: .*did you mean"),
        (lambda e: e[1].update(id="H1"), r"entry 2: H1 .*already; keep one"),
        (lambda e: e[2].update(unit="percent"), r"entry 3: unit: "),
        (lambda e: e[3].pop("against"), r"entry 4: against: "),
    ],
)
def test_a_wrong_entry_is_named(
    tmp_path: Path, change: Callable[[list[dict[str, str]]], None], message: str
) -> None:
    entries = yaml.safe_load((ROOT / "claims" / "hypotheses.yaml").read_text())
    change(entries)
    path = tmp_path / "hypotheses.yaml"
    path.write_text(yaml.safe_dump(entries))
    with pytest.raises(InputError, match=message):
        read_hypotheses(path)


def test_sets_are_described() -> None:
    stats = pd.DataFrame(
        {"dataset": ["LabFull", "LabSmall", "LabEasy"], "rows": [300, 20, 50],
         "win_rate": [0.5, 0.4, 1.0]}
    )  # fmt: skip
    assert describe_sets(stats, SETTINGS) == {
        "more_data": "rows: LabSmall 20, LabFull 300", "harder_data": "win rate: LabEasy 1.00"
    }  # fmt: skip


HYPOTHESES = {
    "protocol": "lab-1",
    "replicates": ["LabQwen", "LabLlama"],
    "recipe": "dapo_dc",
    "mixed": ["luffy", "srft"],
    "sizes": ["LabSmall", "LabFull"],
    "difficulties": ["LabEasy", "LabHard"],
    "switch_sets": ["LabFull"],
}


def write_study(folder: Path, **changes: object) -> str:
    """A study of the lab with hypotheses."""
    path = folder / "mine.yaml"
    content = {"extends": "lab", "name": "mine", "hypotheses": {**HYPOTHESES, **changes}}
    path.write_text(yaml.safe_dump(content))
    return str(path)


def test_a_study_names_what_its_hypotheses_compare(tmp_path: Path) -> None:
    settings = load_training_study(write_study(tmp_path)).hypotheses
    assert settings is not None
    assert (settings.last_evaluations, settings.alpha) == (5, 0.05)
    assert load_training_study("lab").hypotheses is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"replicates": ["LabQwen"]}, r"hypotheses\.replicates: .*at least 2"),
        ({"replicates": ["LabQwen", "LabLama"]}, r"unknown model 'LabLama'; did you mean"),
        ({"replicates": ["LabQwen", "LabQwen"]}, r"replicates: LabQwen appears twice; keep one"),
        ({"recipe": "dapo"}, r"hypotheses\.recipe: unknown RL recipe 'dapo'"),
        ({"mixed": ["lufy"]}, r"hypotheses\.mixed: unknown RL recipe 'lufy'; did you mean luffy"),
        ({"mixed": ["dapo_dc"]}, r"hypotheses\.mixed: dapo_dc is the recipe itself"),
        ({"sizes": ["LabSmall", "Labful"]}, r"hypotheses\.sizes: unknown data set 'Labful'"),
        ({"difficulties": ["LabEasy"]}, r"hypotheses\.difficulties: .*at least 2"),
        ({"switch_sets": []}, r"hypotheses\.switch_sets: .*at least 1"),
        ({"alpha": 0}, r"hypotheses\.alpha: .*greater than 0"),
        ({"protocol": ""}, r"hypotheses\.protocol: .*at least 1"),
        ({"seeds": 3}, r"hypotheses\.seeds: .*not permitted"),
    ],
)
def test_mistakes_in_hypotheses(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        load_study(write_study(tmp_path, **changes))
    assert "\n" not in str(refused.value)


def test_ripe_sub_phases_are_those_of_the_labels() -> None:
    assert RIPE == ("Stable", "Mild Overfitting")
