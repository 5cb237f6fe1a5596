"""Archives opened, changed and packed again."""

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from lineage_fixtures import TABLE, MadeStudy

from retu.lineage.queries.bundle import export_bundle, pack_archive
from retu.lineage.queries.unbundle import check_bundle, open_bundle


@pytest.fixture
def archive(made_study: MadeStudy, tmp_path: Path) -> Path:
    """The exported table of the made-up study."""
    path = tmp_path / "table_4.lineage.tar.gz"
    export_bundle(made_study.root, made_study.lineage, TABLE, path)
    return path


def read_archive_members(archive: Path) -> dict[str, bytes]:
    """The files in an archive."""
    with tarfile.open(archive) as content:
        handles = ((member.name, content.extractfile(member)) for member in content)
        return {name: handle.read() for name, handle in handles if handle}


def repack_archive(archive: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
    """The archive with other content."""
    files = read_archive_members(archive)
    change(files)
    archive.write_bytes(pack_archive(files))
    return archive


def list_archive_findings(archive: Path) -> list[tuple[str, str]]:
    """Kind and path of what is found in an archive."""
    with open_bundle(archive) as content:
        return [(found.kind, found.path) for found in check_bundle(content).findings]


def replace_member(files: dict[str, bytes], name: str, old: bytes, new: bytes) -> None:
    """Change a file of an archive; `old` must be in it."""
    assert old in files[name]
    files[name] = files[name].replace(old, new, 1)
