"""The audit in three lines and its cards: their numbers against tables counted by hand."""

from dataclasses import replace

import pandas as pd
import pytest
from audit_fixtures import make_claims, make_small_tables

from retu.audit.claims.claim_verdict import EXACT, INCONSISTENT
from retu.audit.report.answer_text import AuditTables
from retu.audit.report.compared_values import PUBLISHED, ROBUST
from retu.audit.report.loss_and_ceiling import COMMON
from retu.audit.report.short_audit import (
    CARDS,
    arrange_audit_cards,
    shorten_forecast,
    shorten_headlines,
    shorten_identification,
    shorten_indicator,
    shorten_labels,
    shorten_paper,
    shorten_reproduction,
    shorten_sensitivity,
    summarise_audit,
)
from retu.core.markdown import MISSING

NAN = float("nan")
CHANCES = ("probability_ceiling", "probability_common", "probability_best")


def make_branch(**known: object) -> dict[str, object]:
    """A branch of the audit's Table 4 that reproduces and is identified."""
    row: dict[str, object] = {
        "dataset": "Small", "paradigm": "SFT-then-RL", "p_sft": 40.0, "p_sft_published": 40.1,
        "pl_rl_published": 5.0, "paper_agrees": "yes", "kit_agrees": "no", "lts_share": 0.0,
        "fixed_point": "", "at_bound_paper": False, "a_post_kit": 45.0,
        "verdict_robust": "identified", "reason_robust": "", "x_common_eflops": 2.0,
    }  # fmt: skip
    for place in ("end", "double", "common"):
        row |= {f"{place}_low": 44.0, f"{place}_high": 45.0}
    return row | known


def make_table_4() -> pd.DataFrame:
    """Three branches: one as above, one that misses and is open, one that nobody published."""
    open_ = {"verdict_robust": "not identified", "common_high": 46.0, "end_high": 46.0}
    missed = make_branch(paper_agrees="no", p_sft_published=40.2, **open_)
    unpublished = make_branch(paper_agrees="", pl_rl_published=NAN, p_sft_published=NAN)
    return pd.DataFrame([make_branch(), missed, unpublished])


def make_indicators(**pearson: float) -> pd.DataFrame:
    """figure_8.csv: a row a column set and data set, the correlation repeated."""
    rows = [
        {"column_set": name, "dataset": dataset, "pearson": value, "n": 2}
        | dict.fromkeys(("fisher_low", "fisher_high", "boot_low", "boot_high"), value)
        for name, value in ({PUBLISHED: -0.9, ROBUST: -0.4, COMMON: -0.75} | pearson).items()
        for dataset in ("Small", "Large")
    ]
    return pd.DataFrame(rows)


def make_sensitivity() -> pd.DataFrame:
    """Two measures over all recipes, and one over a part of them."""
    row = {"axis": "all recipes", "pearson_min": -0.9, "pearson_max": 0.1, "n_recipes": 8}
    return pd.DataFrame(
        [
            row | {"measure": "a_post", "share_exact_order": 0.25},
            row | {"measure": "common_score", "share_exact_order": 1.0},
            row | {"measure": "best_smoothed", "share_exact_order": 1.0},
            row | {"measure": "a_post", "share_exact_order": 0.5, "axis": "cap_factor"},
        ]
    )


def make_tables() -> AuditTables:
    """All tables of an audit."""
    small = make_small_tables()
    return AuditTables(
        table_4=make_table_4(),
        figure_8=make_indicators(),
        claims=make_claims(),
        sensitivity=make_sensitivity(),
        quality=small["data_quality"],
        labels=small["labels_check"],
        forecasts=small["forecast_scores"],
    )


TABLES = make_tables()


def make_forecasts(*rows: tuple[str, float, float]) -> AuditTables:
    """Tables with errors of forecasts by method and share of the branch that is seen."""
    columns = ["method", "fraction", "median_rmse"]
    return replace(TABLES, forecasts=pd.DataFrame(rows, columns=columns).assign(coverage=0.9))


def test_three_lines_and_an_advice() -> None:
    verdict = summarise_audit(TABLES)
    assert {line.label: line.text for line in verdict.lines} == {
        "What reproduces": "1 of 2 printed P_sft, and 1 of 2 PL_rl within 0.15 points by the"
        " paper's protocol.",
        "What does not": "The data identify 2 of 3 ceilings. They know the score at the end of 2"
        " branches within 2 points.",
        "Headlines": "Of 2 sentences that can be tested, 2 hold at equal compute, 2 by best"
        " observed scores, 1 by ceilings.",
    }
    assert verdict.advice == "Plan with the ceilings that the data identify, and with no others."


def test_where_most_ceilings_are_open_none_is_to_be_planned_with() -> None:
    table = make_table_4().assign(verdict_robust=["identified", "bound", ""])
    advice = summarise_audit(replace(TABLES, table_4=table)).advice
    assert "known within 2 points for 2 of 3 branches. Plan with no printed ceiling." in advice
    half = table.iloc[:2]
    assert "with no others" in summarise_audit(replace(TABLES, table_4=half)).advice


