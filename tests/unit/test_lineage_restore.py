"""Outputs come back whole from cache or remote, or not at all."""

import errno
import os
import shutil
from pathlib import Path

import pytest
from lineage_fixtures import RESULTS, SFT, TABLE, WEIGHTS, MadeStudy
from pointer_fixtures import PointerProject, delete_outputs, make_project, read_refusal

from retu.core.errors import InputError
from retu.core.hashing import compute_md5, hash_tree
from retu.lineage.graph.record_graph import Lineage
from retu.lineage.record import Artefact, read_record
from retu.lineage.storage import restore as restoring
from retu.lineage.storage.adopt import (
    TIMESTAMP,
    check_not_running,
    list_leaf_jobs,
    set_output_times,
)
from retu.lineage.storage.dvc_cache import MIN_LINK_BYTES
from retu.lineage.storage.restore import select_complete_jobs, swap_into_place


@pytest.fixture(scope="module")
def pushed_project(tmp_path_factory: pytest.TempPathFactory) -> PointerProject:
    """A recorded study and, beside it, the remote that it was pushed to; do not change it."""
    project = make_project(tmp_path_factory.mktemp("pushed") / "project")
    project.write_pointers()
    project.run_dvc("push")
    return project


@pytest.fixture
def project(pushed_project: PointerProject, tmp_path: Path) -> PointerProject:
    """A copy of both."""
    shutil.copytree(pushed_project.root.parent, tmp_path / "copy")
    return PointerProject(MadeStudy(tmp_path / "copy" / "project", pushed_project.study.plan))


def get_remote(project: PointerProject) -> Path:
    return project.root.parent / "retu-dvc-store"


def hash_contents(project: PointerProject) -> dict[str, str]:
    """Path -> hash of every output and record."""
    lineage = project.study.lineage
    paths = [*lineage.records, *lineage.outputs]
    return {path: hash_tree(project.root / path).md5 for path in paths}


def test_everything_comes_back_from_the_cache(project: PointerProject) -> None:
    before = hash_contents(project)
    done = project.restore_outputs(delete_outputs(project))
    assert hash_contents(project) == before
    assert (len(done.placed), done.present, done.set_aside) == (len(before), 0, ())
    weights = project.root / WEIGHTS
    assert weights.samefile(project.cache.get_object_path(compute_md5(weights)))
    assert not (project.root / TABLE).samefile(
        project.cache.get_object_path(compute_md5(project.root / TABLE))
    )


def test_everything_comes_back_from_the_remote(project: PointerProject) -> None:
    before = hash_contents(project)
    lineage = delete_outputs(project)
    shutil.rmtree(project.cache.folder)
    project.restore_outputs(lineage)
    assert hash_contents(project) == before
    assert "up to date" in project.run_dvc("status")


def test_what_is_in_place_stays(project: PointerProject) -> None:
    kept = (project.root / TABLE).stat()
    done = project.restore_outputs(delete_outputs(project, f"{RESULTS}/curves.csv"))
    assert [made.path for made in done.placed] == [f"{RESULTS}/curves.csv"]
    assert (project.root / TABLE).stat().st_ino == kept.st_ino


def test_a_damaged_object_in_the_cache_is_fetched_again(project: PointerProject) -> None:
    before = hash_contents(project)
    for name in (TABLE, WEIGHTS):
        kept = project.cache.get_object_path(compute_md5(project.root / name))
        kept.chmod(0o644)
        kept.unlink()
        kept.write_text("damaged")
        # DVC takes what is read-only for whole.
        kept.chmod(0o444)
    project.restore_outputs(delete_outputs(project))
    assert hash_contents(project) == before


def test_a_file_too_many_in_a_folder_goes(project: PointerProject) -> None:
    before = hash_contents(project)
    (project.root / SFT / "checkpoints" / "extra.bin").write_text("extra")
    done = project.restore_outputs(project.study.lineage)
    assert hash_contents(project) == before
    assert [line.split(":")[0] for line in done.set_aside] == [f"{SFT}/checkpoints"]


