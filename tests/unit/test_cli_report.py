"""`retu report`: where a page is, whether it is current, and the command that makes it."""

import json
import webbrowser
from pathlib import Path

import pytest

from retu.cli import command_line, report_command

SUMMARY = "Study smoke: 7 RL runs\n\nReport: results/smoke/report.html\n"


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The report of a study in a project of its own; its record is current."""
    folder = tmp_path / "results" / "smoke"
    folder.mkdir(parents=True)
    (folder / "summary.txt").write_text(SUMMARY)
    (folder / "report.html").write_text("<html></html>")
    (tmp_path / "config.yaml").write_text("study: smoke\n")
    monkeypatch.setattr(report_command, "ROOT", tmp_path)
    monkeypatch.setattr(report_command, "is_page_current", lambda study: True)
    return folder / "report.html"


def test_it_says_where_the_page_is(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["report"], ["report", "smoke"]):
        assert command_line.main(words) == 0
        assert capsys.readouterr() == (f"Report: {page}\n", "")


def test_the_summary_comes_first_and_names_it_once(
    page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main(["report", "--summary"]) == 0
    assert capsys.readouterr().out == f"Study smoke: 7 RL runs\n\nReport: {page}\n"


def test_json_is_one_object(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["report", "--json", "--summary"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {
        "study": "smoke",
        "report": str(page),
        "uri": page.as_uri(),
        "current": True,
    }


@pytest.mark.parametrize(("started", "status"), [(True, 0), (False, 1)])
def test_it_opens_the_page(
    started: bool,
    status: int,
    page: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    opened: list[str] = []

    def note(address: str) -> bool:
        opened.append(address)
        return started

    monkeypatch.setattr(webbrowser, "open", note)
    assert command_line.main(["report", "smoke", "--open"]) == status
    assert opened == [page.as_uri()]
    assert ("open file://" in capsys.readouterr().err) is not started


def test_a_page_out_of_date_is_a_finding(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(report_command, "is_page_current", lambda study: False)
    assert command_line.main(["report"]) == 1
    told = capsys.readouterr()
    assert told.out == f"Report: {page}\n"
    assert told.err == (
        "note: it is out of date; this makes it again: snakemake --cores 2 --config study=smoke\n"
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["report", "lab"],
            "study lab: has no report yet; this makes it: snakemake --cores 2 --config study=lab",
        ),
        (["report", "smokee"], "did you mean smoke?"),
        (["report", "../x"], "is neither the name of a file in studies/"),
    ],
)
def test_without_a_page_the_command_that_makes_it_is_told(
    words: list[str], told: str, page: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main(words) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert told in said.err


def test_a_page_without_records_cannot_be_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "results" / "smoke" / "report.html"
    page.parent.mkdir(parents=True)
    page.touch()
    monkeypatch.setattr(report_command, "ROOT", tmp_path)
    assert command_line.main(["report", "smoke", "--json"]) == 0
    told = capsys.readouterr()
    assert (json.loads(told.out)["current"], told.err) == (None, "")
