"""The audit's scripts end to end: figures, the page's promises, the summary of a run."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from audit_fixtures import HOSTILE, ORDER, RUNAWAY, make_audit, select_branch
from audit_scripts import PLACES, TABLES, list_audit_commands, run_audit
from page_checks import check_self_contained

from retu.audit.claims.claim_verdict import CLAIM_VERDICTS
from retu.audit.report.answer_text import (
    AuditTables,
    answer_headlines,
    answer_indicator,
    answer_sensitivity,
    build_audit_answer,
)
from retu.audit.report.audit_page import read_page_content
from retu.audit.report.branch_table import build_audit_table_4
from retu.audit.report.branches_figure import draw_audit_figure_3
from retu.audit.report.compared_values import ProtocolFits
from retu.reporting import style
from retu.reporting.tidy_files import fill_text_cells
from retu.runtime.script import run_main
from workflow_scripts import (
    audit_figure_3,
    audit_figure_8,
    audit_report,
    audit_table_4,
)

ROOT = Path(audit_report.__file__).parents[1]
SECTIONS = (
    *("answer", "ledger", "reproduction", "ceilings", "headlines", "indicator", "sensitivity"),
    *("labels", "forecasts", "quality", "provenance"),
)


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a complete made-up audit; tests read it and copy it, none changes it."""
    return run_audit(tmp_path_factory.mktemp("audit") / "made", HOSTILE)


def read_audit_evidence(folder: Path) -> AuditTables:
    """The tables that the answer speaks of."""
    files = {name: folder / f"{PLACES.get(name, name)}.csv" for name in TABLES}
    return read_page_content(folder / "artefacts", folder / "artefacts", files).evidence


def test_every_artefact_is_made(audit: Path) -> None:
    sizes = {path.name: path.stat().st_size for path in (audit / "artefacts").iterdir()}
    images = [f"figure_{n}.{kind}" for n in (3, 8) for kind in ("svg", "png")]
    assert all(sizes[name] > 20_000 for name in images)
    images += [f"figure_{n}.{kind}" for n in (3, 8) for kind in ("pdf", "csv")]
    tables = [f"table_{n}.{kind}" for n in (4, 5) for kind in ("csv", "md", "tex")]
    assert {*images, *tables, "report.html", "summary.txt"} == set(sizes)


