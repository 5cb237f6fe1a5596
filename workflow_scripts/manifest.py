"""Manifests: the small file that stands for a heavy folder or data file in the graph.

A manifest lists every file with its MD5 (the hash DVC uses, so both agree) and size, and the
digest of the whole. Readers check it before they trust the bytes behind it.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from workflow_scripts.errors import InputError
from workflow_scripts.tables_io import write_text

CHUNK = 1 << 20


def md5(path: Path) -> str:
    """MD5 of a file, read in chunks."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as handle:
        while block := handle.read(CHUNK):
            digest.update(block)
    return digest.hexdigest()


def describe(target: Path) -> dict[str, Any]:
    """List the files of a folder (or one file) with hash and size, plus the digest of the list."""
    # Snakemake's cache puts links in the place of folders; they read like the folders themselves.
    walk = os.walk(target, followlinks=True)
    inside = sorted(Path(folder) / name for folder, _, names in walk for name in names)
    paths = [target] if target.is_file() else inside
    files = [
        {
            "path": path.relative_to(target.parent).as_posix(),
            "md5": md5(path),
            "size": path.stat().st_size,
        }
        for path in paths
        if path.name != ".snakemake_timestamp"
    ]
    digest = hashlib.md5(json.dumps(files, sort_keys=True).encode(), usedforsecurity=False)
    return {"digest": digest.hexdigest(), "files": files}


def write_manifest(path: Path, target: Path, **facts: object) -> None:
    """Write the manifest of `target` with extra facts (rows, columns, seed, steps...)."""
    text = json.dumps({**describe(target), **facts}, indent=1, sort_keys=True)
    write_text(path, text + "\n")


def read_manifest(path: Path) -> dict[str, Any]:
    """Read a manifest; InputError when it is missing, not JSON or not a manifest."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or not {"digest", "files"} <= content.keys():
            raise ValueError("no digest and files in it")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: not a readable manifest ({error}); delete it and run again"
        ) from error
    return content


def check_manifest(path: Path, target: Path) -> dict[str, Any]:
    """Compare `target` with its manifest and return it; InputError names the first difference."""
    content = read_manifest(path)
    found = {item["path"]: item["md5"] for item in describe(target)["files"]}
    listed = {item["path"]: item["md5"] for item in content["files"]}
    for name in sorted(listed | found):
        if listed.get(name) != found.get(name):
            state = "has changed" if name in listed else "is new"
            state = state if name in found else "is missing"
            where = target.parent / name
            raise InputError(
                f"{where}: {state} since {path} was written; delete both and run again"
            )
    return content
