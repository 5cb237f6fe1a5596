"""The records of a git revision, from its dvc.lock and DVC's cache."""

from pathlib import Path

import pytest
from lineage_fixtures import RESULTS
from pointer_fixtures import LOCK_FILE, PointerProject, make_project

from retu.core.errors import InputError
from retu.core.hashing import compute_md5
from retu.lineage.graph.dvc_lock import read_dvc_lock
from retu.lineage.graph.record_graph import Lineage
from retu.lineage.storage import stored_outputs
from retu.lineage.storage.history import read_past_lineage


@pytest.fixture
def project(tmp_path: Path) -> PointerProject:
    return make_project(tmp_path / "a project")


def test_the_lineage_of_a_revision(project: PointerProject) -> None:
    project.write_pointers()
    revision = project.commit_all()
    then = project.study.lineage
    for job in [*then.records]:
        (project.root / job).unlink()
    found = read_past_lineage(project.root, "smoke", revision)
    assert found == Lineage("smoke", {job: then.records[job] for job in found.records})
    assert found.records.keys() == then.records.keys()


def test_a_revision_whose_records_are_not_at_hand(project: PointerProject) -> None:
    project.write_pointers()
    revision = project.commit_all()
    job = f"{RESULTS}/curves.record.json"
    project.cache.remove_object(compute_md5(project.root / job))
    (project.root / job).unlink()
    with pytest.raises(InputError, match=rf"^{job}: as it was at .*dvc fetch --all-commits"):
        read_past_lineage(project.root, "smoke", revision)


@pytest.mark.parametrize(
    ("revision", "said"),
    [("nothing", "neither an output of a study nor a revision"), ("HEAD", "was not committed at")],
)
def test_a_revision_that_has_no_pointers(project: PointerProject, revision: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_past_lineage(project.root, "smoke", revision)


def test_a_lock_that_is_none(project: PointerProject) -> None:
    (project.root / "lineage/smoke").mkdir(parents=True)
    (project.root / LOCK_FILE).write_text("<<<<<<< HEAD\nschema: '2.0'\n")
    with pytest.raises(InputError, match=r"is no dvc\.lock of a study; restore it from git"):
        read_dvc_lock(project.root, "smoke")
    assert stored_outputs.read_data_hashes(project.root) == {}


@pytest.mark.parametrize(
    "text", ["<<<<<<< HEAD\nouts:\n- md5: 0\n=======\n", "", "- 1\n", "outs: 3\n"]
)
def test_a_data_pointer_that_is_none(project: PointerProject, text: str) -> None:
    (project.root / "data.dvc").write_text(text)
    with pytest.raises(InputError, match=r"^data\.dvc: is not as DVC writes it; restore it"):
        stored_outputs.read_data_hashes(project.root)