def test_what_is_replaced_is_kept_in_the_cache(project: PointerProject) -> None:
    (project.root / TABLE).write_text("my own numbers\n")
    name = compute_md5(project.root / TABLE)
    (line,) = project.restore_outputs(project.study.lineage).set_aside
    assert line.startswith(f"{TABLE}: was different")
    assert project.cache.get_object_path(name).read_text() == "my own numbers\n"


def test_a_remote_that_is_gone(project: PointerProject) -> None:
    lineage = delete_outputs(project)
    shutil.rmtree(project.cache.folder)
    shutil.rmtree(get_remote(project))
    line = read_refusal(project, lineage)
    assert f"the remote {get_remote(project)}/files/md5 is not there" in line
    assert "dvc remote modify" in line


def test_no_remote(project: PointerProject) -> None:
    lineage = delete_outputs(project, TABLE)
    project.cache.remove_object(
        read_record(project.root / f"{RESULTS}/tables/table_4.record.json").outputs[0].md5
    )
    config = project.root / ".dvc" / "config"
    config.write_text(config.read_text().replace("remote = local\n", "\n"))
    line = read_refusal(project, lineage)
    assert line.startswith(f"{TABLE}: not in the cache, and there is no remote")
    assert "dvc remote add --default" in line


@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_an_object_that_the_remote_has_not_whole(project: PointerProject, damage: str) -> None:
    name = compute_md5(project.root / TABLE)
    lineage = delete_outputs(project)
    shutil.rmtree(project.cache.folder)
    stored = get_remote(project) / "files" / "md5" / name[:2] / name[2:]
    stored.unlink()
    if damage == "damaged":
        stored.write_text("damaged")
    line = read_refusal(project, lineage)
    assert "neither in the cache nor whole in the remote" in line
    # Several files may have that content; one of them is named.
    named = line.split(":")[0]
    assert read_output(lineage, named) == name


def read_output(lineage: Lineage, path: str) -> str:
    made = lineage.find_output(path)
    assert made is not None
    return made.md5


def test_a_storage_that_cannot_be_used(project: PointerProject) -> None:
    lineage = delete_outputs(project)
    shutil.rmtree(project.cache.folder)
    project.run_dvc("remote", "modify", "--local", "local", "url", "webdav://127.0.0.1:9/nothing")
    assert "cannot be fetched" in read_refusal(project, lineage)


def test_jobs_after_one_that_is_left_out_are_left_out(project: PointerProject) -> None:
    lineage = project.study.lineage
    without = [job for job in lineage.order if job != f"{SFT}/train.record.json"]
    kept = select_complete_jobs(lineage, without)
    gone = lineage.list_descendants([f"{SFT}/train.record.json"])
    assert gone
    assert set(kept) == set(without) - set(gone)


def test_leaves_are_what_nothing_depends_on(project: PointerProject) -> None:
    lineage = project.study.lineage
    assert list_leaf_jobs(lineage, lineage.order) == [f"{RESULTS}/report.record.json"]


def test_no_output_is_older_than_what_it_was_made_from(project: PointerProject) -> None:
    """Also when the clocks of two machines differ: then the later of the two counts."""
    job = f"{SFT}/train.record.json"
    usage = read_record(project.root / job).usage
    project.study.rewrite_record(
        job, usage=usage.model_copy(update={"ended": "2026-01-03T00:00:00+00:00"})
    )
    base = project.root / f"{RESULTS}/base/LabQwen/checkpoints"
    lineage = project.study.lineage
    set_output_times(project.root, lineage, lineage.order)
    early, late = base / TIMESTAMP, project.root / SFT / "checkpoints" / TIMESTAMP
    assert early.stat().st_mtime < late.stat().st_mtime == (project.root / TABLE).stat().st_mtime
    assert (project.root / job).stat().st_mtime == late.stat().st_mtime


