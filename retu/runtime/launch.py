"""Start a job's processes and exit with their exit status.

    one node        python -m torch.distributed.run --nproc-per-node=N ... -m retu.cli.run_job
    several nodes   srun --nodes=M --ntasks-per-node=N ... python -m retu.cli.run_job

The first process stays outside as the launcher. It passes SIGTERM on and waits as long as the
others need: torchrun is made deaf to it, because it would kill a save after 30 seconds. What a
process has to say beyond exit status 1 it leaves in a folder, as torchrun would turn it into 1.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from retu.core.atomic_files import write_text
from retu.core.errors import InputError, JobInterrupted
from retu.runtime.interruption import STOP_REQUEST
from retu.runtime.processes import get_rank, get_world_size, is_main_process
from retu.runtime.script import EXIT_BAD_INPUT, EXIT_INTERRUPTED
from retu.runtime.slurm import NoAnswerError, run_slurm_tool

LAUNCH_VARIABLE = "RETU_LAUNCH"
"""Names the folder by which processes and launcher talk; who has it is inside."""
TERMINAL = "RETU_TERMINAL"
PROGRESS = "RETU_PROGRESS_FD"
JOB_MODULE = "retu.cli.run_job"
CHILD_POLL_SECONDS = 0.2
LIBC, PR_SET_PDEATHSIG = ctypes.CDLL(None), 1
SLURM_VARIABLES = {
    "RANK": "SLURM_PROCID",
    "LOCAL_RANK": "SLURM_LOCALID",
    "WORLD_SIZE": "SLURM_NTASKS",
    "LOCAL_WORLD_SIZE": "SLURM_NTASKS_PER_NODE",
}
# Below the ports that Linux gives to others.
FIRST_PORT, PORTS = 20_000, 12_000


def is_launcher(processes: int) -> bool:
    """Whether this is the launcher of a job with several processes."""
    return processes > 1 and LAUNCH_VARIABLE not in os.environ


def launch_processes(processes: int, nodes: int, arguments: Sequence[str], folder: Path) -> None:
    """Start the processes of a job and wait for them.

    Args:
        processes: how many a node.
        nodes: on how many nodes.
        arguments: the command line of the job.
        folder: for what the processes have to say; on a disk that all nodes see.

    Raises:
        InputError: the first process that had bad input said so, or there is no allocation.
        Interrupted: all processes saved and stopped because they were asked to.
        SystemExit: they failed otherwise.
    """
    several = nodes > 1
    command = make_srun_command(processes, nodes) if several else make_torchrun_command(processes)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    settings = {**os.environ, LAUNCH_VARIABLE: str(folder.absolute())}
    if terminal := settings.pop(PROGRESS, None):
        # torchrun closes descriptors, and an open file of that number would get the progress.
        settings[TERMINAL] = f"/proc/{os.getpid()}/fd/{terminal}"
    if several:
        settings |= choose_rendezvous()
    STOP_REQUEST.patient = True
    # In a session of its own, Ctrl-C reaches it once: from here.
    child = subprocess.Popen(
        [*command, *arguments], env=settings, preexec_fn=prepare_child, start_new_session=True
    )
    try:
        status = wait_for_child(child, folder, several)
        raise_reported_error(folder, processes * nodes)
    except KeyboardInterrupt:
        child.send_signal(signal.SIGINT)
        child.wait()
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if status:
        sys.exit(status if status > 0 else 128 - status)


def make_torchrun_command(processes: int) -> list[str]:
    """The command that starts processes on this node."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    signals = "--signals-to-handle=SIGINT,SIGHUP,SIGQUIT"
    return [*torchrun, f"--nproc-per-node={processes}", signals, "-m", JOB_MODULE]


def make_srun_command(processes: int, nodes: int) -> list[str]:
    """The command that starts processes on several nodes of this job's allocation.

    Raises:
        InputError: this is no SLURM job.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        raise InputError(
            f"job: {nodes} nodes, but this is no SLURM job; start it by"
            " `snakemake --profile slurm`, or ask for one node"
        )
    cores = run_slurm_tool("squeue", "-h", "-j", job, "-o", "%C")
    share = max(int(cores) // (processes * nodes), 1)
    # One process that dies ends the others, which would wait for it in vain; one that has nothing
    # left to do does not.
    srun = ["srun", f"--nodes={nodes}", f"--ntasks-per-node={processes}", "--export=ALL"]
    ends = ["--kill-on-bad-exit=1", "--wait=0"]
    return [*srun, f"--cpus-per-task={share}", *ends, sys.executable, "-m", JOB_MODULE]


def choose_rendezvous() -> dict[str, str]:
    """Where the processes of several nodes meet: the job's first node, a port of its own."""
    job = os.environ["SLURM_JOB_ID"]
    nodes = run_slurm_tool("squeue", "-h", "-j", job, "-o", "%N").strip()
    names = run_slurm_tool("scontrol", "show", "hostnames", nodes).split() if nodes else []
    if not names:
        raise InputError(f"job {job}: SLURM names no nodes for it; run it again")
    return {"MASTER_ADDR": names[0], "MASTER_PORT": str(FIRST_PORT + int(job) % PORTS)}


