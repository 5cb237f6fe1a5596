"""The audit's tables: planted disagreements, missing values, maxima and their intervals."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from audit_fixtures import (
    MISS,
    ORDER,
    RUNAWAY,
    UNPUBLISHED,
    Audit,
    make_audit,
    make_small_tables,
    select_branch,
)

from retu.audit.report.branch_table import (
    build_audit_table_4,
    count_branches,
    tabulate_ceilings,
    tabulate_parameters,
)
from retu.audit.report.compared_values import FIXED_POINT_COLUMNS, ProtocolFits, read_protocol_fits
from retu.audit.report.loss_and_ceiling import (
    OBSERVED,
    RELEASED_ONLY,
    add_released_only,
    build_correlation_table,
    build_value_table,
    correlate_without_benchmarks,
    tabulate_values,
)
from retu.core.errors import InputError
from retu.core.markdown import MISSING, TextTable
from retu.reporting.tidy_files import fill_text_cells

NO_FIXED_POINTS = pd.DataFrame(columns=list(FIXED_POINT_COLUMNS))


def read_fitted(made: Audit) -> dict[str, ProtocolFits]:
    """The protocols as the scripts read them."""
    return {
        name: ProtocolFits(fill_text_cells(made.fits[name]), fill_text_cells(made.draws[name]))
        for name in made.fits
    }


def build_table_4(made: Audit, fixed_points: pd.DataFrame = NO_FIXED_POINTS) -> pd.DataFrame:
    """The audit's Table 4."""
    return build_audit_table_4(
        fill_text_cells(made.published), read_fitted(made), fixed_points, ORDER
    )


def get_text_row(text: TextTable, table: pd.DataFrame, branch: tuple[str, int]) -> dict[str, str]:
    """One row of a text table by header."""
    place = int(np.flatnonzero(select_branch(table, branch))[0])
    return dict(zip(text.headers, text.rows[place], strict=True))


def test_a_planted_disagreement_is_shown_and_others_agree() -> None:
    table = build_table_4(make_audit(), make_small_tables()["fixed_points"])
    assert table.loc[select_branch(table, MISS), "paper_agrees"].tolist() == ["no"]
    assert (table["paper_agrees"] == "no").sum() == 1
    row = get_text_row(tabulate_parameters(table), table, MISS)
    assert (row["Paper protocol agrees"], row["Other fixed point"]) == ("no", "yes")
    assert row["Sub-phase (drawn)"] == "Stable (Adaptation)"


def test_fixed_points_are_asked_for_misses_only() -> None:
    known = make_small_tables()["fixed_points"]
    everywhere = pd.concat([known, known.assign(dataset="Small", sft_step=40)])
    table = build_table_4(make_audit(), everywhere)
    assert table.loc[select_branch(table, ("Small", 40)), "fixed_point"].tolist() == [""]
    assert (
        get_text_row(tabulate_parameters(build_table_4(make_audit())), table, MISS)[
            "Other fixed point"
        ]
        == MISSING
    )


def test_missing_published_values_are_dashes() -> None:
    table = build_table_4(make_audit())
    parameters = get_text_row(tabulate_parameters(table), table, UNPUBLISHED)
    for name in ("P_sft published", "PL_rl published", "PL_rl kit", "Paper protocol agrees"):
        assert parameters[name] == MISSING
    ceilings = get_text_row(tabulate_ceilings(table), table, UNPUBLISHED)
    assert ceilings["A_post published"] == MISSING
    assert ceilings["A_post robust"] != MISSING
    assert ceilings["Score at the end"] != MISSING


def test_published_minus_ours_is_what_a_reader_subtracts() -> None:
    made = make_audit()
    paper = made.fits["paper"]
    chosen = select_branch(paper, MISS)
    made.published.loc[select_branch(made.published, MISS), "pl_rl"] = 6.0
    # 6.0 - 6.35 is -0.35, but the table shows 6.3 (stored as a little less than 6.35).
    made.fits["paper"] = paper.assign(pl_rl=paper["pl_rl"].where(~chosen, 6.349))
    made.fits["robust"].loc[select_branch(made.fits["robust"], MISS), "pl_rl"] = 5.96
    table = build_table_4(made)
    cells = table.loc[select_branch(table, MISS)].iloc[0]
    assert cells["pl_rl_published_minus_paper"] == -0.3
    assert cells["pl_rl_published_minus_robust"] == 0.0
    row = get_text_row(tabulate_parameters(table), table, MISS)
    assert row["PL_rl published \N{MINUS SIGN} paper"] == "\N{MINUS SIGN}0.3"
    assert row["PL_rl published \N{MINUS SIGN} robust"] == "+0.0"
    published = table["a_post_published"].notna()
    shown = [float(f"{v:.1f}") for v in table.loc[published, "a_post_robust"]]
    found = table.loc[published, "a_post_published_minus_robust"].tolist()
    ours = table.loc[published, "a_post_published"].round(1).tolist()
    assert found == [round(a - b, 1) + 0.0 for a, b in zip(ours, shown, strict=True)]
    assert table.loc[~published, "a_post_published_minus_robust"].isna().all()
    missing = get_text_row(tabulate_ceilings(table), table, UNPUBLISHED)
    assert missing["A_post published \N{MINUS SIGN} robust"] == MISSING


