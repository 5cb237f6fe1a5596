"""The library's examples in docs/library.md, run as they stand there."""

import os
import re
import sys
from pathlib import Path

import pytest
from processes import run_command

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")


def find_blocks(language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def find_example(word: str) -> str:
    """The one Python example that holds a word."""
    (found,) = (block for block in find_blocks("python") if word in block)
    return found


def run_example(code: str, folder: Path) -> str:
    """What an example prints in a folder of its own."""
    done = run_command(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_run_here() -> None:
    assert find_blocks("python") == [find_example("MixedGRPOTrainer"), find_example("fit_curves")]


def test_luffy_trains_a_tiny_model(tmp_path: Path) -> None:
    code = find_example("MixedGRPOTrainer")
    assert len([line for line in code.splitlines() if line]) <= 12
    printed = run_example(code, tmp_path)
    measured = dict(re.findall(r"'paradigm/(success_expert|rows_trained)': '?([\d.]+)", printed))
    assert {name: float(value) for name, value in measured.items()} == {
        "success_expert": 1.0,
        "rows_trained": 8.0,
    }
    assert (tmp_path / "luffy" / "checkpoint-2" / "model.safetensors").is_file()


def test_a_csv_is_fitted(tmp_path: Path) -> None:
    (table,) = find_blocks("csv")
    (tmp_path / "curves.csv").write_text(table)
    code = find_example("fit_curves")
    assert len([line for line in code.splitlines() if line]) <= 5
    printed = run_example(code, tmp_path)
    found = re.fullmatch(r"ceiling ([\d.]+) \[([\d.]+), ([\d.]+)\]: identified\n", printed)
    assert found, printed
    ceiling, low, high = map(float, found.groups())
    best = max(float(line.split(",")[1]) for line in table.splitlines()[1:])
    assert best - 1 < low < ceiling < high < best + 10


@pytest.mark.parametrize("package", ["training", "scaling", "grading", "compute", "lineage"])
def test_the_table_of_names_is_that_of_the_package(package: str) -> None:
    stub = (ROOT / "retu" / package / "__init__.pyi").read_text()
    (row,) = re.findall(rf"^\| `retu\.{package}` \| (.*) \|$", PAGE, re.MULTILINE)
    assert set(re.findall(r"`(\w+)", row)) == set(re.findall(r" as (\w+)$", stub, re.MULTILINE))
