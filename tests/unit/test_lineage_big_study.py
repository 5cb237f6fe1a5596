"""A question about a study of 500 jobs is answered in seconds."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lineage_toy import RESULTS, TABLE, ToyStudy, rewrite_record

from retu.cli import command_line
from retu.lineage.graph.record_graph import read_lineage

PROJECT = Path(command_line.__file__).parents[2]


@pytest.mark.slow
def test_a_cell_of_a_big_study_is_explained_in_seconds(tmp_path: Path) -> None:
    """500 jobs, as a whole process; a machine under load gets three times the goal."""
    root = write_big_study(tmp_path)
    script = (
        "import sys; from pathlib import Path; from retu.cli import command_line as retu;"
        "from retu.cli import lineage_command as commands;"
        f"commands.ROOT = Path({str(root)!r});"
        f"sys.exit(retu.main(['lineage', 'why', {TABLE!r} + '#A,dapo/a_post']))"
    )
    before = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=True,
    )
    seconds = time.monotonic() - before
    assert "jobs stand behind it" in done.stdout
    assert seconds < 6


def write_big_study(root: Path) -> Path:
    """The made-up study with 480 more RL branches and their grades."""
    (root / "config.yaml").write_text("study: toy\n")
    toy = ToyStudy(root)
    toy.write_models()
    for number in range(240):
        toy.write_rl_run(f"A/step10/recipe{number}")
    toy.write_tables()
    record = root / f"{RESULTS}/curves.record.json"
    curves = read_lineage(root, "toy").records[f"{RESULTS}/curves.record.json"]
    extra = [
        toy.make_artefact(f"{RESULTS}/rl/M/A/step10/recipe{n}/seed0/grades.parquet", listed=False)
        for n in range(240)
    ]
    rewrite_record(record, inputs=[*curves.inputs, *extra])
    return root
