"""Figures of a page: specifications that compile, what points tell, looks, sizes, same bytes."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import vl_convert
from chart_fixtures import (
    COLLAPSE_STEP,
    MADE,
    MODEL,
    draw_all,
    list_tips,
    make_training_tables,
    read_spec,
)

from retu.reporting.charts.branch_chart import draw_branch_chart
from retu.reporting.charts.bundle import read_chart_scripts
from retu.reporting.charts.fit_chart import MOST_CURVES, draw_fit_chart
from retu.reporting.charts.page_chart import (
    ChartText,
    PageChart,
    dump_spec,
    finish_chart,
    make_chart_name,
    make_data_uri,
)
from retu.reporting.charts.released_chart import draw_released_chart
from retu.reporting.charts.series import list_series
from retu.reporting.charts.sft_chart import draw_sft_chart
from retu.reporting.charts.spec_parts import add_room, bound_scores
from retu.reporting.charts.training_chart import MOST_STEPS, draw_training_chart, thin_history
from retu.reporting.pages.page_shell import load_page_template
from retu.scaling.fitting.logged_fits import LoggedFits

ROOT = Path(__file__).parents[2]
PAGE_BUDGET = 400_000  # bytes, the data of all charts of a page with 25 branches


@pytest.fixture(scope="module")
def charts() -> dict[str, PageChart]:
    return {chart.name: chart for chart in draw_all()}


def get_data(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """All inline rows of a specification."""
    if isinstance(spec, dict):
        own = spec["data"].get("values", []) if isinstance(spec.get("data"), dict) else []
        named = [row for rows in spec.get("datasets", {}).values() for row in rows]
        return own + named + [row for value in spec.values() for row in get_data(value)]
    return [row for value in spec for row in get_data(value)] if isinstance(spec, list) else []


def test_every_specification_compiles(charts: dict[str, PageChart]) -> None:
    assert list(charts) == ["branches_tiny", "sft_tiny", "ceilings_tiny", "training_tiny"]
    for chart in charts.values():
        made = vl_convert.vegalite_to_vega(chart.spec)
        assert made["marks"], chart.name
        assert read_spec(chart)["description"] == chart.alt


@pytest.mark.parametrize(
    ("name", "tips"),
    [
        ("branches_tiny", {"Branch", "Score (%)", "95% interval (%)", "Problems", "RL step"}),
        ("branches_tiny", {"RL compute (GFLOPs)", "Ceiling", "RL starts in"}),
        ("sft_tiny", {"SFT step", "Validation loss (nats per token)", "Score (%)", "Sub-phase"}),
        ("ceilings_tiny", {"SFT data set", "Highest ceiling (%)", "90% interval (%)"}),
        ("training_tiny", {"Reward", "Entropy (nats per token)", "Gradient norm", "Loss"}),
        ("training_tiny", {"Answer length (tokens)", "Clipped tokens (share)", "Collapse of"}),
    ],
)
def test_points_tell_what_they_are(charts: dict[str, PageChart], name: str, tips: set[str]) -> None:
    assert tips <= list_tips(read_spec(charts[name]))


def test_points_are_those_of_the_tables(charts: dict[str, PageChart]) -> None:
    tables = make_training_tables()
    spec = read_spec(charts["branches_tiny"])
    series = {one["title"]: one["b"] for one in spec["usermeta"]["series"]}
    rows = [row for row in get_data(spec) if "step" in row and row["b"] == series["Small step 80"]]
    own = tables.curves[(tables.curves["dataset"] == "Small") & (tables.curves["sft_step"] == 80)]
    own = own[own["paradigm"] == "SFT-then-RL"].sort_values("rl_step")
    (row,) = rows
    assert row["step"] == own["rl_step"].tolist()
    assert row["y"] == pytest.approx(own["score"].round(2).tolist())
    assert row["x"] == pytest.approx((own["x_rl_eflops"] * 1e9).tolist(), rel=1e-3)
    assert set(row["n"]) == {200}
    assert all(
        low < y < high for low, y, high in zip(row["low"], row["y"], row["high"], strict=True)
    )


def test_intervals_are_wilsons() -> None:
    # Of 50 right of 100: Wilson's interval by hand, z = 1.959964.
    assert bound_scores([50.0, 0.0], [100, 100]) == ([40.4, 0.0], [59.6, 3.7])


def test_bands_cover_the_run_with_its_subphases(charts: dict[str, PageChart]) -> None:
    bands = [row for row in get_data(read_spec(charts["sft_tiny"])) if "start" in row]
    # Two panels a data set, checkpoints 0, 40, 80, 160, 320.
    assert bands[:3] == [
        {"start": 0, "end": 60.0, "subphase": "Adaptation"},
        {"start": 60.0, "end": 240.0, "subphase": "Stable"},
        {"start": 240.0, "end": 320, "subphase": "Severe Overfitting"},
    ]
    assert len(bands) == 3 * 2 * len(MADE.datasets)


def test_collapses_and_moves_are_marked(charts: dict[str, PageChart]) -> None:
    spec = read_spec(charts["training_tiny"])
    reward = next(panel for panel in spec["concat"] if panel["title"] == "Reward")
    loss = next(panel for panel in spec["concat"] if panel["title"] == "Loss")
    steps = [[row["t"] for row in layer["data"]["values"]] for layer in reward["layer"][1:]]
    n_collapsed = int(make_training_tables().fits["collapsed"].sum())
    assert n_collapsed > 1
    assert steps == [[COLLAPSE_STEP] * n_collapsed, [COLLAPSE_STEP - 20] * n_collapsed]
    assert len(loss["layer"]) == 2  # lines, and collapses: nothing is known of moves of the loss


def test_looks_tell_branches_apart(charts: dict[str, PageChart]) -> None:
    for name in ("branches_tiny", "training_tiny"):
        series = read_spec(charts[name])["usermeta"]["series"]
        looks = {(one["colour"], one["path"], tuple(one["dash"])) for one in series}
        assert len(looks) == len(series) == 2 * 4 + 1 + 1 + 2


def test_branches_stand_in_the_order_of_the_study() -> None:
    tables = make_training_tables()
    order = ["Small", "Large"]
    series = list_series(tables.curves, tables.fits, tables.subphases, order)
    assert [one.group for one in series] == sorted(
        (one.group for one in series), key=[*order, "no SFT"].index
    )
    assert [one.label for one in series if one.group == "no SFT"] == ["Pure RL", "DAPO_d", "SRFT"]
    assert series[2].title == "Small step 160"
    assert series[2].subphase == "Stable"
    assert series[2].note == "53.6% (90%: 52.1 to 56.1)"


def test_a_branch_without_fit_or_label_is_drawn() -> None:
    tables = make_training_tables(replace(MADE, without_subphases="Small"))
    fits = tables.fits[tables.fits["dataset"] != "Small"]
    chart = draw_branch_chart(tables.curves, fits, tables.subphases, MODEL)
    assert chart is not None
    series = read_spec(chart)["usermeta"]["series"]
    own = [one for one in series if one["group"] == "Small"]
    assert {(one["subphase"], one["note"]) for one in own} == {("not labelled", "no fit")}


def test_a_model_without_branches_or_labels_has_no_chart() -> None:
    tables = make_training_tables()
    assert draw_branch_chart(tables.curves, tables.fits, tables.subphases, "other") is None
    assert draw_sft_chart(tables.curves, tables.subphases, "other") is None
    assert draw_training_chart(replace(tables, histories={}), MODEL) is None


def test_histories_are_thinned_to_means_of_neighbours() -> None:
    logged = pd.DataFrame({"reward": np.arange(1.0, 201.0)}, index=pd.RangeIndex(1, 201))
    logged.loc[2, "reward"] = np.nan
    thin = thin_history(logged, MOST_STEPS)
    assert len(thin["t"]) == 67 <= MOST_STEPS
    assert (thin["t"][0], thin["t"][-1]) == (3, 200)
    assert (thin["reward"][0], thin["reward"][-1]) == (2.0, 199.5)
    empty = thin_history(pd.DataFrame({"cut": [np.nan, np.nan]}, index=[1, 2]), MOST_STEPS)
    assert empty == {"t": [1, 2], "cut": [None, None]}


def test_25_branches_stay_small() -> None:
    many = replace(MADE, datasets=("A", "B", "C", "D", "E", "F"), after_sft=(), methods=())
    charts = draw_all(many)
    assert len(read_spec(charts[0])["usermeta"]["series"]) == 25
    assert sum(len(chart.spec) for chart in charts) < PAGE_BUDGET


def test_the_same_tables_give_the_same_bytes(charts: dict[str, PageChart]) -> None:
    code = (
        "import sys; sys.path.append('tests/unit'); from chart_fixtures import draw_all\n"
        "print(repr(draw_all()))"
    )
    # Another process, in which sets have another order.
    made = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)},
    )
    assert made.stdout == f"{list(charts.values())!r}\n"


def test_pictures_need_nothing_else(charts: dict[str, PageChart]) -> None:
    for chart in charts.values():
        assert chart.static.startswith("data:image/svg+xml,%3Csvg")
        assert "%3Cimage" not in chart.static
        assert not re.search(r'["<>#]', chart.static)


def test_released_curves_stand_by_data_set_with_their_published_laws() -> None:
    tables = make_training_tables(replace(MADE, methods=(), after_sft=()))
    published = {
        f"{name}_published": tables.fits[name]
        for name in ("p_sft", "epsilon", "pl_rl", "c_mid", "b")
    }
    table = tables.fits.assign(**published)
    table.loc[table["sft_step"] == 80, "b_published"] = np.nan
    chart = draw_released_chart(tables.curves, tables.fits, tables.subphases, table)
    assert chart is not None
    vl_convert.vegalite_to_vega(chart.spec)
    spec = read_spec(chart)
    titles = ["Large: score (%)", "Small: score (%)", "no SFT: score (%)"]
    assert [panel["title"] for panel in spec["concat"]] == titles
    laws = [panel["layer"][-1]["data"]["values"] for panel in spec["concat"]]
    assert [len(rows) for rows in laws] == [3, 3, 1]  # one was not published
    assert {"Published law of", "Published ceiling (%)"} <= list_tips(spec)


def test_a_name_is_one_for_a_page() -> None:
    assert make_chart_name("branches", "Qwen2.5-7B") == "branches_qwen2_5_7b"
    with pytest.raises(ValueError, match="chart's name"):
        finish_chart(ChartText("Bad name", "", "", ""), {}, "data:,")


def test_text_cannot_end_its_element() -> None:
    told = dump_spec({"title": "</script><b>"})
    assert "<" not in told
    assert json.loads(told) == {"title": "</script><b>"}
    assert make_data_uri('<svg a="#"/>') == "data:image/svg+xml,%3Csvg a=%22%23%22/%3E"


def test_ranges_leave_room() -> None:
    assert add_room([0.0, None, 100.0], 0.05) == (-5.0, 105.0)
    low, high = add_room([3.0])
    assert low < 3.0 < high
    assert add_room([float("nan")]) == pytest.approx((-0.04, 1.04))


def test_a_page_has_scripts_once_and_asks_for_nothing(charts: dict[str, PageChart]) -> None:
    scripts = read_chart_scripts()
    assert scripts is read_chart_scripts()
    assert 800_000 < len(scripts) < 1_000_000
    start = scripts[scripts.rindex("// Draws the figures") :]
    assert "http" not in start
    assert "eval(" not in start
    assert start.count("\n") <= 120
    environment = load_page_template("chart_macros.html.j2").environment
    page = environment.from_string(
        '{% from "chart_macros.html.j2" import show_chart, chart_scripts %}'
        "{% for chart in charts %}{{ show_chart(chart) }}{% endfor %}{{ chart_scripts(scripts) }}"
    ).render(charts=charts.values(), scripts=scripts)
    assert page.count('<figure class="chart"') == len(charts)
    assert page.count("</script>") == len(charts) + 1
    assert not re.search(r'(?:src|href)="(?!data:)', page[: page.index("<script>\n(")])


def make_logged_fits(n_curves: int, forecast_at: float | None = None) -> LoggedFits:
    """So many curves of three points, fitted as far as x = 4, by hand."""
    names = [f"run {place}" for place in range(n_curves)]
    fitted: dict[str, Any] = {
        "curve": names,
        "a_post": 71.26,
        "a_post_low": 70.0,
        "a_post_high": 73.0,
        "verdict": "identified",
        "x_end_step": 4.0,
        "forecast_score": [66.0, *[np.nan] * (n_curves - 1)],
        "forecast_low": 60.0,
        "forecast_high": 70.0,
    }
    points = pd.DataFrame(
        {
            "curve": np.repeat(names, 5),
            "x_step": np.tile([0.0, 2.0, 4.0, 6.0, 8.0], n_curves),
            "measured": np.tile([50.0, 60.0, 65.0, np.nan, np.nan], n_curves),
            "score": np.tile([50.0, 61.0, 64.5, 66.0, 67.0], n_curves),
        }
    )
    points = points.assign(low=points["score"] - 2, high=points["score"] + 2)
    return LoggedFits(pd.DataFrame(fitted), points, "step", forecast_at)


def test_own_curves_are_solid_as_far_as_they_are_fitted() -> None:
    chart = draw_fit_chart(make_logged_fits(2, 8.0))
    vl_convert.vegalite_to_vega(chart.spec)
    rows = get_data(read_spec(chart))
    parts = {row["part"]: row["x"] for row in rows if row.get("part") and row["b"] == 1}
    assert parts == {"solid": [0, 2, 4], "beyond": [4, 6, 8]}
    measured = [row for row in rows if "fit" in row]
    assert [(row["x"], row["y"]) for row in measured] == [([0, 2, 4], [50, 60, 65])] * 2
    assert [row["y"] for row in rows if row.get("x") == 8.0] == [66.0]  # one may be forecast
    notes = [one["note"] for one in read_spec(chart)["usermeta"]["series"]]
    assert notes == ["71.3% (90%: 70.0 to 73.0)"] * 2
    assert "forecast" in chart.caption


def test_no_more_own_curves_than_can_be_told_apart() -> None:
    chart = draw_fit_chart(make_logged_fits(MOST_CURVES + 1))
    series = read_spec(chart)["usermeta"]["series"]
    looks = {(one["colour"], one["path"], tuple(one["dash"])) for one in series}
    assert len(looks) == len(series) == MOST_CURVES
    assert f"The first {MOST_CURVES} of {MOST_CURVES + 1} curves" in chart.caption
    assert "forecast" not in chart.caption
