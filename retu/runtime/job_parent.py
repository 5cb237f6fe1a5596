"""A process of the job server that has imported what a group's jobs need, and forks to do them."""

import contextlib
import ctypes
import gc
import importlib
import os
import signal
import socket
import sys
import threading
from pathlib import Path

from retu.runtime.job_client import (
    ACCEPTED,
    ANALYSIS,
    GRADING,
    GRADING_WORKER,
    GROUPS,
    HUB,
    SHARED_FILES,
    STATUS,
    TRAINING,
)
from retu.runtime.job_request import (
    START_PREFIXES,
    JobRequest,
    close_all,
    forget_job_variables,
    read_request,
    replace_environment,
    select_variables,
)
from retu.runtime.signal_bell import Bell, wait_for_any

# What the scripts of a group import only when they need it.
LATE_IMPORTS = {
    TRAINING: (
        *("retu.evaluation.decoding", "retu.training.paradigms.trainer"),
        *("retu.training.paradigms.resume", "retu.training.sft_trainer"),
        *("retu.training.memory.adapters", "retu.training.memory.compact_head"),
        *("retu.training.memory.token_scores",),
        *("datasets.io.parquet", "transformers.models.qwen2.modeling_qwen2"),
    ),
    ANALYSIS: (
        *("matplotlib.style.core", "matplotlib.backends.backend_svg"),
        *("matplotlib.backends.backend_pdf", "pandas.io.formats.csvs"),
        *("pyarrow.pandas_compat", "pyarrow.parquet", "pyarrow.dataset"),
    ),
    HUB: ("datasets.io.parquet", "transformers.models.auto.modeling_auto"),
}
THREADS_VARIABLE = "OMP_NUM_THREADS"
WORKER_PREFIXES = (*START_PREFIXES, "SYMPY_", "MPMATH_")
"""Variables that the imports of a grading worker look at; those of jobs may look at any."""
# Without it pyarrow starts a thread as it is imported, to give memory back.
IMPORT_SETTINGS = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
# Generators of libraries, which draw their seed as they are imported. Two jobs with the same draws
# would give different files in the cache of `datasets` the same name.
OWN_GENERATORS = (
    ("datasets.fingerprint", "fingerprint_rng"),
    ("sympy.core.random", "rng"),
    ("sympy.core.random", "_assumptions_rng"),
)
GPU_FILES = ("/dev/nvidia", "/dev/kfd")
LIFELINE = 0
"""The descriptor that closes when no job is to be taken any more."""
HELD_SIGNALS = (signal.SIGTERM, signal.SIGINT)
PASSED_SIGNALS = (*HELD_SIGNALS, signal.SIGSTOP, signal.SIGCONT)
LIBC, PR_SET_PDEATHSIG = ctypes.CDLL(None), 1


