"""Outputs come back whole from cache or remote, or not at all."""

import errno
import os
import shutil
from pathlib import Path

import pytest
from lineage_fixtures import RESULTS, SFT, TABLE, WEIGHTS, MadeStudy
from pointer_fixtures import Project, lose, make_project, refused

from retu.core.errors import InputError
from retu.core.hashing import hash_tree, md5
from retu.lineage.graph.record_graph import Lineage
from retu.lineage.record import Artefact, read_record
from retu.lineage.storage import restore as restoring
from retu.lineage.storage.adopt import TIMESTAMP, leaves, refuse_running, set_times
from retu.lineage.storage.dvc_cache import LINKED
from retu.lineage.storage.restore import closed, move_in


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A recorded study and, beside it, the remote that it was pushed to; do not change it."""
    project = make_project(tmp_path_factory.mktemp("pushed") / "project")
    project.record()
    project.dvc("push")
    return project


@pytest.fixture
def project(pushed: Project, tmp_path: Path) -> Project:
    """A copy of both."""
    shutil.copytree(pushed.root.parent, tmp_path / "copy")
    return Project(MadeStudy(tmp_path / "copy" / "project", pushed.study.plan))


def remote(project: Project) -> Path:
    return project.root.parent / "retu-dvc-store"


def contents(project: Project) -> dict[str, str]:
    """Path -> hash of every output and record."""
    lineage = project.study.lineage
    paths = [*lineage.records, *lineage.outputs]
    return {path: hash_tree(project.root / path).md5 for path in paths}


def test_everything_comes_back_from_the_cache(project: Project) -> None:
    before = contents(project)
    done = project.restore(lose(project))
    assert contents(project) == before
    assert (len(done.placed), done.present, done.set_aside) == (len(before), 0, ())
    weights = project.root / WEIGHTS
    assert weights.samefile(project.cache.path(md5(weights)))
    assert not (project.root / TABLE).samefile(project.cache.path(md5(project.root / TABLE)))


def test_everything_comes_back_from_the_remote(project: Project) -> None:
    before = contents(project)
    lineage = lose(project)
    shutil.rmtree(project.cache.folder)
    project.restore(lineage)
    assert contents(project) == before
    assert "up to date" in project.dvc("status")


def test_what_is_in_place_stays(project: Project) -> None:
    kept = (project.root / TABLE).stat()
    done = project.restore(lose(project, f"{RESULTS}/curves.csv"))
    assert [made.path for made in done.placed] == [f"{RESULTS}/curves.csv"]
    assert (project.root / TABLE).stat().st_ino == kept.st_ino


def test_a_damaged_object_in_the_cache_is_fetched_again(project: Project) -> None:
    before = contents(project)
    for name in (TABLE, WEIGHTS):
        kept = project.cache.path(md5(project.root / name))
        kept.chmod(0o644)
        kept.unlink()
        kept.write_text("damaged")
        # DVC takes what is read-only for whole.
        kept.chmod(0o444)
    project.restore(lose(project))
    assert contents(project) == before


def test_a_file_too_many_in_a_folder_goes(project: Project) -> None:
    before = contents(project)
    (project.root / SFT / "checkpoints" / "extra.bin").write_text("extra")
    done = project.restore(project.study.lineage)
    assert contents(project) == before
    assert [line.split(":")[0] for line in done.set_aside] == [f"{SFT}/checkpoints"]


def test_what_is_replaced_is_kept_in_the_cache(project: Project) -> None:
    (project.root / TABLE).write_text("my own numbers\n")
    name = md5(project.root / TABLE)
    (line,) = project.restore(project.study.lineage).set_aside
    assert line.startswith(f"{TABLE}: was different")
    assert project.cache.path(name).read_text() == "my own numbers\n"


def test_a_remote_that_is_gone(project: Project) -> None:
    lineage = lose(project)
    shutil.rmtree(project.cache.folder)
    shutil.rmtree(remote(project))
    line = refused(project, lineage)
    assert f"the remote {remote(project)}/files/md5 is not there" in line
    assert "dvc remote modify" in line


def test_no_remote(project: Project) -> None:
    lineage = lose(project, TABLE)
    project.cache.drop(
        read_record(project.root / f"{RESULTS}/tables/table_4.record.json").outputs[0].md5
    )
    config = project.root / ".dvc" / "config"
    config.write_text(config.read_text().replace("remote = local\n", "\n"))
    line = refused(project, lineage)
    assert line.startswith(f"{TABLE}: not in the cache, and there is no remote")
    assert "dvc remote add --default" in line


@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_an_object_that_the_remote_has_not_whole(project: Project, damage: str) -> None:
    name = md5(project.root / TABLE)
    lineage = lose(project)
    shutil.rmtree(project.cache.folder)
    stored = remote(project) / "files" / "md5" / name[:2] / name[2:]
    stored.unlink()
    if damage == "damaged":
        stored.write_text("damaged")
    line = refused(project, lineage)
    assert "neither in the cache nor whole in the remote" in line
    # Several files may have that content; one of them is named.
    named = line.split(":")[0]
    assert read_output(lineage, named) == name


def read_output(lineage: Lineage, path: str) -> str:
    made = lineage.output(path)
    assert made is not None
    return made.md5


def test_a_storage_that_cannot_be_used(project: Project) -> None:
    lineage = lose(project)
    shutil.rmtree(project.cache.folder)
    project.dvc("remote", "modify", "--local", "local", "url", "webdav://127.0.0.1:9/nothing")
    assert "cannot be fetched" in refused(project, lineage)


def test_jobs_after_one_that_is_left_out_are_left_out(project: Project) -> None:
    lineage = project.study.lineage
    without = [job for job in lineage.order if job != f"{SFT}/train.record.json"]
    kept = closed(lineage, without)
    gone = lineage.descendants([f"{SFT}/train.record.json"])
    assert gone
    assert set(kept) == set(without) - set(gone)


def test_leaves_are_what_nothing_depends_on(project: Project) -> None:
    lineage = project.study.lineage
    assert leaves(lineage, lineage.order) == [f"{RESULTS}/report.record.json"]


def test_no_output_is_older_than_what_it_was_made_from(project: Project) -> None:
    """Also when the clocks of two machines differ: then the later of the two counts."""
    job = f"{SFT}/train.record.json"
    usage = read_record(project.root / job).usage
    project.study.rewrite(
        job, usage=usage.model_copy(update={"ended": "2026-01-03T00:00:00+00:00"})
    )
    base = project.root / f"{RESULTS}/base/LabQwen/checkpoints"
    lineage = project.study.lineage
    set_times(project.root, lineage, lineage.order)
    early, late = base / TIMESTAMP, project.root / SFT / "checkpoints" / TIMESTAMP
    assert early.stat().st_mtime < late.stat().st_mtime == (project.root / TABLE).stat().st_mtime
    assert (project.root / job).stat().st_mtime == late.stat().st_mtime


@pytest.mark.parametrize(("after", "said"), [(0, "nothing was"), (2, "2 of 3 outputs were")])
def test_how_far_it_came_is_told(
    project: Project, monkeypatch: pytest.MonkeyPatch, after: int, said: str
) -> None:
    lineage = project.study.lineage
    names = (f"{RESULTS}/curves.csv", TABLE, f"{RESULTS}/report.html")
    before = [md5(project.root / name) for name in names]
    for name in names:
        (project.root / name).write_text("other")
    moved: list[Path] = []

    def full(temporary: Path, target: Path) -> None:
        if len(moved) == after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))
        moved.append(target)
        move_in(temporary, target)

    monkeypatch.setattr("retu.lineage.storage.restore.move_in", full)
    with pytest.raises(InputError, match=rf"No space left.*; {said} put in place") as caught:
        project.restore(lineage)
    assert "\n" not in str(caught.value)
    assert [md5(project.root / name) for name in names[:after]] == before[:after]
    assert {(project.root / name).read_text() for name in names[after:]} == {"other"}
    assert not list(project.root.rglob("*.tmp"))


def test_a_folder_that_cannot_be_moved_in_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "checkpoints"
    target.mkdir()
    with pytest.raises(OSError, match="gone"):
        move_in(tmp_path / "gone", target)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoints"]


@pytest.mark.parametrize("name", [TABLE, WEIGHTS])
def test_what_is_replaced_is_kept_whole_even_if_the_cache_was_damaged(
    project: Project, name: str
) -> None:
    path, own = project.root / name, b"m" * LINKED
    path.unlink()
    path.write_bytes(own)
    kept = project.cache.path(md5(path))
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(b"M" * LINKED)
    project.restore(project.study.lineage)
    assert kept.read_bytes() == own
    assert path.read_bytes() != own


def test_a_running_workflow_is_left_alone(project: Project) -> None:
    locks = project.root / ".snakemake" / "locks"
    locks.mkdir(parents=True)
    refuse_running(project.root, "smoke")
    (locks / "0.input.lock").write_text("data/smoke_2/pool.parquet\nresults/smoke.txt\n")
    refuse_running(project.root, "smoke")
    for number, name in enumerate(("results/smoke/curves.csv", "data/smoke.record.json")):
        lock = locks / f"{number}.output.lock"
        lock.write_text(f"{name}\n")
        with pytest.raises(InputError, match=r"a workflow is running on it.*--unlock"):
            refuse_running(project.root, "smoke")
        lock.unlink()


def test_outputs_that_do_not_fit_what_was_restored_are_named(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The grades are replaced; curves and all after them were made from those that were here."""
    monkeypatch.setattr(restoring, "present_plan", lambda root, lineage: project.study.plan)
    monkeypatch.setattr(restoring, "adopt", lambda *given: None)
    grades, job = f"{SFT}/grades.parquet", f"{RESULTS}/curves.record.json"

    def restored() -> int:
        return restoring.restore_study(project.root, "smoke", grades, grades)

    assert restored() == 0
    (project.root / grades).write_text("other grades")
    made = hash_tree(project.root / grades)
    other = Artefact.from_tree(grades, made, listed=True)
    project.study.rewrite(f"{SFT}/grades.record.json", outputs=[other])
    project.study.rewrite(job, inputs=[other])
    capsys.readouterr()
    assert restored() == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2] == f"does not fit: {job} read another {grades} than is there now"
    assert lines[-1].startswith("1 job did not read what is there now; delete their outputs")
    assert TABLE in lines[-1]
