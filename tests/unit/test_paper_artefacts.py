"""Tables 1, 5, 6, figures 4 and 7 and the table per benchmark, on a made-up study."""

import math

import numpy as np
import pandas as pd
import pytest
from reporting_fixtures import CHECKPOINT, METHODS, MadeParameters, make_frames

from retu.core.errors import InputError
from retu.reporting import style
from retu.reporting.benchmark_table import build_benchmark_table, format_benchmark_table
from retu.reporting.best_scores import TABLE_1_COLUMNS, build_table_1, format_table_1
from retu.reporting.branch_points import list_branch_points
from retu.reporting.figure_distribution import build_distribution_table, draw_distribution_figure
from retu.reporting.figure_scale import build_scale_table, draw_scale_figure
from retu.reporting.scale_tables import (
    build_table_5,
    build_table_6,
    describe_scale_correlations,
    format_table_5,
    format_table_6,
)
from retu.reporting.tidy_files import OVERALL, fill_text_cells
from retu.scaling.correlation import correlate_pairs

ORDER = ("Small", "Medium", "Large", "Huge")
STATS = pd.DataFrame(
    {
        "dataset": [*ORDER, "validation"],
        "role": ["sft"] * 4 + ["validation"],
        "rows": [4000, 200, 1000, 500, 50],
    }
)


@pytest.fixture(scope="module")
def made_frames() -> dict[str, pd.DataFrame]:
    """Two seeds, two models, all methods from the base model and after SFT."""
    parameters = MadeParameters(
        seeds=(0, 1), models=("tiny", "large"), methods=tuple(METHODS), after_sft=tuple(METHODS)
    )
    return {name: fill_text_cells(frame) for name, frame in make_frames(parameters).items()}