class JobParent:
    """A process that has imported what a group's jobs need; each of them is a fork of it."""

    def __init__(self, group: str, listener: socket.socket) -> None:
        self.group = group
        self.listener: socket.socket | None = listener
        self.bell = Bell()
        self.environment: dict[str, str] | None = None
        self.imported: dict[str, str] = {}
        self.jobs: dict[int, socket.socket | None] = {}

    def serve(self) -> JobRequest | None:
        """Do jobs until the run is over and the last one ends.

        Returns:
            None then; in the process of a job, what it is to do, `HELD_SIGNALS` still blocked.
        """
        while self.listener or self.jobs:
            ready = wait_for_any(self.list_files())
            if LIFELINE in ready or signal.SIGTERM in self.bell.read_signals():
                self.refuse_more()
            self.report_ended()
            for pid, client in list(self.jobs.items()):
                if client is not None and client.fileno() in ready:
                    self.pass_signals(pid, client)
            if self.listener and self.listener.fileno() in ready:
                request = self.take_job(self.listener)
                if request is not None:
                    return request
        return None

    def list_files(self) -> list[int]:
        """What can become readable."""
        clients = [client.fileno() for client in self.jobs.values() if client is not None]
        taking = [LIFELINE, self.listener.fileno()] if self.listener else []
        return [self.bell.readable, *taking, *clients]

    def refuse_more(self) -> None:
        """Listen no more; who waits to be heard is refused by that."""
        if self.listener:
            self.listener.close()
        self.listener = None

    def report_ended(self) -> None:
        """Tell the clients of jobs that have ended how they did."""
        for pid in list(self.jobs):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                client = self.jobs.pop(pid)
                if client is not None:
                    with contextlib.suppress(OSError):
                        client.sendall(STATUS.pack(status))
                    client.close()

    def pass_signals(self, pid: int, client: socket.socket) -> None:
        """Send a job what its client was sent; without a client, it must not go on."""
        try:
            said = client.recv(64)
        except OSError:
            said = b""
        if not said:
            client.close()
            self.jobs[pid] = None
            os.kill(pid, signal.SIGKILL)
        for number in said:
            if number in PASSED_SIGNALS:
                os.kill(pid, number)

    def take_job(self, listener: socket.socket) -> JobRequest | None:
        """Read one request and fork for it; its process gets it back, this one gets None."""
        client = listener.accept()[0]
        request = read_request(client)
        if request is None or not self.suits(request):
            close_all(client, *(request.files if request else ()))
            return None
        if self.environment is None:
            self.import_ahead(request.environment)
        parent, pid = os.getpid(), -1
        # A signal for the job waits until it does there what it does in a new process.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_SIGNALS)
        # Without room for a process, the client tries itself.
        with contextlib.suppress(OSError):
            pid = os.fork()
        if pid == 0:
            self.become_job(request, client, parent)
            return request
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        close_all(*request.files)
        self.note_job(pid, client)
        return None

    def note_job(self, pid: int, client: socket.socket) -> None:
        """Answer the client, and from now on stand between it and its job."""
        if pid < 0:
            client.close()
            return
        self.jobs[pid] = client
        with contextlib.suppress(OSError):
            client.sendall(ACCEPTED)

    def suits(self, request: JobRequest) -> bool:
        """Whether a fork of this process is what a new process would be for the job."""
        known = self.environment
        if known is None:
            starts = select_variables(request.environment, START_PREFIXES)
            own = select_variables(os.environ, START_PREFIXES)
            alike = starts == own
        else:
            alike = self.list_variables(request.environment) == self.list_variables(known)
        return (
            alike
            and request.environment.get(THREADS_VARIABLE) == "1"
            and (request.python, request.folder) == (sys.executable, os.getcwd())
        )

    def list_variables(self, environment: dict[str, str]) -> dict[str, str]:
        """The variables that the group's imports may look at."""
        if self.group == GRADING:
            return select_variables(environment, WORKER_PREFIXES)
        return forget_job_variables(environment)

    def import_ahead(self, environment: dict[str, str]) -> None:
        """Import what the group's jobs import, in the environment of the first of them.

        Raises:
            SystemExit: forks of this process would not be safe.
        """
        replace_environment({**environment, **IMPORT_SETTINGS})
        import_modules(self.group)
        for name in IMPORT_SETTINGS:
            os.environ.pop(name)
        changed = os.environ.items() - environment.items()
        self.environment, self.imported = environment, dict(changed)
        sys.stdout.flush()
        if has_threads() or has_gpu():
            sys.exit("imports have started a thread or opened a GPU")
        # What is here stays: a collection in a fork would copy every page that it looks at.
        gc.collect()
        gc.freeze()

    def become_job(self, request: JobRequest, client: socket.socket, parent: int) -> None:
        """Leave nothing of the server in the process of a job but what it has imported."""
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(os.EX_SOFTWARE)
        self.bell.close()
        self.refuse_more()
        close_all(client, *(other for other in self.jobs.values() if other is not None))
        for number in SHARED_FILES:
            if number < len(request.files):
                os.dup2(request.files[number], number)
            else:
                os.close(number)
        close_all(*request.files)
        replace_environment({**request.environment, **self.imported})
        renew_chance()


def renew_chance() -> None:
    """Let generators that no job seeds begin anywhere, as they do in a new process.

    Python's own does so by itself; torch's begins in the same state everywhere.
    """
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    for module, name in OWN_GENERATORS:
        generator = getattr(sys.modules.get(module), name, None)
        if generator is not None:
            generator.seed()


def import_modules(group: str) -> None:
    """Import what the jobs of a group will."""
    if group == GRADING:
        importlib.import_module(GRADING_WORKER).load_symbolic_engine()
        # As below: every worker runs it anew.
        del sys.modules[GRADING_WORKER]
        return
    # Late, so that the server itself stays small.
    from retu.planning.code_identity import SCRIPTS, compute_code_digest
    from retu.runtime.launch import JOB_MODULE

    # A job runs it anew as the main module, as `python -m` does.
    importlib.import_module(JOB_MODULE)
    del sys.modules[JOB_MODULE]
    for name in (*(f"{SCRIPTS}.{script}" for script in GROUPS[group]), *LATE_IMPORTS[group]):
        importlib.import_module(name)
    # Every training job asks for the digest of its code, which takes a second to read.
    for script in GROUPS[group] if group == TRAINING else ():
        compute_code_digest(f"{SCRIPTS}.{script}")


def has_threads() -> bool:
    """Whether this process has a thread beside its main one."""
    return threading.active_count() > 1 or len(os.listdir("/proc/self/task")) > 1


def has_gpu() -> bool:
    """Whether this process has opened a GPU, which no fork of it could use."""
    links = []
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            links.append(os.readlink(path))
    return any(link.startswith(GPU_FILES) for link in links)
