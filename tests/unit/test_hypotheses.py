"""Registered hypotheses over replicates: effects that were put in are found, and no others."""

import numpy as np
import pandas as pd
import pytest
from hypotheses_fixtures import ALIKE, REPLICATES, SETS, SETTINGS, MadeStudy
from scipy.special import stdtr

from retu.audit.hypotheses.contrasts import RIPE
from retu.audit.hypotheses.graded_runs import compute_drawdown
from retu.audit.hypotheses.hypotheses_page import format_hypotheses
from retu.audit.hypotheses.inference import adjust_holm, decide_verdict, pool_contrasts
from retu.audit.hypotheses.judge_hypotheses import HYPOTHESIS_COLUMNS, SCORE
from retu.audit.hypotheses.problem_draws import draw_problems
from retu.core.run_paths import NO_DATASET, Run
from retu.reporting import style
from retu.reporting.figure_hypotheses import draw_hypotheses_figure


def is_ripe(run: Run) -> bool:
    """Whether RL starts from Stable or Mild Overfitting."""
    return run.kind == "rl" and run.sft_step in (20, 30)


def favour_paper(run: Run) -> float:
    """Every hypothesis of the paper is right by some points, H8 excepted."""
    order = {"LabFull": 12.0, "LabHard": 9.0, "LabEasy": 6.0, "LabSmall": 3.0}
    return ALIKE + order.get(run.dataset, 0.0) + (8.0 if is_ripe(run) else 0.0)


def test_planted_effects_are_found_with_their_size() -> None:
    table, detail = MadeStudy(favour_paper).judge()
    assert all(tuple(row) == HYPOTHESIS_COLUMNS for row in table.values())
    expected = {
        "not_too_early": 8.0, "not_too_late": 8.0, "sequential_over_mixed": 20.0,
        "sequential_over_pure": 8.0, "more_data": 9.0, "harder_data": 3.0, "loss_predicts": 1.0,
    }  # fmt: skip
    for name, effect in expected.items():
        row = table[name]
        assert row["verdict"] == "supports", name
        assert row["effect"] == pytest.approx(effect, abs=1.0), name
        assert row["low"] < row["effect"] < row["high"] or row["standard_error"] == 0, name
        assert row["n_replicates"] == len(REPLICATES)
    assert table["sequential_steadier"]["verdict"] == "undecided"
    scores = detail[detail["measure"] == SCORE]
    assert len(scores) == 8 * len(REPLICATES)
    by_hypothesis = scores.groupby("hypothesis")["contrast"].mean()
    assert by_hypothesis["H1"] == pytest.approx(table["not_too_early"]["effect"], rel=1e-4)


def test_no_effect_stays_undecided_and_the_opposite_contradicts() -> None:
    table, _ = MadeStudy().judge()
    # With equal scores the best of two is above one: those two contrasts lie below 0.
    best_of = ("sequential_over_mixed", "sequential_over_pure")
    assert {row["verdict"] for n, row in table.items() if n not in best_of} == {"undecided"}
    table, _ = MadeStudy(lambda run: 2 * ALIKE - favour_paper(run)).judge()
    for name in ("not_too_early", "not_too_late", "more_data", "harder_data", "loss_predicts"):
        assert table[name]["verdict"] == "contradicts", name
        assert table[name]["effect"] < 0


def test_holm_on_known_values() -> None:
    # Worked out by hand: 0.01 x 4, 0.02 x 3, max(0.06, 0.03 x 2), max(0.06, 0.04).
    assert adjust_holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert adjust_holm([0.9, 0.6]) == [1.0, 1.0]
    assert adjust_holm([]) == []


@pytest.mark.parametrize(
    ("effect", "p", "verdict"),
    [
        (1.0, 0.049, "supports"),
        (-1.0, 0.049, "contradicts"),
        (1.0, 0.05, "undecided"),
        (float("nan"), float("nan"), "undecided"),
    ],
)
def test_only_a_p_value_below_the_level_decides(effect: float, p: float, verdict: str) -> None:
    assert decide_verdict(effect, p, 0.05) == verdict


def test_verdicts_are_adjusted_over_what_could_be_asked() -> None:
    table, _ = MadeStudy(favour_paper).judge()
    few, _ = MadeStudy(favour_paper, without=lambda run: run.dataset == "LabSmall").judge()
    assert few["more_data"]["verdict"] == "cannot be asked here"
    assert np.isnan(few["more_data"]["p_adjusted"])
    for found in (table, few):
        asked = [row for row in found.values() if np.isfinite(row["p"])]
        adjusted = [row["p_adjusted"] for row in asked]
        assert adjust_holm([row["p"] for row in asked]) == pytest.approx(adjusted, rel=1e-4)


def test_problems_that_all_share_widen_the_interval() -> None:
    """What problems do to a recipe in all replicates alike is no scatter between them."""
    widths, errors = [], []
    for interaction in (0.0, 0.3):
        table, _ = MadeStudy(favour_paper, interaction=interaction).judge()
        row = table["sequential_over_mixed"]
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


