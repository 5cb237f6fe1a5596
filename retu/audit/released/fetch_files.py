"""The authors' result files, from their repository or a folder."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from retu.audit.released.download import RetryPolicy, download_file
from retu.audit.released.released_files import CacheFile
from retu.core.atomic_files import replace_folder
from retu.core.errors import InputError
from retu.runtime.mirror_files import note_source

REPOSITORY = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/?")


COMMIT = re.compile(r"[0-9a-f]{40}")


def get_tree_path(repository: str, commit: str) -> str:
    """OWNER/NAME/COMMIT, the path of the pinned tree on the raw server and in a mirror."""
    match = REPOSITORY.fullmatch(repository)
    if not match:
        raise InputError(f"repository {repository}: write it as https://github.com/OWNER/NAME")
    if not COMMIT.fullmatch(commit):
        raise InputError(f"commit {commit}: give all 40 hexadecimal digits, so that it is pinned")
    return f"{match[1]}/{match[2]}/{commit}"


def read_mirror_file(folder: Path, file: CacheFile) -> bytes:
    """The bytes of a file in a mirror; InputError when it is missing, cut short or another one."""
    place = folder / file.path
    if not place.is_file():
        raise InputError(
            f"{place}: no such file; the mirror needs the tree OWNER/NAME/COMMIT of the "
            "repository (set mirror or RETU_MIRROR to the folder above OWNER)"
        )
    data = place.read_bytes()
    if fault := file.find_fault(data):
        raise InputError(f"{place}: {fault}; copy it anew into the mirror")
    note_source(folder.parents[2], place)
    return data


def download_cache_file(
    tree_url: str, state: Path, patience: RetryPolicy, file: CacheFile
) -> bytes:
    """The bytes of a file of the repository; finished and begun files are kept in `state`."""
    url = f"{tree_url}/{quote(file.path)}"
    return download_file(url, file, state / f"{file.path}.part", patience)


def read_kept_file(folder: Path, file: CacheFile) -> bytes | None:
    """The bytes of a file that is in its place already and right."""
    place = folder / file.path
    data = place.read_bytes() if place.is_file() else None
    return None if data is None or file.find_fault(data) else data


def fetch_files(files: list[CacheFile], out: Path, source: Callable[[CacheFile], bytes]) -> int:
    """Put all files into `out`, asking `source` for those not there yet; returns how many.

    They are gathered beside `out` and moved in together, so it never holds a part of them.
    """
    fetched = 0

    def fill(folder: Path) -> None:
        nonlocal fetched
        for file in files:
            data = read_kept_file(out, file)
            if data is None:
                data = source(file)
                fetched += 1
            place = folder / file.path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)

    replace_folder(out, fill)
    return fetched
