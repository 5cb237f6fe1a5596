"""What a command is about: paths, the study, the plan of today; and that it is told in seconds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from lineage_toy import RESULTS, TABLE, ToyStudy, rewrite_record

from retu.cli import command_line
from retu.core.errors import InputError
from retu.lineage.graph.record_graph import read_lineage
from retu.lineage.graph.remedies import find_last_config
from retu.lineage.graph.resolve import (
    assess_jobs,
    load_current_plan,
    resolve_output_path,
    resolve_study,
)

DATA_RECORD = "data/smoke.record.json"
PROJECT = Path(command_line.__file__).parents[2]


@pytest.mark.parametrize(
    ("folder", "given"),
    [
        (".", TABLE),
        (RESULTS, "tables/table_4.csv"),
        (f"{RESULTS}/tables", "./table_4.csv"),
        (f"{RESULTS}/fits", "../tables/table_4.csv"),
        (f"{RESULTS}/fits", TABLE),
        ("/", TABLE),
    ],
)
def test_paths_are_taken_from_the_current_folder_then_from_the_project(
    folder: str, given: str, toy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(toy / folder)
    assert resolve_output_path(toy, given) == TABLE
    assert resolve_output_path(toy, str(toy / TABLE)) == TABLE


def test_a_path_need_not_exist(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(toy / RESULTS)
    assert resolve_output_path(toy, "gone/x.csv") == f"{RESULTS}/gone/x.csv"
    assert resolve_output_path(toy, "results/toy/gone.csv") == f"{RESULTS}/gone.csv"
    with pytest.raises(InputError, match="is not in this project"):
        resolve_output_path(toy, "../../../x.csv")


def test_the_study_is_asked_for_or_that_of_the_configuration(toy: Path) -> None:
    assert resolve_study(toy, None) == "toy"
    assert resolve_study(toy, "lab") == "lab"
    assert resolve_study(toy, "elsewhere/mine.yaml") == "mine"


def test_what_the_command_line_chose_is_remembered(smoke_toy: Path) -> None:
    rewrite_record(smoke_toy / DATA_RECORD, config={"study": "smoke", "branching": "guided"})
    usage = read_lineage(smoke_toy, "smoke").records[DATA_RECORD].usage
    later = usage.model_copy(update={"ended": "2027-01-01T00:00:00+00:00"})
    rewrite_record(smoke_toy / DATA_RECORD, usage=later)
    found = read_lineage(smoke_toy, "smoke")
    assert find_last_config(found)["branching"] == "guided"
    assert (
        load_current_plan(smoke_toy, found).describe()["resolved"]["config"]["branching"]
        == "guided"
    )
    (smoke_toy / "config.yaml").write_text("study: lab\nbranching: exhaustive\n")
    decided = load_current_plan(smoke_toy, found).describe()["resolved"]["config"]
    assert decided["branching"] == "exhaustive", "config.yaml comes first"


def test_without_the_study_nothing_is_called_stale(toy: Path) -> None:
    found = assess_jobs(toy, read_lineage(toy, "toy"))
    assert "there is no" in found.unknown
    assert found.get_state("data/toy.record.json") == "unknown"


def test_only_the_jobs_that_are_asked_for_are_compared(smoke_toy: Path) -> None:
    found = read_lineage(smoke_toy, "smoke")
    assert assess_jobs(smoke_toy, found, [DATA_RECORD]).stale == {DATA_RECORD}
    assert len(assess_jobs(smoke_toy, found).stale) == 20


@pytest.mark.slow
def test_a_cell_of_a_big_study_is_explained_in_seconds(tmp_path: Path) -> None:
    """500 jobs, as a whole process: of its CPU time, which no other process on the machine adds to.

    It takes one to two seconds.
    """
    root = write_big_study(tmp_path)
    script = (
        "import sys; from pathlib import Path; from retu.cli import command_line as retu;"
        "from retu.cli import lineage_command as commands;"
        f"commands.ROOT = Path({str(root)!r});"
        f"sys.exit(retu.main(['lineage', 'why', {TABLE!r} + '#A,dapo/a_post']))"
    )
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=True,
    )
    after = os.times()
    assert "jobs stand behind it" in done.stdout
    spent = (after.children_user, after.children_system)
    assert sum(spent) - before.children_user - before.children_system < 5


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
