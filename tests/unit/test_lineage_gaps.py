"""What hangs on a job that cannot be recorded stays out of DVC's pointers too, and is named."""

from pathlib import Path

import pytest
from lineage_fixtures import RESULTS, SFT, TABLE
from pointer_fixtures import PointerProject, make_project

from retu.lineage.graph.dvc_lock import read_dvc_lock


@pytest.fixture
def project(tmp_path: Path) -> PointerProject:
    return make_project(tmp_path / "a project")


def list_left_out(project: PointerProject) -> list[str]:
    """Record; every output that DVC's lock lacks. What it names hangs together."""
    done = project.write_pointers()
    named = read_dvc_lock(project.root, "smoke")
    assert "up to date" in project.run_dvc("status")
    missing = [path for path in project.study.lineage.outputs if path not in named]
    assert bool(missing) <= bool(done.notes)
    return missing


def test_what_came_of_a_job_that_is_left_out_is_left_out_and_named(project: PointerProject) -> None:
    job = f"{RESULTS}/curves.record.json"
    project.study.rewrite_record(job, key="0" * 16)
    lineage = project.study.lineage
    first, second = project.write_pointers().notes
    assert first.startswith(f"left out, made by other code or settings than now: {job} (")
    after = lineage.list_descendants([job])
    assert f"is left out or has no record: {', '.join(after)} (" in second
    gone = {made.path for name in (job, *after) for made in lineage.records[name].outputs}
    assert set(list_left_out(project)) == gone


def test_a_lost_record_and_what_came_of_it_are_left_out_and_named(project: PointerProject) -> None:
    job = f"{SFT}/subphases.record.json"
    after = project.study.lineage.list_descendants([job])
    (project.root / job).unlink()
    second, third = project.write_pointers().notes
    assert f"has no record: {', '.join(after)} (retu lineage verify --study smoke)" in second
    assert third.startswith(f"left out, has no record: {SFT}/subphases.csv (")
    assert set(list_left_out(project)) > {f"{RESULTS}/subphases.csv", TABLE}


def test_a_lost_record_of_the_last_job_is_named(project: PointerProject) -> None:
    (project.root / f"{RESULTS}/report.record.json").unlink()
    (note,) = project.write_pointers().notes
    assert note.startswith(f"left out, has no record: {RESULTS}/report.html (")
