"""Archives opened, changed and packed again."""

import tarfile
from collections.abc import Callable
from pathlib import Path

from retu.lineage.queries.bundle import packed
from retu.lineage.queries.unbundle import check_bundle, opened


def members(archive: Path) -> dict[str, bytes]:
    """The files in an archive."""
    with tarfile.open(archive) as content:
        handles = ((member.name, content.extractfile(member)) for member in content)
        return {name: handle.read() for name, handle in handles if handle}


def repacked(archive: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
    """The archive with other content."""
    files = members(archive)
    change(files)
    archive.write_bytes(packed(files))
    return archive


def findings(archive: Path) -> list[tuple[str, str]]:
    """Kind and path of what is found in an archive."""
    with opened(archive) as content:
        return [(found.kind, found.path) for found in check_bundle(content).findings]


def replaced(files: dict[str, bytes], name: str, old: bytes, new: bytes) -> None:
    """Change a file of an archive; `old` must be in it."""
    assert old in files[name]
    files[name] = files[name].replace(old, new, 1)