def test_table_4_keeps_order_and_every_branch() -> None:
    made = make_audit()
    table = build_table_4(made)
    assert table["dataset"].drop_duplicates().tolist() == ["none", *ORDER]
    assert len(table) == len(made.fits["robust"])
    assert tabulate_ceilings(table).rows[0][0] == "Pure RL"
    shuffled = make_audit()
    shuffled.fits["kit"] = shuffled.fits["kit"].sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(build_table_4(shuffled), table)


def test_counts_follow_the_table() -> None:
    found = count_branches(build_table_4(make_audit(), make_small_tables()["fixed_points"]))
    assert (found["branches"], found["published"], found["starts"]) == (17, 16, 16)
    assert (found["paper_agrees"], found["misses"], found["misses_fixed"]) == (15, 1, 1)
    assert (found["plain"], found["plain_agree"]) == (15, 15)
    assert found["kit_above_100"] == 1
    assert found["robust_identified"] == 17
    wide = make_audit()
    wide.fits["robust"]["end_high"] += 3.0
    assert count_branches(build_table_4(wide))["end_narrow"] == 0


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("kit", "paper"), "no fits of the protocol robust"),
        (("kit", "paper", "kit"), "give each protocol once"),
    ],
)
def test_wrong_sets_of_protocols_are_refused(
    names: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    made = make_audit()
    paths = [tmp_path / f"{place}.csv" for place in range(len(names))]
    for path, name in zip(paths, names, strict=True):
        made.fits[name].to_csv(path, index=False)
    with pytest.raises(InputError, match=message):
        read_protocol_fits(paths)
    with pytest.raises(InputError, match="give one each"):
        read_protocol_fits(paths, paths[:1])


def test_a_second_seed_is_refused(tmp_path: Path) -> None:
    fits = make_audit().fits["robust"]
    pd.concat([fits, fits.assign(seed=1)]).to_csv(tmp_path / "two.csv", index=False)
    with pytest.raises(InputError, match="stands there twice"):
        read_protocol_fits([tmp_path / "two.csv"])


def test_highest_values_and_the_interval_of_a_maximum() -> None:
    made = make_audit()
    values = build_value_table(made.ceilings, read_fitted(made), made.subphases, ["Unseen", *ORDER])
    chosen = (values["column_set"] == "robust") & (values["dataset"] == "Large")
    top = values[chosen].to_dict("records")[0]
    fits = made.fits["robust"].query("dataset == 'Large'").sort_values("a_post")
    assert (top["value"], top["sft_step"]) == tuple(fits[["a_post", "sft_step"]].iloc[-1])
    draws = made.draws["robust"].query("dataset == 'Large'").groupby("draw")["a_post"].max()
    assert [top["low"], top["high"]] == pytest.approx(np.quantile(draws, [0.05, 0.95]).tolist())
    kit = values[values["column_set"] == "kit"].set_index("dataset")["value"]
    assert kit[RUNAWAY[0]] > 100


def test_correlation_interval_repeats_the_draws_one_by_one() -> None:
    made = make_audit()
    values = build_value_table(made.ceilings, read_fitted(made), made.subphases, ORDER)
    table = build_correlation_table(values, read_fitted(made)).to_dict("records")
    found = {row["column_set"]: row for row in table}
    own = values[values["column_set"] == OBSERVED].set_index("dataset")["min_val_loss"]
    best = made.draws["robust"].groupby(["draw", "dataset"])["best_smoothed"].max().unstack()
    r = [np.corrcoef(row, own)[0, 1] for row in best[list(own.index)].to_numpy(dtype=float)]
    ends = [found[OBSERVED]["boot_low"], found[OBSERVED]["boot_high"]]
    assert ends == pytest.approx(np.quantile(r, [0.05, 0.95]).tolist())
    assert (found["published"]["n"], found["robust"]["n"]) == (5, 4)
    assert np.isnan(found["published"]["boot_low"])


def test_a_set_without_curves_is_said_not_to_be_released() -> None:
    made = make_audit()
    values = build_value_table(made.ceilings, read_fitted(made), made.subphases, [*ORDER, "Unseen"])
    more = add_released_only(values)
    found = build_correlation_table(more, read_fitted(made)).set_index("column_set")
    assert found.loc[RELEASED_ONLY, "n"] == 4
    text = tabulate_values(more, [*ORDER, "Unseen"])
    row = dict(zip(text.headers, text.rows[-1], strict=True))
    assert (row["Data set"], row["A_post as published"]) == ("Unseen", "99.0")
    assert row["A_post, robust"] == "not released"
    released = values[values["dataset"] != "Unseen"]
    assert RELEASED_ONLY not in set(add_released_only(released)["column_set"])


def test_correlations_without_a_benchmark_come_from_the_unchanged_protocol() -> None:
    shared = {"a_post_pearson": -0.5, "common_score_pearson": -0.9, "best_smoothed_pearson": -0.8}
    recipes = pd.DataFrame(
        [
            shared | {"benchmarks": "all", "unchanged": True},
            shared | {"benchmarks": "without m", "unchanged": False, "a_post_pearson": 0.3},
            shared | {"benchmarks": "without m", "unchanged": True, "a_post_pearson": -0.7},
        ]
    )
    table = correlate_without_benchmarks(recipes)
    assert table["pearson_without_m"].to_dict() == {
        "robust": -0.7,
        "equal compute": -0.9,
        "best observed": -0.8,
    }
