"""DVC's cache: what a recording puts into it and how, and the records of a revision from it."""

import errno
import os
from pathlib import Path

import pytest
from lineage_fixtures import RESULTS, SFT, TABLE, WEIGHTS
from pointer_fixtures import LOCK_FILE, PointerProject, make_project

from retu.core.errors import InputError
from retu.core.hashing import compute_md5, hash_tree
from retu.lineage.graph.dvc_lock import read_dvc_lock
from retu.lineage.graph.record_graph import Lineage
from retu.lineage.storage import stored_outputs
from retu.lineage.storage.dvc_cache import replace_links
from retu.lineage.storage.history import read_past_lineage


def test_big_files_of_checkpoints_are_linked_and_all_others_copied(project: PointerProject) -> None:
    project.write_pointers()
    weights, table = project.root / WEIGHTS, project.root / TABLE
    kept = project.cache.get_object_path(compute_md5(weights))
    assert kept.samefile(weights)
    assert weights.stat().st_mode & 0o777 == 0o444
    name = compute_md5(table)
    assert not project.cache.get_object_path(name).samefile(table)
    table.write_text("edited in place\n")
    assert project.cache.is_intact(name)
    assert os.access(table, os.W_OK)


@pytest.mark.parametrize("reason", [errno.EXDEV, errno.EPERM, errno.EMLINK])
def test_where_links_are_impossible_big_files_are_copied(
    project: PointerProject, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    def refuse(source: object, target: object) -> None:
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(os, "link", refuse)
    project.write_pointers()
    weights = project.root / WEIGHTS
    assert project.cache.is_intact(compute_md5(weights))
    assert not project.cache.get_object_path(compute_md5(weights)).samefile(weights)


def test_outputs_that_are_links_into_snakemakes_cache(
    project: PointerProject, tmp_path: Path
) -> None:
    for number, name in enumerate((TABLE, f"{SFT}/checkpoints")):
        path, elsewhere = project.root / name, tmp_path / f"cached{number}"
        path.rename(elsewhere)
        path.symlink_to(elsewhere)
    project.write_pointers()
    assert project.cache.is_intact(compute_md5(project.root / TABLE))
    assert project.cache.is_intact(compute_md5(project.root / WEIGHTS))
    assert "up to date" in project.run_dvc("status")


@pytest.mark.parametrize("size", [1, 0], ids=["same size", "cut off"])
def test_a_damaged_object_is_replaced_by_the_whole_file(project: PointerProject, size: int) -> None:
    project.write_pointers()
    table = project.root / TABLE
    kept = project.cache.get_object_path(compute_md5(table))
    kept.unlink()
    kept.write_bytes(b"#" * (table.stat().st_size * size))
    project.write_pointers()
    assert kept.read_bytes() == table.read_bytes()


def test_a_damaged_object_of_a_big_file_is_replaced_by_a_link(project: PointerProject) -> None:
    weights = project.root / WEIGHTS
    kept = project.cache.get_object_path(compute_md5(weights))
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"#" * weights.stat().st_size)
    # Read again because it may have been changed.
    os.utime(weights, (2e9, 2e9))
    project.write_pointers()
    assert kept.samefile(weights)


def test_a_file_that_cannot_be_linked_is_read_once(
    project: PointerProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trying must not make it look changed."""

    def refuse(source: object, target: object) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", refuse)
    before = (project.root / WEIGHTS).stat()
    project.write_pointers()
    assert (project.root / WEIGHTS).stat().st_ctime_ns == before.st_ctime_ns


@pytest.mark.parametrize("name", ["", "ab/../../../elsewhere", "0" * 31, "0" * 32 + ".dirx"])
def test_what_is_no_hash_names_no_object(project: PointerProject, name: str) -> None:
    with pytest.raises(InputError, match="is no hash; do not trust"):
        project.cache.remove_object(name)


def test_an_object_is_whole_or_absent(
    project: PointerProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(source: Path, target: Path) -> str:
        target.write_bytes(source.read_bytes()[:1])
        raise KeyboardInterrupt

    monkeypatch.setattr("retu.lineage.storage.dvc_cache.copy_and_hash", stop)
    with pytest.raises(KeyboardInterrupt):
        project.write_pointers()
    left = [path for path in project.cache.folder.rglob("*") if path.is_file()]
    assert all(path.parent.name + path.name == compute_md5(path) for path in left)


def test_folders_of_links_are_made_real(tmp_path: Path) -> None:
    """Snakemake's cache fills a folder with links, which DVC leaves out and our hash follows."""
    project = make_project(tmp_path / "a project")
    folder, store = project.root / SFT / "checkpoints", tmp_path / "store"
    before = hash_tree(folder)
    folder.rename(store)
    folder.mkdir()
    first, second = sorted(path.name for path in store.iterdir())
    (folder / first).symlink_to(store / first)
    (folder / second).mkdir()
    for path in (store / second).iterdir():
        (folder / second / path.name).symlink_to(path)
    project.write_pointers()
    assert not any(path.is_symlink() for path in folder.rglob("*"))
    assert hash_tree(folder) == before
    assert "up to date" in project.run_dvc("status")
    assert project.study.verify().findings == ()
    big = project.root / WEIGHTS
    assert big.samefile(store / big.relative_to(folder))
    small = next(path for path in folder.rglob("*") if path.is_file() and not path.samefile(big))
    assert not small.samefile(store / small.relative_to(folder))


def test_a_folder_that_is_a_link_is_made_real(tmp_path: Path) -> None:
    """So it is in the checkout that filled Snakemake's cache."""
    project = make_project(tmp_path / "a project")
    folder, store = project.root / SFT / "checkpoints", tmp_path / "store"
    folder.rename(store)
    folder.symlink_to(store)
    before = hash_tree(store)
    replace_links(folder)
    assert not folder.is_symlink()
    assert hash_tree(folder) == hash_tree(store) == before


def test_a_link_that_leads_nowhere_ends_recording_in_a_line(tmp_path: Path) -> None:
    project = make_project(tmp_path / "a project")
    folder = project.root / SFT / "checkpoints"
    target = next(folder.iterdir())
    target.rename(tmp_path / "gone")
    target.symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"checkpoints: .*; what to do: retu lineage verify"):
        project.write_pointers()


def test_a_changed_output_is_told_with_commands_that_can_be_typed(project: PointerProject) -> None:
    (project.root / TABLE).write_text("edited\n")
    with pytest.raises(InputError) as caught:
        project.write_pointers()
    assert str(caught.value) == (
        f"{TABLE}: has changed since its record {TABLE[:-3]}record.json was written; put it back"
        f" (retu lineage restore {TABLE}) or make it again"
        f" (snakemake --force {TABLE} --config study=smoke)"
    )


def test_a_data_pointer_that_is_none_is_told_with_its_remedy(project: PointerProject) -> None:
    (project.root / "data.dvc").write_text("<<<<<<< HEAD\n")
    with pytest.raises(InputError, match=r"^data\.dvc: .*\(git checkout HEAD -- data\.dvc\)$"):
        project.write_pointers()


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