@pytest.mark.parametrize(("after", "said"), [(0, "nothing was"), (2, "2 of 3 outputs were")])
def test_how_far_it_came_is_told(
    project: PointerProject, monkeypatch: pytest.MonkeyPatch, after: int, said: str
) -> None:
    lineage = project.study.lineage
    names = (f"{RESULTS}/curves.csv", TABLE, f"{RESULTS}/report.html")
    before = [compute_md5(project.root / name) for name in names]
    for name in names:
        (project.root / name).write_text("other")
    moved: list[Path] = []

    def move_until_full(temporary: Path, target: Path) -> None:
        if len(moved) == after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        moved.append(target)
        swap_into_place(temporary, target)

    monkeypatch.setattr("retu.lineage.storage.restore.swap_into_place", move_until_full)
    with pytest.raises(InputError, match=rf"No space left.*; {said} put in place") as caught:
        project.restore_outputs(lineage)
    assert "\n" not in str(caught.value)
    assert [compute_md5(project.root / name) for name in names[:after]] == before[:after]
    assert {(project.root / name).read_text() for name in names[after:]} == {"other"}
    assert not list(project.root.rglob("*.tmp"))


def test_a_folder_that_cannot_be_moved_in_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "checkpoints"
    target.mkdir()
    with pytest.raises(OSError, match="gone"):
        swap_into_place(tmp_path / "gone", target)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoints"]


@pytest.mark.parametrize("name", [TABLE, WEIGHTS])
def test_what_is_replaced_is_kept_whole_even_if_the_cache_was_damaged(
    project: PointerProject, name: str
) -> None:
    path, own = project.root / name, b"m" * MIN_LINK_BYTES
    path.unlink()
    path.write_bytes(own)
    kept = project.cache.get_object_path(compute_md5(path))
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(b"M" * MIN_LINK_BYTES)
    project.restore_outputs(project.study.lineage)
    assert kept.read_bytes() == own
    assert path.read_bytes() != own


def test_a_running_workflow_is_left_alone(project: PointerProject) -> None:
    locks = project.root / ".snakemake" / "locks"
    locks.mkdir(parents=True)
    check_not_running(project.root, "smoke")
    (locks / "0.input.lock").write_text("data/smoke_2/pool.parquet\nresults/smoke.txt\n")
    check_not_running(project.root, "smoke")
    for number, name in enumerate(("results/smoke/curves.csv", "data/smoke.record.json")):
        lock = locks / f"{number}.output.lock"
        lock.write_text(f"{name}\n")
        with pytest.raises(InputError, match=r"a workflow is running on it.*--unlock"):
            check_not_running(project.root, "smoke")
        lock.unlink()


def test_outputs_that_do_not_fit_what_was_restored_are_named(
    project: PointerProject, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The grades are replaced; curves and all after them were made from those that were here."""
    monkeypatch.setattr(restoring, "load_current_plan", lambda root, lineage: project.study.plan)
    monkeypatch.setattr(restoring, "adopt_outputs", lambda *given: None)
    grades, job = f"{SFT}/grades.parquet", f"{RESULTS}/curves.record.json"

    def restore_grades() -> int:
        return restoring.restore_study(project.root, "smoke", grades, grades)

    assert restore_grades() == 0
    (project.root / grades).write_text("other grades")
    made = hash_tree(project.root / grades)
    other = Artefact.from_tree(grades, made, listed=True)
    project.study.rewrite_record(f"{SFT}/grades.record.json", outputs=[other])
    project.study.rewrite_record(job, inputs=[other])
    capsys.readouterr()
    assert restore_grades() == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2] == f"does not fit: {job} read another {grades} than is there now"
    assert lines[-1].startswith("1 job did not read what is there now; make again what")
    assert f"snakemake --force {RESULTS}/curves.csv --config study=smoke" in lines[-1]
