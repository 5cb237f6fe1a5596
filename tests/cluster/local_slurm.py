"""A real SLURM of three nodes with pretended GPUs, on this machine, for as long as a command runs.

    python tests/cluster/local_slurm.py COMMAND [ARGUMENT ...]

All nodes are this machine. Everything (configuration, keys, state, logs, process ids) lies in a
temporary folder, all ports are free ones, and /etc is neither read nor written, so that it needs no
root once the programs are there; as root it installs Debian's packages when they are missing.
The command finds it by SLURM_CONF and its PATH. It is taken down when the command ends, also by a
signal. Where that cannot be, one line says why and the exit status is 0.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from slurm_configuration import (
    CLIENTS,
    NODES,
    PATH,
    PREFIX,
    get_user,
    write_clients,
    write_configuration,
)

PACKAGES = ("slurmctld", "slurmd", "slurm-client", "munge")
DAEMONS = ("munged", "slurmctld", "slurmd")
OURS = "RETU_TEST_SLURM"
"""Tells the command where the SLURM is that it may play with."""
PATIENCE = 40.0


class UnavailableError(Exception):
    """Why there can be no SLURM on this machine."""


def require_programs() -> None:
    """Install SLURM when it is missing; UnavailableError says what stands against it."""
    if Path("/etc/slurm/slurm.conf").exists() or Path("/etc/slurm-llnl/slurm.conf").exists():
        raise UnavailableError(
            "this machine belongs to a SLURM cluster (it has a slurm.conf in /etc)"
        )
    if all(shutil.which(program, path=PATH) for program in DAEMONS + CLIENTS):
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise UnavailableError(
            f"SLURM is not installed (as root: apt-get install {' '.join(PACKAGES)})"
        )
    print("Installing Debian's SLURM ...", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "--no-install-recommends", *PACKAGES]
    for command in (["apt-get", "update"], install):
        done = subprocess.run(command, env=quiet, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise UnavailableError(f"{' '.join(command[:2])} failed: {last}")


def launch_daemons(folder: Path) -> None:
    """Start the daemons, which put themselves into the background."""
    conf = str(folder / "slurm.conf")
    files = {"key-file": "munge.key", "socket": "munge.sock", "pid-file": "munged.pid"}
    files |= {"log-file": "munged.log", "seed-file": "munge.seed"}
    # --force: a temporary folder is open to all, which munge does not like.
    options = [f"--{option}={folder / name}" for option, name in files.items()]
    commands = [["munged", "--force", *options], ["slurmctld", "-f", conf]]
    commands += [["slurmd", "-f", conf, "-N", node] for node in NODES]
    for command in commands:
        done = subprocess.run(
            command, env=make_environment(folder), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise UnavailableError(f"{command[0]} does not start: {done.stderr.strip()}")


def make_environment(folder: Path) -> dict[str, str]:
    """What a process needs to reach the SLURM in `folder`."""
    path = os.pathsep.join([str(folder / "bin"), PATH])
    conf = str(folder / "slurm.conf")
    return {**os.environ, "PATH": path, "SLURM_CONF": conf, OURS: str(folder)}


def query_slurm(folder: Path, *command: str) -> str:
    """What a command of SLURM's says; empty when it fails."""
    return subprocess.run(
        command, env=make_environment(folder), capture_output=True, text=True, check=False
    ).stdout


def list_daemons(folder: Path) -> list[int]:
    """Process ids of the daemons that were started with a file in `folder`."""
    found = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    marks = tuple(f"{program}\0" for program in DAEMONS)
    lines = {pid: read_command_line(pid) for pid in found}
    return [pid for pid, line in lines.items() if f"{folder}/" in line and line.startswith(marks)]


def read_command_line(pid: int) -> str:
    """The command of a process; empty when there is none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def wait_for(done: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    """Ask twice a second until `done`, and say whether it came in time."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.5)
    return True


def start_slurm(folder: Path) -> None:
    """Start a SLURM in an empty folder; UnavailableError when it does not take jobs in time."""
    write_configuration(folder)
    write_clients(folder)
    launch_daemons(folder)
    wanted = {f"{node}:idle" for node in NODES}
    sinfo = ("sinfo", "--noheader", "--Node", "--format=%N:%T")
    if not wait_for(lambda: set(query_slurm(folder, *sinfo).split()) == wanted):
        raise UnavailableError(
            f"the nodes do not come up: {query_slurm(folder, *sinfo) or 'no answer'}"
        )


def stop_slurm(folder: Path) -> None:
    """Cancel all jobs, end the daemons, and delete their folder."""
    if list_daemons(folder):
        query_slurm(folder, "scancel", f"--user={get_user()}")
        # The processes of a job outlive the daemons: they are gone when the queue is empty.
        wait_for(lambda: not query_slurm(folder, "squeue", "--noheader").strip())
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        for pid in list_daemons(folder):
            os.kill(pid, signal_number)
        wait_for(lambda: not list_daemons(folder))
    shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers() -> None:
    """Take down what a killed run of this script left behind."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        owner = folder / "owner.pid"
        if owner.exists() and Path(__file__).name not in read_command_line(int(owner.read_text())):
            stop_slurm(folder)


def run_with_slurm(command: list[str], folder: Path) -> int:
    """Run a command that finds the SLURM in `folder`, and hand signals on to it.

    It has a session of its own: a Ctrl-C must not reach it twice. But it must hear it, even if this
    was started in the background of a shell, which makes what it starts deaf to it.
    """
    with subprocess.Popen(
        command,
        env=make_environment(folder),
        start_new_session=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    ) as child:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, frame: child.send_signal(number))
        status = child.wait()
    # What it leaves behind would ask a SLURM that is no more.
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    return status


def main() -> int:
    """Start, run the command, take down; its exit status, or 0 with a line that says why not."""
    if not sys.argv[1:]:
        sys.exit(__doc__)
    try:
        require_programs()
    except UnavailableError as reason:
        print(f"skipped: {reason}")
        return 0
    remove_leftovers()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    folder.chmod(0o755)
    try:
        start_slurm(folder)
        return run_with_slurm(sys.argv[1:], folder)
    except UnavailableError as reason:
        print(f"error: {reason}", file=sys.stderr)
        for log in sorted(folder.glob("*.log")):
            print(f"--- {log.name}", *log.read_text().splitlines()[-5:], sep="\n", file=sys.stderr)
        return 1
    finally:
        stop_slurm(folder)


if __name__ == "__main__":
    # A signal before the command runs must take down what has been started.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    sys.exit(main())