@pytest.mark.parametrize("script", [audit_table_4, audit_figure_3, audit_figure_8, audit_report])
def test_another_process_gives_the_same_bytes(
    script: ModuleType, audit: Path, tmp_path: Path
) -> None:
    again = shutil.copytree(audit, tmp_path / "again")
    options = next(options for found, options in list_audit_commands(again) if found is script)
    before = {path.name: path.read_bytes() for path in (again / "artefacts").iterdir()}
    environment = os.environ | {"PYTHONHASHSEED": "12345", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", script.__name__, *options]
    subprocess.run(command, check=True, cwd=tmp_path, env=environment, timeout=120)
    after = {path.name: path.read_bytes() for path in (again / "artefacts").iterdir()}
    assert [name for name in before if before[name] != after[name]] == []


def test_the_page_has_its_sections_and_nothing_from_outside(audit: Path) -> None:
    page = (audit / "artefacts" / "report.html").read_text(encoding="utf-8")
    for section in SECTIONS:
        assert f'id="{section}"' in page
        assert f'href="#{section}"' in page
    check_self_contained(page)
    assert page.count('src="data:image/svg+xml;base64,') == 2
    assert "example/repository" in page
    assert "ab" * 32 in page


def test_the_page_escapes_what_tables_say(audit: Path) -> None:
    page = (audit / "artefacts" / "report.html").read_text(encoding="utf-8")
    assert HOSTILE not in page
    escaped = "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;"
    assert page.count(escaped) >= 4, "title, heading, notes of claims, a finding"


def test_the_page_shows_verdicts_and_the_planted_miss(audit: Path) -> None:
    page = (audit / "artefacts" / "report.html").read_text(encoding="utf-8")
    for verdict in CLAIM_VERDICTS:
        assert f">{verdict}</th>" in page
    assert '<td class="bad">no</td>' in page
    kit = make_audit().fits["kit"]
    runaway = float(kit.loc[select_branch(kit, RUNAWAY), "a_post"].iloc[0])
    assert f'<td class="n">{runaway:.1f}</td>' in page
    assert "For 1 of the 1 misses the published value is another fixed point" in page


def test_figure_3_marks_every_branch_and_the_runaway_ceiling() -> None:
    made = make_audit()
    protocols = {n: ProtocolFits(fill_text_cells(made.fits[n]), made.draws[n]) for n in made.fits}
    none = pd.DataFrame(columns=["dataset", "sft_step", "nearest_pl_rl", "is_fixed_point"])
    table = build_audit_table_4(fill_text_cells(made.published), protocols, none, ORDER)
    overall = fill_text_cells(made.curves[made.curves["benchmark"] == "overall"])
    with style.use_style():
        figure = draw_audit_figure_3(
            overall, protocols["robust"].fits, fill_text_cells(made.subphases), table, ORDER
        )
    right = figure.axes[1::2]
    crosses = [[line for line in axes.lines if line.get_marker() == "x"] for axes in right]
    heights = [np.asarray(line.get_ydata(), dtype=float)[0] for own in crosses for line in own]
    assert [len(own) for own in crosses] == [4, 4, 4, 4]
    assert np.isfinite(heights).sum() == 15, "one branch of 16 is not published"
    texts = [text.get_text() for axes in right for text in axes.texts]
    kit = made.fits["kit"][select_branch(made.fits["kit"], RUNAWAY)]
    assert f"{float(kit['a_post'].iloc[0]):.0f}" in texts
    dashed = [line for axes in figure.axes[::2] for line in axes.lines if line.is_dashed()]
    assert len(dashed) >= 15


def test_figure_8_has_a_panel_and_intervals_for_each_column_set(audit: Path) -> None:
    table = pd.read_csv(audit / "artefacts" / "figure_8.csv")
    assert table.groupby("column_set").size().to_dict() == dict.fromkeys(
        ["published", "kit", "paper", "robust", "best observed", "equal compute"], 4
    )
    measured = table[table["column_set"] != "published"]
    assert measured[["low", "high", "boot_low", "boot_high"]].notna().all(axis=None)
    assert (measured["low"] < measured["high"]).all()
    svg = (audit / "artefacts" / "figure_8.svg").read_text(encoding="utf-8")
    assert svg.startswith("<?xml")


def test_the_answer_quotes_what_holds_and_what_stays_open(audit: Path) -> None:
    claims = read_audit_evidence(audit).claims
    found = answer_headlines(claims)
    assert found.weak
    assert found.text.startswith("2 of 3 headline sentences can be tested")
    assert "2 hold with probability 0.95 or more" in found.text
    assert "and 1 by the extrapolated ceiling" in found.text
    assert (
        "Open as ceilings, though true at equal compute: \N{LEFT DOUBLE QUOTATION MARK}It leans"
        in found.text
    )
    contradicted = claims.assign(probability_common=0.01)
    assert "Contradicted at equal compute" in answer_headlines(contradicted).text
    nothing = claims.assign(
        **dict.fromkeys(["probability_ceiling", "probability_common", "probability_best"], np.nan)
    )
    assert answer_headlines(nothing).text == "No sentence can be tested here."


def test_the_answer_follows_the_data(audit: Path) -> None:
    evidence = read_audit_evidence(audit)
    table = evidence.figure_8
    r = float(table.loc[table["column_set"] == "equal compute", "pearson"].iloc[0])
    text = answer_indicator(table).text
    assert f"{r:.2f}".replace("-", "\N{MINUS SIGN}") in text
    strong = table.assign(boot_low=-0.99, boot_high=-0.95)
    assert not answer_indicator(strong).weak
    assert answer_indicator(strong.assign(boot_high=0.2)).weak
    summary = evidence.sensitivity
    always = summary.assign(share_exact_order=1.0)
    assert "for every choice of benchmarks" in answer_sensitivity(always).text
    half = answer_sensitivity(summary.assign(share_exact_order=0.5))
    assert half.weak
    assert "50% of them" in half.text
    others = build_audit_answer(replace(evidence, forecasts=evidence.forecasts.head(1)))
    assert others[-1].text == "No forecast."
    assert others[-1].weak


def test_the_summary_fits_a_terminal(audit: Path) -> None:
    lines = (audit / "artefacts" / "summary.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100
    assert lines[-1] == "Report: report.html"
    assert any(line.split() == ["exact", "1", "1"] for line in lines)
    assert any(line.startswith("r with minimum loss") for line in lines)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("artefacts/figure_3.svg", "no such figure; run the rule that makes it"),
        ("claims.csv", "claims.csv: no such table"),
        ("sensitivity_summary.csv", "sensitivity_summary.csv: no such table"),
    ],
)
def test_a_missing_input_is_told_in_one_line(
    file: str,
    message: str,
    audit: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    broken = shutil.copytree(audit, tmp_path / "broken")
    (broken / file).unlink()
    options = next(
        options for script, options in list_audit_commands(broken) if script is audit_report
    )
    monkeypatch.setattr(sys, "argv", ["audit_report", *options])
    with pytest.raises(SystemExit) as stop:
        run_main(audit_report.main)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
