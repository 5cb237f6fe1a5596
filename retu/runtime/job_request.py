"""What a client asks of the job server: read, and compared with what its processes were told."""

import marshal
import os
import socket
import struct
from collections.abc import Mapping
from typing import NamedTuple

from retu.runtime.job_client import LENGTH, SHARED_FILES, is_own

# Read while a job runs, never by an import; all others decide whether a fork will do.
JOB_VARIABLES = frozenset({"PWD", "OLDPWD", "SHLVL", "_"})
JOB_PREFIX = "RETU_"
START_PREFIXES = ("PYTHON", "LD_", "LC_", "LANG", "MALLOC_", "GLIBC_")
"""Variables that a process has read before it can be told others."""
REQUEST_SECONDS = 5.0
MAX_REQUEST = 2**26


class JobRequest(NamedTuple):
    """What a client asks for."""

    python: str
    words: list[str]
    """The module to run and its arguments."""
    folder: str
    environment: dict[str, str]
    files: list[int]
    """Its descriptors 0 to 2, or to 3, as they are numbered here."""


def select_variables(environment: Mapping[str, str], prefixes: tuple[str, ...]) -> dict[str, str]:
    """The variables whose names begin so."""
    return {name: value for name, value in environment.items() if name.startswith(prefixes)}


def forget_job_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that imports may look at."""
    return {
        name: value
        for name, value in environment.items()
        if name not in JOB_VARIABLES and not name.startswith(JOB_PREFIX)
    }


def replace_environment(environment: Mapping[str, str]) -> None:
    """Give this process another environment."""
    os.environ.clear()
    os.environ.update(environment)


def read_request(client: socket.socket) -> JobRequest | None:
    """What a client asks for; None if it is another user, has gone or cannot be understood."""
    files: list[int] = []
    try:
        client.settimeout(REQUEST_SECONDS)
        if is_own(client):
            head, files, _, _ = socket.recv_fds(client, LENGTH.size, len(SHARED_FILES))
            body = receive(client, min(LENGTH.unpack(head)[0], MAX_REQUEST))
            client.settimeout(None)
            python, words, folder, environment = marshal.loads(body)
            return JobRequest(python, words, folder, environment, files)
    except (OSError, ValueError, EOFError, TypeError, struct.error):
        # Its client does the job itself.
        close_all(*files)
    return None


def receive(client: socket.socket, length: int) -> bytes:
    """So many bytes, or fewer if the client has gone."""
    parts = []
    while length > 0 and (part := client.recv(length)):
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def close_all(*opened: int | socket.socket) -> None:
    """Close descriptors and sockets."""
    for one in opened:
        if isinstance(one, int):
            os.close(one)
        else:
            one.close()
