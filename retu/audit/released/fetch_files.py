"""The authors' result files, from their repository or a folder."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import requests

from retu.audit.released.released_files import CacheFile
from retu.core.atomic_files import replace_folder
from retu.core.errors import InputError
from retu.runtime.mirror_files import note_source

REPOSITORY = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/?")
COMMIT = re.compile(r"[0-9a-f]{40}")
RAW = "https://raw.githubusercontent.com"
"""The server of raw files."""
TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that may be another one a little later."""
FOLDER_REMEDY = "take the files from a folder: make audit MIRROR=FOLDER, or --config mirror=FOLDER"


@dataclass(frozen=True)
class RetryPolicy:
    """How long to try: seconds without an answer, attempts, pause before the second one."""

    timeout_s: float = 20.0
    attempts: int = 4
    pause_s: float = 1.0


def fetch_release(
    files: list[CacheFile], out: Path, tree: str, mirror: str, base_url: str, state: Path
) -> int:
    """Put all files of a release into `out`; returns how many were not there yet.

    Args:
        files: the files with their hashes.
        out: the folder; nothing is in it until all files have their size and hash.
        tree: OWNER/NAME/COMMIT (`get_tree_path`).
        mirror: the folder to copy from; empty: the network.
        base_url: the server of raw files.
        state: where begun downloads wait.

    Raises:
        InputError: a file is not there or another one, or the server cannot be asked.
    """
    if not base_url.startswith(("https://", "http://")):
        raise InputError(f"--base-url {base_url}: it must begin with https:// or http://")
    if mirror:
        folder = Path(mirror).expanduser() / tree
        return fetch_files(files, out, lambda file: read_mirror_file(folder, file))
    url = f"{base_url.rstrip('/')}/{tree}"
    return fetch_files(
        files, out, lambda file: download_cache_file(url, state, RetryPolicy(), file)
    )


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
    """The bytes of a file of the repository; finished files are kept in `state`."""
    kept = read_kept_file(state, file)
    if kept is not None:
        return kept
    data = download_file(f"{tree_url}/{quote(file.path)}", file, patience)
    place = state / file.path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    return data


def download_file(url: str, file: CacheFile, patience: RetryPolicy) -> bytes:
    """Fetch `file` from `url`, whole: it has a few kilobytes, and a cut one is asked for again.

    Attempts are counted here and not by urllib3's `Retry`, which is done once the body begins.

    Raises:
        InputError: out of reach, not there, or another file than the listed one.
    """
    reason = ""
    for attempt in range(patience.attempts):
        if attempt:
            time.sleep(patience.pause_s * 2 ** (attempt - 1))
        try:
            with requests.get(url, timeout=patience.timeout_s, stream=True) as answer:
                if answer.status_code not in TRANSIENT_STATUSES:
                    return read_answer(answer, url, file)
                reason = f"the server answers {answer.status_code} {answer.reason}"
        except requests.RequestException as error:
            reason = str(error) or type(error).__name__
    raise InputError(
        f"{url}: no file after {patience.attempts} attempts ({reason}); check the network and run "
        f"again to go on, or {FOLDER_REMEDY}"
    )


def read_answer(answer: requests.Response, url: str, file: CacheFile) -> bytes:
    """The listed file in a server's last word, of which one byte too many at most is read.

    Raises:
        InputError: the server has no such file, or another one.
        requests.RequestException: the connection was cut.
    """
    if not answer.ok:
        raise InputError(
            f"{url}: the server answers {answer.status_code} {answer.reason}; check the repository"
            f" and the commit, or {FOLDER_REMEDY}"
        )
    data = next(answer.iter_content(file.size + 1), b"")
    if fault := file.find_fault(data):
        raise InputError(
            f"{url}: {fault}; this is not the file that was examined, so check the commit, or"
            f" {FOLDER_REMEDY}"
        )
    return data


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
