"""The job server of this Snakemake: started before its first job, ended with its last."""

import atexit
import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path

from retu.runtime import job_client
from retu.runtime.job_client import (
    CLIENT_VARIABLE,
    GROUPS,
    OFF,
    SERVER_VARIABLE,
    WORKER_VARIABLE,
    make_address,
)

SERVERS: list["subprocess.Popen[bytes]"] = []
"""The server of this process, if it has one."""
WAITING_CLIENTS = 128
END_SECONDS = 10.0
# Read as an interpreter starts; the rest of a job's environment comes with the first job.
START_SETTINGS = {"PYTHONHASHSEED": "0"}


def forget_job_server() -> None:
    """Forget the server of a Snakemake that this one was started by: its jobs are not of that run.

    A user's `RETU_JOB_SERVER=off` stays.
    """
    os.environ.pop(CLIENT_VARIABLE, None)
    os.environ.pop(WORKER_VARIABLE, None)
    if os.environ.get(SERVER_VARIABLE) != OFF:
        os.environ.pop(SERVER_VARIABLE, None)


def start_job_server() -> None:
    """Start a server for the jobs of this process, which inherit where it is.

    Where it cannot be started, and if `RETU_JOB_SERVER` is `off`, jobs do without.
    """
    if os.environ.get(SERVER_VARIABLE) == OFF or not sys.platform.startswith("linux"):
        return
    place = f"retu-{os.getpid()}-{secrets.token_hex(8)}"
    listeners: dict[str, socket.socket] = {}
    try:
        for group in GROUPS:
            listeners[group] = socket.socket(socket.AF_UNIX)
            listeners[group].bind(make_address(place, group))
            listeners[group].listen(WAITING_CLIENTS)
        SERVERS.append(start_server_process(listeners))
    except OSError as error:
        print(f"note: jobs start without a job server ({error})", file=sys.stderr, flush=True)
        return
    finally:
        for listener in listeners.values():
            listener.close()
    os.environ[SERVER_VARIABLE] = place
    os.environ[CLIENT_VARIABLE] = str(Path(job_client.__file__).absolute())
    atexit.register(end_job_server)


def start_server_process(listeners: dict[str, socket.socket]) -> "subprocess.Popen[bytes]":
    """Start the server with the interpreter that jobs run by, in a session of its own.

    There Ctrl-C reaches its jobs once, by their clients.
    """
    python = str(Path(sys.executable).parent / "python")
    named = [f"{group}={listener.fileno()}" for group, listener in listeners.items()]
    return subprocess.Popen(
        [python, "-m", "retu.runtime.job_server", *named],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **START_SETTINGS},
        pass_fds=[listener.fileno() for listener in listeners.values()],
        start_new_session=True,
    )


def end_job_server() -> None:
    """Let the server end, and wait for it so that its processor time counts as this process's.

    With a job still running it ends after that, by itself; a process that was forked from this one
    leaves it alone.
    """
    while SERVERS:
        server = SERVERS.pop()
        if server.stdin is not None:
            server.stdin.close()
        try:
            server.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            return
