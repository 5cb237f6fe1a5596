"""Hashes of files and folders: the same as DVC's, and no byte read twice."""

import hashlib
import os
from pathlib import Path

import pytest
from dvc_data.hashfile.build import build
from dvc_data.hashfile.db import HashFileDB
from dvc_objects.fs.local import LocalFileSystem

from retu.core import hashing
from retu.core.hashing import compute_md5, hash_tree, hash_trees

# Sorted as text, `a.txt` comes before `a/b`; sorted by parts, after it.
NAMES = ("a.txt", "a/b", "a/c d/e", "a b", "é", "deep/er/still", "empty", ".hidden")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of files, some of them in folders, one of several chunks."""
    target = tmp_path / "checkpoints"
    for number, name in enumerate(NAMES):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(b"x" * number)
    (target / "empty").write_bytes(b"")
    (target / "big").write_bytes(os.urandom(3 * hashing.READ_BYTES + 7))
    return target


def hash_by_dvc(target: Path, cache: Path) -> tuple[str | None, int | None]:
    """Hash and size as DVC computes them."""
    system = LocalFileSystem()  # type: ignore[no-untyped-call]
    _, meta, tree = build(HashFileDB(system, str(cache)), str(target), system, "md5", dry_run=True)
    return tree.hash_info.value, meta.size


def test_files_and_folders_have_the_hashes_of_dvc(folder: Path, tmp_path: Path) -> None:
    for target in (folder, folder / "a", folder / "big", folder / "empty"):
        found = hash_tree(target)
        assert (found.md5, found.size) == hash_by_dvc(target, tmp_path / "cache")
        assert found.is_folder == target.is_dir()


def test_what_a_killed_process_left_belongs_to_no_folder(folder: Path) -> None:
    before = hash_tree(folder)
    (folder / "a" / ".losses.csv.123.tmp").write_text("half")
    (folder / ".step-000010.123-4.tmp").mkdir()
    (folder / ".step-000010.123-4.tmp" / "model.safetensors").write_text("half")
    assert hash_tree(folder) == before
    # A name that only looks like one is a file as any other.
    (folder / "losses.123.tmp").touch()
    assert hash_tree(folder) != before


def test_the_files_of_a_folder_are_told(folder: Path) -> None:
    found = hash_tree(folder)
    assert [file.path for file in found.files] == sorted([*NAMES, "big"])
    for file in found.files:
        content = (folder / file.path).read_bytes()
        assert (file.md5, file.size) == (hashlib.md5(content).hexdigest(), len(content))
    (single,) = hash_tree(folder / "big").files
    assert single.path == "big"


def test_markers_of_snakemake_do_not_count(folder: Path) -> None:
    before = hash_tree(folder)
    (folder / ".snakemake_timestamp").touch()
    (folder / "a" / ".snakemake_timestamp").touch()
    assert hash_tree(folder) == before


def test_links_read_like_what_they_point_to(folder: Path, tmp_path: Path) -> None:
    expected = hash_tree(folder)
    link = tmp_path / "link"
    link.symlink_to(folder)
    assert hash_tree(link) == expected
    inside = tmp_path / "inside"
    inside.mkdir()
    for path in folder.iterdir():
        (inside / path.name).symlink_to(path)
    assert hash_tree(inside) == expected


def test_several_are_hashed_in_their_order(folder: Path) -> None:
    targets = [folder / "big", folder, folder / "a"]
    assert list(hash_trees(targets)) == [hash_tree(target) for target in targets]
    assert list(hash_trees([])) == []
    assert hash_tree(folder / "a" / "c d").size == 2


def test_an_empty_folder(tmp_path: Path) -> None:
    found = hash_tree(tmp_path)
    assert (found.size, found.files) == (0, ())
    assert found.md5 == hashlib.md5(b"[]").hexdigest() + ".dir"


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        hash_tree(tmp_path / "none")
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(FileNotFoundError):
        hash_tree(tmp_path)


def test_a_file_is_read_once_until_it_changes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "big"
    first = compute_md5(path)
    opened: list[Path] = []
    original = Path.open

    def count_reads(self: Path, *rest: object, **more: object) -> object:
        opened.append(self)
        return original(self, *rest, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", count_reads)
    assert compute_md5(path) == first
    assert {file.path: file.md5 for file in hash_tree(folder).files}["big"] == first
    assert path not in opened
    content = bytearray(path.read_bytes())
    content[5] ^= 1
    opened.clear()
    path.write_bytes(content)
    # The size is the same; some file systems count time in steps of milliseconds.
    os.utime(path, ns=(1, 1))
    opened.clear()
    assert compute_md5(path) == hashlib.md5(content).hexdigest() != first
    assert opened == [path]
