"""Manifests: a changed, missing or additional file never passes for the one that was written."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from retu.core.errors import InputError
from retu.core.manifest import check_manifest, describe_files, read_manifest, write_manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of two files with its manifest beside it."""
    target = tmp_path / "checkpoints"
    (target / "step-000010").mkdir(parents=True)
    (target / "step-000010" / "weights").write_bytes(b"\0" * 3_000_000)
    (target / "notes").write_text("n")
    write_manifest(tmp_path / "manifest.json", target, seed=7)
    return target


def test_a_manifest_lists_hashes_sizes_and_facts(folder: Path) -> None:
    content = check_manifest(folder.with_name("manifest.json"), folder)
    assert content["seed"] == 7
    assert content["files"] == [
        {"path": "checkpoints/notes", "md5": hashlib.md5(b"n").hexdigest(), "size": 1},
        {
            "path": "checkpoints/step-000010/weights",
            "md5": hashlib.md5(b"\0" * 3_000_000).hexdigest(),
            "size": 3_000_000,
        },
    ]


TAMPERING: dict[str, tuple[Callable[[Path], object], str]] = {
    "changed": (lambda f: (f / "notes").write_text("m"), "notes: has changed since"),
    "missing": (lambda f: (f / "notes").unlink(), "notes: is missing since"),
    "added": (lambda f: (f / "more").write_text("x"), "more: is new since"),
    "emptied": (lambda f: (f / "step-000010" / "weights").write_bytes(b""), "weights: has changed"),
}


@pytest.mark.parametrize(("tamper", "message"), TAMPERING.values(), ids=TAMPERING.keys())
def test_tampering_is_found(folder: Path, tamper: Callable[[Path], object], message: str) -> None:
    before = describe_files(folder)["digest"]
    tamper(folder)
    assert describe_files(folder)["digest"] != before
    with pytest.raises(InputError, match=f"{message}.*make it again"):
        check_manifest(folder.with_name("manifest.json"), folder)


@pytest.mark.parametrize("text", ["", '{"digest": "ab", "fil', "[]", "{}", '"text"'])
def test_half_written_manifests_are_refused(folder: Path, text: str) -> None:
    path = folder.with_name("manifest.json")
    path.write_text(text)
    with pytest.raises(InputError, match=r"manifest\.json: not a readable manifest .*make it"):
        check_manifest(path, folder)


def test_a_manifest_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a readable manifest"):
        read_manifest(tmp_path / "manifest.json")


def test_the_digest_follows_content_and_names_only(folder: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "checkpoints"
    moved.parent.mkdir()
    folder.rename(moved)
    (moved / ".snakemake_timestamp").touch()
    assert describe_files(moved)["digest"] == read_manifest(tmp_path / "manifest.json")["digest"]
    (moved / "notes").rename(moved / "renamed")
    assert describe_files(moved)["digest"] != read_manifest(tmp_path / "manifest.json")["digest"]


def test_links_read_like_what_they_point_to(folder: Path, tmp_path: Path) -> None:
    """Snakemake's cache links the whole output, or what is directly in it when it restores."""
    stored = tmp_path / "cache" / "0123abcd"
    stored.parent.mkdir()
    folder.rename(stored)
    folder.symlink_to(stored)
    assert len(check_manifest(tmp_path / "manifest.json", folder)["files"]) == 2
    folder.unlink()
    folder.mkdir()
    for path in stored.iterdir():
        (folder / path.name).symlink_to(path)
    assert len(check_manifest(tmp_path / "manifest.json", folder)["files"]) == 2


def test_manifests_are_written_the_same_twice(folder: Path) -> None:
    path = folder.with_name("manifest.json")
    first = path.read_bytes()
    write_manifest(path, folder, seed=7)
    assert path.read_bytes() == first
    assert json.loads(first)["digest"] == describe_files(folder)["digest"]
