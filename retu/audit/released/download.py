"""Fetching a listed file over HTTP: resumed where it was cut, checked before it is believed."""

import http.client
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from retu.audit.released.released_files import CacheFile
from retu.core.errors import InputError

DOWNLOAD_CHUNK = 1 << 14
TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that may be another one a little later."""
CONNECTION_ERRORS = (OSError, http.client.HTTPException)
FOLDER_REMEDY = "take the files from a folder: --config mirror=FOLDER or RETU_MIRROR=FOLDER"


@dataclass(frozen=True)
class RetryPolicy:
    """How long to try: seconds without an answer, attempts, pause before the second one."""

    timeout_s: float = 20.0
    attempts: int = 4
    pause_s: float = 1.0


class AttemptError(Exception):
    """An attempt that the next one may continue."""


def download_file(url: str, file: CacheFile, part: Path, patience: RetryPolicy) -> bytes:
    """Fetch `file` from `url`, going on from what an earlier attempt left in `part`.

    Returns:
        The checked bytes; `part` holds them too.

    Raises:
        InputError: out of reach, not there, or another file than the listed one (`part` is then
            deleted).
    """
    part.parent.mkdir(parents=True, exist_ok=True)
    reason = ""
    for attempt in range(patience.attempts):
        if attempt:
            time.sleep(patience.pause_s * 2 ** (attempt - 1))
        start = part.stat().st_size if part.exists() else 0
        try:
            if start < file.size:
                receive_part(url, part, start, file.size, patience.timeout_s)
        except AttemptError as error:
            reason = str(error)
            continue
        data = part.read_bytes()
        fault = file.find_fault(data)
        if fault is None:
            return data
        part.unlink()
        reason = fault
        # What was resumed may have begun with the bytes of another file: once more from the start.
        if start == 0:
            raise InputError(
                f"{url}: {fault}; this is not the file that was examined, so check the commit, or "
                + FOLDER_REMEDY
            )
    raise InputError(
        f"{url}: no file after {patience.attempts} attempts ({reason}); check the network and run "
        f"again to go on, or {FOLDER_REMEDY}"
    )


def receive_part(url: str, part: Path, start: int, size: int, timeout_s: float) -> None:
    """One attempt: write to `part` what the server sends, from byte `start` if it can.

    Raises:
        AttemptError: the connection or the server failed; what arrived is in `part`.
        InputError: the server says that it has no such file.
    """
    headers = {"User-Agent": "retu"} | ({"Range": f"bytes={start}-"} if start else {})
    try:
        request = urllib.request.Request(url, headers=headers)
        with urllib.request.urlopen(request, timeout=timeout_s) as response:
            if response.status == 206 and not is_range_start(response, start):
                part.unlink()
                raise AttemptError("the server sent another range than the one asked for")
            append_body(response, part, start if response.status == 206 else 0, size)
    except urllib.error.HTTPError as error:
        if error.code == 416:
            part.unlink()
        elif error.code not in TRANSIENT_STATUSES:
            raise InputError(
                f"{url}: the server answers {error.code} {error.reason}; check the repository and "
                f"the commit, or {FOLDER_REMEDY}"
            ) from error
        raise AttemptError(f"the server answers {error.code} {error.reason}") from error
    except CONNECTION_ERRORS as error:
        reason = getattr(error, "reason", None) or error
        raise AttemptError(str(reason) or type(error).__name__) from error


def is_range_start(response: http.client.HTTPResponse, start: int) -> bool:
    """Whether a partial answer begins at byte `start`."""
    return (response.headers["Content-Range"] or "").startswith(f"bytes {start}-")


def append_body(response: http.client.HTTPResponse, part: Path, start: int, size: int) -> None:
    """Append the body to the first `start` bytes of `part`; stop one byte past `size`.

    Raises:
        AttemptError: the body ends before its announced length.
    """
    announced = response.headers["Content-Length"]
    have = start
    with part.open("ab" if start else "wb") as handle:
        while have <= size and (block := response.read1(min(DOWNLOAD_CHUNK, size + 1 - have))):
            handle.write(block)
            handle.flush()
            have += len(block)
    if announced is not None and have < min(start + int(announced), size + 1):
        raise AttemptError(f"the connection was cut after {have} of {size} bytes")
