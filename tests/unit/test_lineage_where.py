"""What a command is about: paths of outputs, the study, and the plan of today."""

from pathlib import Path

import pytest
from lineage_toy import RESULTS, TABLE, ToyStudy, rewrite_record

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


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A project with the made-up study."""
    (tmp_path / "config.yaml").write_text("study: toy\n")
    return ToyStudy(tmp_path).write_study()


@pytest.fixture
def smoke_project(tmp_path: Path) -> Path:
    """The made-up study by the name of a real one."""
    (tmp_path / "config.yaml").write_text("study: lab\nbranching: null\n")
    return ToyStudy(tmp_path, "smoke").write_study()


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


def test_what_the_command_line_chose_is_remembered(smoke_project: Path) -> None:
    rewrite_record(smoke_project / DATA_RECORD, config={"study": "smoke", "branching": "guided"})
    usage = read_lineage(smoke_project, "smoke").records[DATA_RECORD].usage
    later = usage.model_copy(update={"ended": "2027-01-01T00:00:00+00:00"})
    rewrite_record(smoke_project / DATA_RECORD, usage=later)
    found = read_lineage(smoke_project, "smoke")
    assert find_last_config(found)["branching"] == "guided"
    assert (
        load_current_plan(smoke_project, found).describe()["resolved"]["config"]["branching"]
        == "guided"
    )
    (smoke_project / "config.yaml").write_text("study: lab\nbranching: exhaustive\n")
    decided = load_current_plan(smoke_project, found).describe()["resolved"]["config"]
    assert decided["branching"] == "exhaustive", "config.yaml comes first"


def test_without_the_study_nothing_is_called_stale(toy: Path) -> None:
    found = assess_jobs(toy, read_lineage(toy, "toy"))
    assert "there is no" in found.unknown
    assert found.get_state("data/toy.record.json") == "unknown"


def test_only_the_jobs_that_are_asked_for_are_compared(smoke_project: Path) -> None:
    found = read_lineage(smoke_project, "smoke")
    assert assess_jobs(smoke_project, found, [DATA_RECORD]).stale == {DATA_RECORD}
    assert len(assess_jobs(smoke_project, found).stale) == 20
