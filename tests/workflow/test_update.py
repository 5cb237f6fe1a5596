"""`retu update`: what is missing, edited or stale is made again; nothing else is."""

import re
import shutil
import sys
from pathlib import Path

import pytest
from conftest import clean_environment
from processes import read_output, run_command

pytestmark = pytest.mark.slow

FITS = "results/smoke/fits/robust.csv"
TABLE = "results/smoke/tables/table_3.md"
BRANCH = "results/smoke/rl/LabQwen/none/step0/luffy"


def run_retu_update(folder: Path, *words: str) -> str:
    """What `retu update` of the smoke study prints."""
    command = [sys.executable, "-m", "retu", "update", "--study", "smoke", *words]
    return read_output(command, cwd=folder, env=clean_environment())


def parse_planned_rules(said: str) -> set[str]:
    """The rules that a dry run would run."""
    table = re.search(r"^Job stats:\n.*\n-.*\n((?:\w+ +\d+\n)+)", said, re.MULTILINE)
    rows = table[1].splitlines() if table else []
    return {row.split()[0] for row in rows} - {"total", "all"}


def test_a_whole_study_has_nothing_to_update(remembered: Path) -> None:
    said = run_retu_update(remembered)
    assert re.search(r"^study smoke: \d+ outputs as recorded$", said, re.MULTILINE), said
    assert "Nothing to be done" in said


def test_what_is_missing_or_edited_is_found_and_mended(remembered: Path) -> None:
    fits, table = (remembered / FITS).read_bytes(), (remembered / TABLE).read_bytes()
    (remembered / FITS).unlink()
    (remembered / TABLE).write_bytes(table + b"forged\n")
    said = run_retu_update(remembered, "table_3", FITS)
    assert f"1 missing ({FITS}); 1 edited ({TABLE}): made again with what follows" in said
    assert ((remembered / FITS).read_bytes(), (remembered / TABLE).read_bytes()) == (fits, table)


def test_a_deleted_branch_is_trained_again_with_what_follows(
    remembered: Path, tmp_path: Path
) -> None:
    shutil.move(remembered / BRANCH, tmp_path / "branch")
    try:
        said = run_retu_update(remembered, "-n")
    finally:
        shutil.move(tmp_path / "branch", remembered / BRANCH)
    assert f"missing ({BRANCH}/seed0/" in said
    assert {"train_rl", "grade", "curves", "fit_curves", "make_report"} <= parse_planned_rules(said)
    assert not {"train_sft", "make_data"} & parse_planned_rules(said)


def test_a_target_that_there_is_not_is_one_line(remembered: Path) -> None:
    command = [sys.executable, "-m", "retu", "update", "table_44"]
    done = run_command(command, cwd=remembered, env=clean_environment())
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr == "error: study lab has no rule that makes table_44; did you mean table_4?\n"
    )