def prepare_child() -> None:
    """Ignore SIGTERM in torchrun or srun; the processes listen again as soon as they run.

    If the launcher is killed, Linux sends SIGINT in its name: no process works on unattended.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def wait_for_child(child: "subprocess.Popen[bytes]", folder: Path, several_nodes: bool) -> int:
    """Wait for torchrun or srun; when asked to stop, pass it on to every process, once."""
    told: set[Path] = set()
    while True:
        try:
            return child.wait(CHILD_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            if STOP_REQUEST.asked and several_nodes and not told:
                # To the job's steps alone: srun would kill its tasks if it got the signal itself.
                told.add(folder)
                signal_steps_by_slurm()
            elif STOP_REQUEST.asked and not several_nodes:
                # One that has just been started tells its number as soon as it listens.
                for path in set(folder.glob("process-*")) - told:
                    told.add(path)
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(path.read_text(encoding="utf-8")), signal.SIGTERM)


def signal_steps_by_slurm() -> None:
    """Ask SLURM to signal the job's steps; where it does not answer, they end at the limit."""
    try:
        run_slurm_tool("scancel", "--signal=TERM", os.environ["SLURM_JOB_ID"])
    except NoAnswerError as error:
        print(f"the processes were not asked to save: {error}", flush=True)


def raise_reported_error(folder: Path, processes: int) -> None:
    """Raise the error that a process reported; bad input takes precedence over an interruption.

    One that was ended because another crashed says that it was interrupted, too: that counts if
    all say so, or somebody asked.
    """
    for path in sorted(folder.glob(f"{EXIT_BAD_INPUT}-*")):
        raise InputError(path.read_text(encoding="utf-8"))
    stopped = sorted(folder.glob(f"{EXIT_INTERRUPTED}-*"))
    for path in stopped:
        kind, _, message = path.read_text(encoding="utf-8").partition(" ")
        progressed = kind == "progressed"
        if progressed or STOP_REQUEST.asked or len(stopped) == processes:
            raise JobInterrupted(message, progressed)


def join_processes(processes: int) -> None:
    """Join the process group that the launcher has started.

    Raises:
        InputError: there are more or fewer than the job was told.
    """
    if LAUNCH_VARIABLE in os.environ and "RANK" not in os.environ:
        translate_slurm_variables()
    if get_world_size() != processes:
        raise InputError(
            f"job: {get_world_size()} processes were started where --processes and --nodes say"
            f" {processes}; let the job start them itself"
        )
    if LAUNCH_VARIABLE not in os.environ:
        return
    write_text(Path(os.environ[LAUNCH_VARIABLE]) / f"process-{get_rank()}", str(os.getpid()))
    if is_main_process():
        reopen_terminal()
    else:
        silence_other_processes()


def translate_slurm_variables() -> None:
    """Translate srun's variables; without them this is a process alone."""
    for name, told in SLURM_VARIABLES.items():
        if told in os.environ:
            os.environ[name] = os.environ[told]


def reopen_terminal() -> None:
    """Open the launcher's terminal for progress, if it is on this node."""
    with contextlib.suppress(KeyError, OSError):
        terminal = os.open(os.environ[TERMINAL], os.O_WRONLY | os.O_APPEND)
        os.environ[PROGRESS] = str(terminal)


def silence_other_processes() -> None:
    """Leave the log to the main process: what others print is the same, but for errors."""
    os.environ["TRANSFORMERS_VERBOSITY"] = os.environ["DATASETS_VERBOSITY"] = "error"
    warnings.simplefilter("ignore")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def report_error(error: InputError | JobInterrupted) -> int:
    """Write a process's error where the launcher reads it; return the exit status.

    It is 0 where all processes stop together: torchrun would print a traceback.
    """
    status, text, together = EXIT_BAD_INPUT, str(error), False
    if isinstance(error, JobInterrupted):
        status, together = EXIT_INTERRUPTED, error.progressed
        text = f"{'progressed' if together else 'idle'} {error}"
    write_text(Path(os.environ[LAUNCH_VARIABLE]) / f"{status}-{get_rank()}", text)
    return 0 if together else status