def test_sign_flips_by_hand() -> None:
    def flip(points: list[float], *shared: float) -> float:
        values = np.array([[point, *shared] for point in points])
        return pool_contrasts(values, 0.05, "sign_flip").p

    # Of 16 ways two are as far from 0 as four of one sign; the smallest turned makes four.
    assert flip([1.0, 2.0, 30.0, 4.0]) == pytest.approx(2 / 16)
    assert flip([-1.0, 2.0, 30.0, 4.0]) == pytest.approx(4 / 16)
    assert flip([1.0] * 10) == flip([-1.0] * 10) == pytest.approx(2 / 1024)
    assert flip([0.0, 0.0]) == 1.0
    # Means over draws of problems of 0 and 2 have a standard deviation of 1.414.
    assert flip([1.0] * 10, 0.0, 2.0) == pytest.approx(0.4795, abs=1e-3)


def test_only_hypotheses_that_are_asked_enter_the_correction() -> None:
    chosen = SETTINGS.model_copy(update={"asked": ["H1", "H5"], "difficulties": None})
    made = MadeStudy(favour_paper)
    made.settings = chosen
    table, _ = made.judge()
    assert [*table] == ["not_too_early", "more_data"]
    smaller = min(row["p"] for row in table.values())
    assert min(row["p_adjusted"] for row in table.values()) == pytest.approx(2 * smaller, rel=1e-4)
    made.settings = SETTINGS.model_copy(update={"difficulties": None})
    assert "difficulties" in made.judge()[0]["harder_data"]["missing"]


def test_missing_runs_are_named() -> None:
    table, detail = MadeStudy(favour_paper, without=lambda run: run.recipe == "dapo_dc").judge()
    for name in ("not_too_early", "more_data", "sequential_steadier"):
        assert table[name]["verdict"] == "cannot be asked here"
        assert "dapo_dc" in table[name]["missing"]
        assert np.isnan(table[name]["effect"])
    assert detail["contrast"].isna().all()

    def lack_one(run: Run) -> bool:
        return run.model == "LabSeed3" and run.dataset == NO_DATASET

    table, detail = MadeStudy(favour_paper, without=lack_one).judge()
    row = table["sequential_over_mixed"]
    assert (row["verdict"], row["n_replicates"]) == ("supports", 4)
    assert row["missing"] == "LabSeed3: luffy or srft from the base model"
    assert table["sequential_over_pure"]["missing"] == (
        "LabSeed3: RL by dapo_dc from the base model"
    )
    assert table["more_data"]["missing"] == ""


def test_sets_without_both_sub_phases_are_left_out() -> None:
    def lack(run: Run) -> bool:
        return run.dataset == "LabFull" and run.sft_step == 40

    table, detail = MadeStudy(favour_paper, without=lack).judge()
    assert table["not_too_late"]["verdict"] == "supports"
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
    row = table["sequential_over_mixed"]
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
    row = table["more_data"]
    assert row["ceiling_effect"] == 10.0
    assert (row["n_ceilings"], row["n_identified"]) == (20, 10)
    assert pd.isna(table["loss_predicts"]["n_ceilings"])
    assert pd.isna(table["not_too_early"]["n_ceilings"])


def test_other_predictors_stand_beside_the_loss() -> None:
    table, detail = MadeStudy(favour_paper, samples=4).judge()
    beside = table["loss_predicts"]["beside"]
    assert beside.startswith("highest P_sft: 1.00")
    assert "pass@k: " in beside
    assert "4 sets takes few values" in table["loss_predicts"]["note"]
    assert {"highest P_sft", "pass@k"} <= set(detail["measure"])
    table, _ = MadeStudy(favour_paper).judge()
    assert "pass@k: cannot be asked" in table["loss_predicts"]["beside"]


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


def test_the_page_and_the_figure_show_every_hypothesis() -> None:
    rows, detail = MadeStudy(favour_paper, without=lambda run: run.recipe == "srft").tabulate()
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


def test_ripe_sub_phases_are_those_of_the_labels() -> None:
    assert RIPE == ("Stable", "Mild Overfitting")


def test_rank_correlations_that_agree_by_chance_are_not_sure() -> None:
    """Two replicates with the same order of sets scatter by nothing; chance alone gives that."""
    order = {"LabFull": 2.0, "LabHard": 9.0, "LabEasy": 4.0, "LabSmall": 1.0}

    def level(run: Run) -> float:
        return ALIKE + order.get(run.dataset, 0.0)

    only = ("LabSeed0", "LabSeed1")
    table, _ = MadeStudy(level, scatter=0.0, replicates=only).judge()
    row = table["loss_predicts"]
    assert (row["scatter"], row["n_replicates"]) == (0.0, 2)
    assert row["p"] > 0.2
    assert row["verdict"] == "undecided"