def test_an_interval_of_two_points_is_not_within_two() -> None:
    assert "at the end of 2 branches" in shorten_identification(TABLES)
    narrower = TABLES.table_4.assign(end_high=45.999)
    assert "at the end of 3" in shorten_identification(replace(TABLES, table_4=narrower))
    unknown = TABLES.table_4.assign(end_high=NAN)
    assert "at the end of 0" in shorten_identification(replace(TABLES, table_4=unknown))


def test_a_paper_that_printed_nothing_reproduces_nothing() -> None:
    table = TABLES.table_4.assign(pl_rl_published=NAN, p_sft_published=NAN)
    assert shorten_reproduction(replace(TABLES, table_4=table)).startswith("0 of 0 printed P_sft")


def test_sentences_that_no_curve_tests_are_not_counted() -> None:
    claims = TABLES.claims
    assert shorten_headlines(TABLES).startswith("Of 2 sentences")
    untested = claims.assign(**dict.fromkeys(CHANCES, NAN))
    for none in (untested, claims.iloc[:0]):
        line = shorten_headlines(replace(TABLES, claims=none))
        assert line == "No sentence can be tested here."
    one = claims[claims["id"].isin(["a", "s2"])]
    line = shorten_headlines(replace(TABLES, claims=one))
    assert line == (
        "Of 1 sentence that can be tested, 1 hold at equal compute, 1 by best observed scores,"
        " 0 by ceilings."
    )


def test_the_indicator_is_told_by_three_column_sets() -> None:
    start = "Correlation r with the minimum validation loss: "
    assert shorten_indicator(TABLES) == (
        f"{start}\N{MINUS SIGN}0.90 as published, \N{MINUS SIGN}0.40 by robust ceilings,"
        " \N{MINUS SIGN}0.75 at equal compute."
    )
    none = replace(TABLES, figure_8=make_indicators(robust=NAN))
    assert f"{MISSING} by robust ceilings" in shorten_indicator(none)


def test_the_order_of_data_sets_is_told_over_all_recipes() -> None:
    start = "Recipes that keep the data sets in the order of their losses: "
    assert shorten_sensitivity(TABLES) == f"{start}25% by ceilings, 100% at equal compute."
    rows = TABLES.sensitivity
    without = rows.assign(pearson_min=rows["pearson_min"].where(rows["measure"] != "a_post"))
    line = shorten_sensitivity(replace(TABLES, sensitivity=without))
    assert line == f"{start}100% at equal compute."
    for none in (rows.assign(pearson_min=NAN), rows.iloc[:0]):
        line = shorten_sensitivity(replace(TABLES, sensitivity=none))
        assert line == "No recipe relates all data sets."


@pytest.mark.parametrize(
    ("verdicts", "line"),
    [
        ([EXACT, INCONSISTENT], "1 of 2 printed numbers contradict others in the paper."),
        ([EXACT, EXACT], "0 of 2 printed numbers contradict others in the paper."),
        ([], "0 of 0 printed numbers contradict others in the paper."),
    ],
)
def test_numbers_that_contradict_others_are_counted(verdicts: list[str], line: str) -> None:
    """A sentence is none of them, whatever its verdict."""
    numbers = [{"quantity": "PL_rl", "verdict": one} for one in verdicts]
    claims = pd.DataFrame([*numbers, {"quantity": "statement", "verdict": INCONSISTENT}])
    assert shorten_paper(replace(TABLES, claims=claims)) == line


@pytest.mark.parametrize(
    ("agrees", "line"),
    [([True, False, True], "2 of 3"), ([False], "0 of 1"), ([], "0 of 0")],
)
def test_drawn_labels_are_counted(agrees: list[bool], line: str) -> None:
    labels = pd.DataFrame({"agrees_digitised": agrees})
    told = f"{line} drawn sub-phases follow from the losses by Eq. 5-9."
    assert shorten_labels(replace(TABLES, labels=labels)) == told


def test_the_forecast_from_most_of_the_curve_is_told() -> None:
    """Beside the best rule of the same part; parts that lack one of the two are passed over."""
    tables = make_forecasts(
        ("forecast", 0.3, 2.0), ("last", 0.3, 3.0), ("best", 0.3, 2.5), ("forecast", 0.5, 1.0),
        ("last", 0.15, 0.1), ("forecast", 0.15, 0.1),
    )  # fmt: skip
    assert shorten_forecast(tables) == (
        "From its first 30% a branch is forecast within 2.00 points (median); the best simple"
        " rule errs by 2.50."
    )


@pytest.mark.parametrize("rows", [[], [("forecast", 0.3, 2.0)], [("last", 0.3, 2.0)]])
def test_without_both_there_is_no_forecast(rows: list[tuple[str, float, float]]) -> None:
    assert shorten_forecast(make_forecasts(*rows)) == "No forecast."


def test_an_error_that_is_not_known_is_a_dash() -> None:
    line = shorten_forecast(make_forecasts(("forecast", 0.3, NAN), ("last", 0.3, NAN)))
    assert f"within {MISSING} points" in line
    assert line.endswith(f"errs by {MISSING}.")


def test_every_card_has_its_line_and_the_paragraph_behind_it() -> None:
    cards = arrange_audit_cards(TABLES)
    assert list(cards) == list(CARDS)
    for name, card in cards.items():
        (line,) = card.lines
        assert line.text == CARDS[name][0](TABLES)
        assert line.evidence == CARDS[name][1](TABLES).text
        assert line.evidence != line.text
