"""Answers cut at the token limit, beside the scores of tables, page and summary."""

import sys
from pathlib import Path

import pandas as pd
import pytest
from reporting_fixtures import (
    ORDER,
    MadeParameters,
    make_frames,
    make_page_content,
    read_frames,
    write_study,
)

from retu.reporting.pages.page_shell import explain_terms
from retu.reporting.pages.study_page import render_report_page
from retu.reporting.paradigm_table import build_paradigm_table, tabulate_paradigms
from retu.reporting.result_tables import (
    build_table_4,
    format_subphase_table,
    format_table_4,
)
from retu.reporting.terminal import TERMINAL_WIDTH, format_run_summary
from retu.reporting.tidy_files import fill_text_cells, read_curves
from retu.reporting.token_cuts import CUT_HEADER, add_cuts, describe_cut_answers
from workflow_scripts import summary as summary_script
from workflow_scripts import table_4 as table_4_script


def make_cut_curves(curves: pd.DataFrame, share: float = 0.12) -> pd.DataFrame:
    """1% of the answers are cut everywhere, `share` at step 50 of the branches from Large, 80."""
    place = (curves["dataset"] == "Large") & (curves["sft_step"] == 80) & (curves["rl_step"] == 50)
    return curves.assign(cut_share=0.01).assign(
        cut_share=lambda frame: frame["cut_share"].mask(place, share)
    )


def test_a_branch_has_the_highest_share_of_its_points() -> None:
    curves, fits = read_frames()
    table = add_cuts(build_table_4(fits, ORDER), make_cut_curves(curves))
    assert len(table) == len(fits)
    high = (table["dataset"] == "Large") & (table["sft_step"] == 80)
    assert high.sum() == 1
    assert table["cut_share"].where(~high, 0.12).eq(0.12).sum() == 1
    assert table.loc[~high, "cut_share"].eq(0.01).all()
    text = format_table_4(table)
    cells = [row[text.headers.index(CUT_HEADER)] for row in text.rows]
    assert sorted(set(cells)) == ["1.0", "12.0"]


def test_tables_of_checkpoints_and_paradigms_have_the_column() -> None:
    curves, fits = read_frames()
    subphases = fill_text_cells(make_frames(MadeParameters())["subphases"])
    with_share = make_cut_curves(curves)
    for text in (
        format_subphase_table(subphases, with_share, ORDER),
        tabulate_paradigms(build_paradigm_table(with_share, fits, ORDER)),
    ):
        column = text.headers.index(CUT_HEADER)
        assert {row[column] for row in text.rows} <= {"1.0", "12.0"}
    table = build_paradigm_table(with_share, fits, ORDER)
    assert table.loc[table["cut_share"] > 0.05, ["dataset", "sft_step"]].to_numpy().tolist() == [
        ["Large", 80]
    ]


def test_nothing_is_said_where_nothing_is_known() -> None:
    """The released study and older tables have no such fact."""
    curves, fits = read_frames()
    for unknown in (curves, curves.assign(cut_share=float("nan"))):
        assert describe_cut_answers(unknown) == []
        assert (
            CUT_HEADER not in format_table_4(add_cuts(build_table_4(fits, ORDER), unknown)).headers
        )
        assert (
            CUT_HEADER not in tabulate_paradigms(build_paradigm_table(unknown, fits, ORDER)).headers
        )
        assert format_run_summary(fits, "r.html", unknown) == format_run_summary(fits, "r.html")


@pytest.mark.parametrize(("share", "warned"), [(0.05, False), (0.051, True)])
def test_a_warning_from_five_percent_on(share: float, warned: bool) -> None:
    curves, fits = read_frames()
    (line,) = describe_cut_answers(make_cut_curves(curves, share))
    assert line.startswith("Warning: more than 5%") == warned
    assert ("5.1% at Large, SFT step 80, SFT-then-RL step 50" in line) == warned
    assert ("at most 5.0%" in line) != warned
    text = format_run_summary(fits, "r.html", make_cut_curves(curves, share))
    assert " ".join(line.split()) in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= TERMINAL_WIDTH


def test_scripts_show_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = ",".join(write_study(tmp_path, MadeParameters()))
    make_cut_curves(pd.read_csv(tmp_path / "curves.csv")).to_csv(
        tmp_path / "curves.csv", index=False
    )
    inputs = [f"--fits={tmp_path}/fits.csv", f"--curves={tmp_path}/curves.csv"]
    outputs = [f"--out-{kind}={tmp_path}/t.{kind}" for kind in ("csv", "md", "tex")]
    monkeypatch.setattr(sys, "argv", ["table_4", *inputs, f"--order={order}", *outputs])
    table_4_script.main()
    assert pd.read_csv(tmp_path / "t.csv")["cut_share"].max() == 0.12
    assert "\n\nWarning: more than 5% of the answers" in (tmp_path / "t.md").read_text()
    (tmp_path / "answer.json").write_text('{"study": "made", "pools": []}')
    answered = f"--answer={tmp_path}/answer.json"
    options = [*inputs, answered, "--report=r.html", f"--out={tmp_path}/s.txt"]
    monkeypatch.setattr(sys, "argv", ["summary", *options])
    summary_script.main()
    assert "Warning: more than 5%" in (tmp_path / "s.txt").read_text()


def test_the_page_has_the_line() -> None:
    curves, fits = read_frames()
    with_share = make_cut_curves(curves)
    (line,) = describe_cut_answers(with_share)
    page = render_report_page(make_page_content(MadeParameters(), with_share, fits))
    assert f'<p class="line">{explain_terms(line)}</p>' in page


def test_curves_without_the_column_are_read(tmp_path: Path) -> None:
    write_study(tmp_path, MadeParameters())
    assert "cut_share" not in read_curves(tmp_path / "curves.csv")
