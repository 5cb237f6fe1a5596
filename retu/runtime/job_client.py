"""Hand a job to this run's job server and end as it ends; without one, be the job.

    python -IS retu/runtime/job_client.py -m retu.cli.run_job train_sft OPTIONS

This stands where `python -m retu.cli.run_job` would, under the same options, so that whoever looks
for a job's process finds it and may signal or kill it. Starting takes milliseconds: it imports
nothing of ours, and runs without `site`. The server (`retu.runtime.job_server`) makes jobs start
sooner and decides nothing: a job that it does not take, or cannot be asked to take, is run here.
So are the workers that a job starts to grade with (`retu.grading.worker_process`).
"""

import marshal
import os
import select
import signal
import socket
import struct
import sys
from types import FrameType
from typing import NoReturn

SERVER_VARIABLE = "RETU_JOB_SERVER"
"""Where the server listens; a user may set it to `off`."""
CLIENT_VARIABLE = "RETU_JOB_CLIENT"
"""Path of this file, where there is a server (`job` in rules/jobs.smk)."""
WORKER_VARIABLE = "RETU_WORKER_SERVER"
"""In a job: where the server of its run listens for the workers that the job starts."""
OFF = "off"
TRAINING, ANALYSIS, HUB, GRADING = "training", "analysis", "hub", "grading"
GRADING_WORKER = "retu.grading.worker"
"""The module whose processes are of the group `GRADING`."""
# Scripts of workflow_scripts/ whose jobs start from the same imports. Those that may ask a hub are
# apart: whether they do is decided as its client is imported. Of them, the ones without torch are
# as soon there by themselves.
GROUPS = {
    TRAINING: (
        *("train_rl", "train_sft", "pretrain_base", "generate", "import_sft", "decontaminate"),
    ),
    ANALYSIS: (
        *("answer", "audit_figure_3", "audit_figure_8", "audit_report", "audit_summary"),
        *("audit_table_4", "audit_table_5", "choose_branches", "claims_ledger", "collapses"),
        *("compare_graders", "concatenate", "curves", "data_quality", "dataset_stats"),
        *("describe_study", "fetch_caches", "figure_2", "figure_3", "figure_4"),
        *("figure_7", "figure_8", "fit_curves", "fixed_points", "forecast", "grade"),
        *("import_curves", "import_scores", "judge_hypotheses", "label_published"),
        *("label_subphases", "load_local_model", "make_data", "match_prompts", "per_benchmark"),
        *("published_artefact", "report"),
        *("select_sft_set", "sensitivity", "study_claims", "summary", "table_1", "table_3"),
        *("table_4", "table_5", "table_6"),
    ),
    HUB: ("convert_packaged_model", "fetch_base", "load_expert_set", "rebuild_pool"),
    GRADING: (),
}
SHARED_FILES = range(4)
"""Descriptors that a job gets from its rule: input, log twice, terminal."""
ACCEPTED = b"y"
STATUS = struct.Struct("i")
LENGTH = struct.Struct("Q")
PEER = struct.Struct("3i")
HEARD_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGTSTP)


def main() -> NoReturn:
    """Have the job done, or become it."""
    place = os.environ.pop(SERVER_VARIABLE, OFF)
    os.environ.pop(CLIENT_VARIABLE, None)
    if place != OFF:
        os.environ[WORKER_VARIABLE] = place
    command = sys.argv[1:]
    group = find_group(command)
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        # Until there is a job, whoever interrupts this ends it.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    server = offer_job(make_address(place, group), command) if group and place != OFF else None
    if server is None:
        os.execv(sys.executable, [sys.executable, *command])
    end_alike(wait_for_status(server))


def find_group(command: list[str]) -> str | None:
    """The group of `-m retu.cli.run_job SCRIPT OPTIONS`; None for a job that no server takes."""
    if command[1] == GRADING_WORKER:
        return GRADING
    script, options = command[2], command[3 : command.index("--") if "--" in command else None]
    for option in ("--processes", "--nodes"):
        if option in options and options[options.index(option) + 1] != "1":
            return None
    return next((group for group, scripts in GROUPS.items() if script in scripts), None)


def make_address(place: str, group: str) -> str:
    """Where a group's server listens: a name that is no file, so that nothing stays behind."""
    return f"\0{place}-{group}"


def is_own(peer: socket.socket) -> bool:
    """Whether the process at the other end is this user's: such names have no permissions."""
    told = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size)
    return bool(PEER.unpack(told)[1] == os.getuid())


def offer_job(address: str, command: list[str]) -> socket.socket | None:
    """Ask a server to do the job; the connection if it does, None if it is to be done here."""
    files = [number for number in SHARED_FILES if is_open(number)]
    if files[:3] != [0, 1, 2]:
        return None
    request = marshal.dumps((sys.executable, command[1:], os.getcwd(), dict(os.environ)))
    server = socket.socket(socket.AF_UNIX)
    try:
        server.connect(address)
        if is_own(server):
            socket.send_fds(server, [LENGTH.pack(len(request))], files)
            server.sendall(request)
            if server.recv(len(ACCEPTED)) == ACCEPTED:
                return server
    except OSError:
        # It has ended, or ends just now: nothing has been begun.
        server.close()
        return None
    server.close()
    return None


def is_open(number: int) -> bool:
    """Whether this process was given a descriptor of that number."""
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def wait_for_status(server: socket.socket) -> int | None:
    """Wait for the job and pass signals on; its wait status, None if its server was killed."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        told = [number]
        if number == signal.SIGTSTP:
            tell_server(server, signal.SIGSTOP)
            os.kill(os.getpid(), signal.SIGSTOP)
            told = [signal.SIGCONT]
        tell_server(server, *told)

    bell, ringing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(ringing, warn_on_full_buffer=False)
    for number in HEARD_SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, pass_on)
    # Python acts on a signal just before a blocking call only once that returns, as this one does.
    poll = select.poll()
    for file in (server.fileno(), bell):
        poll.register(file, select.POLLIN)
    while server.fileno() not in {file for file, _ in poll.poll()}:
        os.read(bell, 64)
    try:
        said = server.recv(STATUS.size, socket.MSG_WAITALL)
    except ConnectionError:
        said = b""
    return int(STATUS.unpack(said)[0]) if len(said) == STATUS.size else None


def tell_server(server: socket.socket, *numbers: int) -> None:
    """Have the job sent signals; one that has just ended needs none."""
    try:
        server.send(bytes(numbers))
    except ConnectionError:
        return


def end_alike(status: int | None) -> NoReturn:
    """End as the job did: with its exit status, or by the signal that ended it."""
    if status is None:
        print("error: the job server was killed, and its job with it", file=sys.stderr, flush=True)
        os._exit(1)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) % 256)


if __name__ == "__main__":
    main()
