"""Tables and sentences of commands fit the terminal; a pipe has the width that it always had."""

from pathlib import Path

import pytest
from advice_fixtures import plant_curve

from retu.cli import command_line
from retu.core.tables import write_csv
from retu.core.terminal_width import SHORTEST_NAME, find_width, narrow_table, note_left_out

ROWS = [
    ["name", "points", "end", "verdict"],
    ["a_rather_long_name_of_a_curve", "12", "38.5", "identified"],
    ["b", "3", "7.0", "not identified"],
]
NARROW = 72


@pytest.mark.parametrize(
    ("most", "columns", "width"),
    [(100, None, 100), (100, "80", 80), (100, "140", 100), (0, "80", 80), (0, None, 0)],
)
def test_the_width_is_the_terminals_at_most(
    most: int, columns: str | None, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    assert find_width(most) == width


@pytest.mark.parametrize(
    ("width", "header", "left_out"),
    [
        (80, ["name", "points", "end", "verdict"], []),
        (45, ["name", "points", "end", "verdict"], []),
        (40, ["name", "end", "verdict"], ["points"]),
        (30, ["name", "verdict"], ["points", "end"]),
        (10, ["name", "verdict"], ["points", "end"]),
    ],
)
def test_a_table_loses_first_what_says_least(
    width: int, header: list[str], left_out: list[str]
) -> None:
    rows, gone = narrow_table(ROWS, width, ("points", "end"))
    assert (rows[0], gone) == (header, left_out)
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    total = sum(widths) + 2 * (len(widths) - 1)
    assert total <= width or widths[0] == SHORTEST_NAME
    assert rows[1][0][0] == "a"
    assert rows[1][0].endswith("curve")
    assert len(note_left_out(gone)) == bool(gone)


@pytest.fixture
def curves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Two curves with long names in files of their own."""
    monkeypatch.chdir(tmp_path)
    for number, (name, top) in enumerate({"first": 70, "second": 80}.items()):
        rows = plant_curve((name, number), 60, top).rename(columns={"x_rl_eflops": "x"})
        rows = rows.assign(curve=f"the_{name}_of_two_curves_with_long_names")
        write_csv(rows[["curve", "x", "score", "n_problems"]], tmp_path / f"{name}.csv")
    return "first.csv", "second.csv", "--x-unit", "eflops"


@pytest.mark.parametrize("command", [("fit", "--draws", "100"), ("advise",)])
def test_tables_of_curves_fit(
    command: tuple[str, ...],
    curves: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name, *words = command
    shown = {}
    for columns in (NARROW, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert command_line.main([name, *curves, *words]) == 0
        shown[columns] = capsys.readouterr().out
    monkeypatch.delenv("COLUMNS")
    assert command_line.main([name, *curves, *words]) == 0
    assert capsys.readouterr().out == shown[200]
    longest = {columns: max(map(len, text.splitlines())) for columns, text in shown.items()}
    assert longest[NARROW] <= NARROW < longest[200] <= 110


def test_a_claim_is_wrapped_but_for_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(NARROW))
    assert command_line.main(["claim", "table 4", "hard", "1080"]) == 0
    lines = capsys.readouterr().out.splitlines()
    wide = [line for line in lines if len(line) > NARROW]
    assert all(line.startswith("  trace") for line in wide)
    monkeypatch.delenv("COLUMNS")
    assert command_line.main(["claim", "table 4", "hard", "1080"]) == 0
    assert len(capsys.readouterr().out.splitlines()) < len(lines)
