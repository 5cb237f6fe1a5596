"""Manifests: small files that represent a large folder or data file in Snakemake's graph.

A manifest lists every file with its MD5 (the hash DVC uses, so both agree) and size, and the
digest of the whole. Readers check it before they trust the bytes behind it.

A record (`retu.lineage.record`) has the same hashes and cannot stand in for it: it tells time,
machine and cost, so that it is another after every run, and whatever read it would be made again.
What reads a manifest is told of its facts (rows, tokens, commit), too, and scripts that are called
by hand leave one, but no record.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from retu.core.atomic_files import write_text
from retu.core.errors import InputError, advise_making_again
from retu.core.hashing import hash_tree, list_changed_names


def describe_files(target: Path) -> dict[str, Any]:
    """List the files of a folder (or one file) with hash and size, plus the digest of the list."""
    found = hash_tree(target).files if target.exists() else ()
    folder = f"{target.name}/" if target.is_dir() else ""
    files = [{"path": f"{folder}{f.path}", "md5": f.md5, "size": f.size} for f in found]
    digest = hashlib.md5(json.dumps(files, sort_keys=True).encode(), usedforsecurity=False)
    return {"digest": digest.hexdigest(), "files": files}


def write_manifest(path: Path, target: Path, **facts: object) -> None:
    """Write the manifest of `target` with extra facts (rows, columns, seed, steps...)."""
    text = json.dumps({**describe_files(target), **facts}, indent=1, sort_keys=True)
    write_text(path, text + "\n")


def read_manifest(path: Path) -> dict[str, Any]:
    """Read a manifest; InputError when it is missing, not JSON or not a manifest."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or not {"digest", "files"} <= content.keys():
            raise ValueError("no digest and files in it")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: not a readable manifest ({error}); {advise_making_again(path)}"
        ) from error
    return content


def check_manifest(path: Path, target: Path) -> dict[str, Any]:
    """Compare `target` with its manifest and return it; InputError names the first difference."""
    content = read_manifest(path)
    found = {item["path"]: item["md5"] for item in describe_files(target)["files"]}
    listed = {item["path"]: item["md5"] for item in content["files"]}
    for name in list_changed_names(listed, found):
        state = "has changed" if name in listed else "is new"
        state = state if name in found else "is missing"
        where = target.parent / name
        raise InputError(f"{where}: {state} since {path} was written; {advise_making_again(path)}")
    return content