@pytest.fixture(scope="module")
def overall(made_frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The overall rows of its curves."""
    curves = made_frames["curves"]
    return curves[curves["benchmark"] == OVERALL].reset_index(drop=True)


def find_highest(curves: pd.DataFrame, limit: float = math.inf, **key: object) -> float:
    """Mean over seeds of the highest score after training, written out again."""
    rows = curves
    for name, value in key.items():
        rows = rows[rows[name] == value]
    rows = rows[(rows["rl_step"] > 0) & (rows["rl_step"] <= limit)]
    by_step = [
        branch.groupby("seed")["score"].max().mean() for _, branch in rows.groupby("sft_step")
    ]
    return max(by_step)


@pytest.mark.parametrize("limit", [None, 40])
def test_table_1_has_the_highest_score_within_the_steps(
    made_frames: dict[str, pd.DataFrame], overall: pd.DataFrame, limit: int | None
) -> None:
    table = build_table_1(overall, made_frames["subphases"], ["large"], ORDER, limit)
    assert list(table.columns) == list(TABLE_1_COLUMNS)
    assert set(table["model"]) == {"large"}
    row = table[(table["paradigm"] == "SFT-then-RL") & (table["dataset"] == "Medium")].iloc[0]
    key = {"model": "large", "dataset": "Medium", "paradigm": "SFT-then-RL"}
    assert row["score"] == pytest.approx(find_highest(overall, limit or math.inf, **key))
    assert row["rl_steps"] == (limit or 120)
    assert row["n_seeds"] == 2
    assert row["score_low"] < row["score"] < row["score_high"]


def test_table_1_knows_minimum_loss_and_switch_point(
    made_frames: dict[str, pd.DataFrame], overall: pd.DataFrame
) -> None:
    table = build_table_1(overall, made_frames["subphases"], ["tiny"], ORDER)
    labels = made_frames["subphases"].query("model == 'tiny'")
    for row in table[table["dataset"] != "none"].to_dict("records"):
        own = labels[labels["dataset"] == row["dataset"]]
        assert row["min_val_loss"] == pytest.approx(own.groupby("seed")["val_loss"].min().mean())
        at = own[own["sft_step"] == row["sft_step"]]
        assert row["subphase"] in set(at["subphase"])
    assert table.iloc[0]["paradigm"] == "Base"
    base = overall.query("model == 'tiny' and sft_step == 0 and rl_step == 0")
    assert table.iloc[0]["score"] in set(base["score"])
    assert math.isnan(table.iloc[0]["min_val_loss"])


def test_table_1_counts_no_point_that_rl_did_not_reach(
    made_frames: dict[str, pd.DataFrame], overall: pd.DataFrame
) -> None:
    worse = overall.copy()
    after = (worse["paradigm"] == "SFT-then-RL") & (worse["rl_step"] > 0)
    worse.loc[after, "score"] = 1.0
    table = build_table_1(worse, made_frames["subphases"], ["tiny"], ORDER)
    assert set(table.loc[table["paradigm"] == "SFT-then-RL", "score"]) == {1.0}


def test_table_1_for_people_names_models_only_where_there_are_several(
    made_frames: dict[str, pd.DataFrame], overall: pd.DataFrame
) -> None:
    one = build_table_1(overall, made_frames["subphases"], ["tiny"], ORDER)
    both = build_table_1(overall, made_frames["subphases"], ["tiny", "large"], ORDER)
    assert "Model" not in format_table_1(one).headers
    assert "Model" in format_table_1(both).headers


def test_table_5_goes_from_the_smallest_set_to_the_largest(
    made_frames: dict[str, pd.DataFrame],
) -> None:
    scale = ["Small", "Medium", "Large"]
    table = build_table_5(made_frames["fits"], made_frames["subphases"], STATS, scale)
    own = table[table["model"] == "tiny"]
    assert list(own["dataset"]) == ["Medium", "Large", "Small"]
    assert list(own["rows"]) == [200, 1000, 4000]
    found = correlate_pairs(own["min_val_loss"].tolist(), own["a_post"].tolist())
    assert own["pearson_a_post"].iloc[0] == pytest.approx(found.pearson)
    assert set(own["n_datasets"]) == {3}
    assert "over 3 sizes" in describe_scale_correlations(table)[0]
    assert "1,000" in format_table_5(table).format_markdown()


def test_models_with_one_size_compare_none(made_frames: dict[str, pd.DataFrame]) -> None:
    fits = made_frames["fits"].query("model != 'large' or dataset in ['Small', 'none']")
    table = build_table_5(fits, made_frames["subphases"], STATS, ["Small", "Medium"])
    assert set(table["model"]) == {"tiny"}
    assert set(build_scale_table(fits, STATS, ["Small", "Medium"])["model"]) == {"tiny"}


def test_table_6_starts_from_step_0_with_the_base_models_loss(
    made_frames: dict[str, pd.DataFrame], overall: pd.DataFrame
) -> None:
    table = build_table_6(made_frames["fits"], overall, made_frames["subphases"], "large", ORDER)
    zero = table[(table["dataset"] == "Small") & (table["sft_step"] == 0)]
    labels = made_frames["subphases"].query(
        "model == 'large' and dataset == 'Small' and sft_step == 0"
    )
    assert sorted(zero["val_loss"]) == pytest.approx(sorted(labels["val_loss"]))
    fits = made_frames["fits"].query("model == 'large' and paradigm == 'Pure RL'")
    assert sorted(zero["a_post"]) == pytest.approx(sorted(fits["a_post"]))
    assert set(table["rl_steps"]) == {120}
    assert set(table["recipe"]) == {"dapo_dc"}
    shown = format_table_6(table)
    assert {row[shown.headers.index("RL steps")] for row in shown.rows} == {"120"}
    assert "GRPO" not in format_table_6(table).format_markdown()


def test_per_benchmark_takes_all_benchmarks_of_one_checkpoint(
    made_frames: dict[str, pd.DataFrame],
) -> None:
    curves = made_frames["curves"].copy()
    # The benchmark alone peaks elsewhere: what counts is the overall score.
    first = (curves["benchmark"] == "arithmetic") & (curves["rl_step"] == 10)
    curves.loc[first, "score"] = 99.0
    table = build_benchmark_table(curves, ORDER, ["arithmetic"])
    key = ["model", "dataset", "sft_step", "paradigm", "recipe", "seed"]
    best = (
        curves[(curves["benchmark"] == OVERALL) & (curves["rl_step"] > 0)]
        .sort_values("score", ascending=False)
        .drop_duplicates(key)
        .set_index(key)["rl_step"]
    )
    rows = table[table["paradigm"] != "Pure SFT"]
    for row in rows.to_dict("records"):
        assert row["rl_step"] == best[tuple(row[name] for name in key)]
        assert row["gain"] == pytest.approx(row["score"] - row["start"])
    shown = format_benchmark_table(table)
    assert shown.headers[-2:] == ("overall", "arithmetic")
    assert "→" in shown.rows[0][-1]


def make_apart(curves: pd.DataFrame) -> pd.DataFrame:
    """The same curves with two benchmarks of another kind."""
    rows = curves[curves["benchmark"] == "arithmetic"]
    other = [rows.assign(benchmark=name, score=rows["score"] / 2) for name in ("Choice", "Free")]
    return pd.concat([curves, *other], ignore_index=True)


def test_figure_4_shows_the_first_and_the_last_checkpoint_with_rl(
    made_frames: dict[str, pd.DataFrame],
) -> None:
    curves = make_apart(made_frames["curves"])
    table = build_distribution_table(curves, ["Free", "Choice"], "tiny", "Large")
    assert list(dict.fromkeys(table["benchmark"])) == ["Free", "Choice"]
    branches = table[table["paradigm"] == "SFT-then-RL"]
    known = curves.query("paradigm == 'SFT-then-RL' and dataset == 'Large'")["sft_step"]
    assert set(branches["sft_step"]) == {known.min(), known.max()}
    with style.use_style():
        figure = draw_distribution_figure(table)
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["Free (200 problems)", "Choice (200 problems)"]


def test_figure_4_shows_what_there_is_where_labels_chose_other_checkpoints(
    made_frames: dict[str, pd.DataFrame],
) -> None:
    curves = made_frames["curves"]
    known = sorted(
        set(curves.query("paradigm == 'SFT-then-RL' and dataset == 'Large'")["sft_step"])
    )
    for named, shown in (([7, known[1]], known[1:2]), ([7], [known[0], known[-1]])):
        table = build_distribution_table(curves, ["arithmetic"], "tiny", "Large", named)
        assert sorted(set(table.query("paradigm == 'SFT-then-RL'")["sft_step"])) == shown


def test_figure_4_refuses_a_set_without_rl(made_frames: dict[str, pd.DataFrame]) -> None:
    curves = made_frames["curves"].query("paradigm != 'SFT-then-RL' or dataset != 'Large'")
    with pytest.raises(InputError, match="starts from no checkpoint on Large"):
        build_distribution_table(curves, ["arithmetic"], "tiny", "Large")


def test_figure_4_takes_one_recipe_from_its_first_to_its_last_checkpoint(
    made_frames: dict[str, pd.DataFrame],
) -> None:
    after = made_frames["curves"].query("paradigm == 'SFT-then-RL' and dataset == 'Large'")
    last = after["sft_step"].max()
    short = after[after["sft_step"] < last].assign(recipe="a_short_one")
    curves = pd.concat([made_frames["curves"], short], ignore_index=True)
    table = build_distribution_table(curves, ["arithmetic"], "tiny", "Large", [CHECKPOINT, last])
    assert set(table.query("paradigm == 'SFT-then-RL'")["recipe"]) == {"dapo_dc"}
    table = build_distribution_table(curves, ["arithmetic"], "tiny", "Large")
    shown = table.query("paradigm == 'SFT-then-RL'")
    assert set(shown["recipe"]) == {"dapo_dc"}
    assert shown["sft_step"].nunique() == 2


def test_figure_7_has_a_row_a_size_with_its_rows(
    made_frames: dict[str, pd.DataFrame], overall: pd.DataFrame
) -> None:
    frames = (overall, made_frames["fits"], made_frames["subphases"])
    with style.use_style():
        figure = draw_scale_figure(*frames, STATS, ["Small", "Medium"])
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]
    assert titles[:2] == ["tiny, Medium, 200 rows", "tiny, Small, 4,000 rows"]
    table = build_scale_table(made_frames["fits"], STATS, ["Small", "Medium"])
    assert list(table["rows"].dropna().unique()) == [200, 4000]


def test_figure_3s_points_are_those_of_sft_its_branches_and_pure_rl(
    made_frames: dict[str, pd.DataFrame], overall: pd.DataFrame
) -> None:
    points = list_branch_points(overall, made_frames["subphases"], ORDER)
    assert set(points["paradigm"]) == {"Pure SFT", "SFT-then-RL", "Pure RL"}
    assert len(points) == int(overall["paradigm"].isin(set(points["paradigm"])).sum())
    assert np.allclose(points["x_total_eflops"], points["x_sft_eflops"] + points["x_rl_eflops"])
    assert CHECKPOINT in set(points["sft_step"])
