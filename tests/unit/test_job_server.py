"""Jobs as forks of a server: like new processes in all that can be seen, and never alone."""

import atexit
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import run_command

from retu.cluster.controller import read_process_start
from retu.planning.stages import ROOT
from retu.runtime import job_client
from retu.runtime.job_client import ANALYSIS, CLIENT_VARIABLE, GROUPS, HUB, OFF, SERVER_VARIABLE
from retu.workflow import job_service

TOY = "job_server_toy"
CLIENT = str(Path(job_client.__file__))
SETTINGS = {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "HF_HUB_OFFLINE": "1"}
PATIENCE = 20.0


def wait_until(done: Callable[[], bool]) -> None:
    """Wait for something that happens soon."""
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def has_ended(pid: int) -> bool:
    """Whether a process is over, asked after or not."""
    return read_process_start(pid) is None


class ToyServer:
    """A server of toy jobs in a folder, and clients of it."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder = folder
        self.place = f"retu-test-{os.getpid()}-{time.monotonic_ns()}"
        path = f"{ROOT}:{Path(__file__).parent}"
        kept = {k: v for k, v in os.environ.items() if not k.startswith("RETU_")}
        self.settings = {**kept, **SETTINGS, "PYTHONPATH": path, SERVER_VARIABLE: self.place}
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(job_client.make_address(self.place, ANALYSIS))
            listener.listen()
            named = f"{ANALYSIS}={listener.fileno()}"
            self.process = subprocess.Popen(
                [sys.executable, "-m", TOY, "serve", named, *words],
                cwd=folder,
                env=self.settings,
                stdin=subprocess.PIPE,
                pass_fds=[listener.fileno()],
            )

    def make_command(self, *words: str, script: str = "summary") -> list[str]:
        """The command line of a client."""
        return [sys.executable, "-IS", CLIENT, "-m", TOY, script, *words, "--"]

    def run(self, *words: str, script: str = "summary", **changes: str) -> Any:
        """Run a job to its end."""
        return run_command(
            self.make_command(*words, script=script),
            cwd=self.folder,
            env={**self.settings, **changes},
        )

    def describe(self, script: str = "summary", **changes: str) -> dict[str, Any]:
        """What a job sees of itself."""
        done = self.run("describe", script=script, **changes)
        assert done.returncode == 0, done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    def start(self, what: str) -> tuple["subprocess.Popen[str]", int]:
        """Start a job that waits; its client and its own number."""
        waiting = self.folder / "waiting"
        client = subprocess.Popen(
            self.make_command(what),
            cwd=self.folder,
            env=self.settings,
            stdout=subprocess.PIPE,
            text=True,
        )
        wait_until(lambda: waiting.is_file() and waiting.read_text() != "")
        job = int(waiting.read_text())
        assert job != client.pid
        waiting.unlink()
        return client, job

    def end(self) -> None:
        """Close what Snakemake holds, and wait for the end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(PATIENCE)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ToyServer]:
    """A server that the tests share; do not kill it."""
    started = ToyServer(tmp_path_factory.mktemp("served folder"))
    yield started
    started.end()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[ToyServer]:
    """A server to be killed."""
    started = ToyServer(tmp_path)
    yield started
    started.end()


@pytest.mark.parametrize("status", [0, 2, 75])
def test_a_client_ends_with_the_status_of_its_job(server: ToyServer, status: int) -> None:
    assert server.run("exit", str(status)).returncode == status


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_client_dies_as_its_job_did(server: ToyServer, number: signal.Signals) -> None:
    assert server.run("kill", str(int(number))).returncode == -number


def test_a_job_that_fails_says_why_in_its_log(server: ToyServer) -> None:
    done = server.run("fail")
    assert done.returncode == 1
    assert done.stderr.endswith("ValueError: a mistake of this job\n")
    assert done.stdout == ""


def test_a_job_gets_what_its_client_got(server: ToyServer, tmp_path: Path) -> None:
    command = " ".join(f"'{word}'" for word in server.make_command("describe", "a b", "é"))
    done = run_command(
        ["bash", "-c", f"exec {command} 3>&2 > '{tmp_path}/log' 2>&1"],
        cwd=server.folder,
        env={**server.settings, "RETU_TOY": "x\ny", "RETU_PROGRESS_FD": "3"},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "progress\n")
    # Whichever stream is written out first.
    said, told = sorted((tmp_path / "log").read_text().splitlines())
    assert said == "from the job"
    seen = json.loads(told)
    assert seen["words"] == ["summary", "describe", "a b", "é", "--"]
    assert seen["folder"] == str(server.folder)
    assert seen["environment"] == {
        **{"RETU_TOY": "x\ny", "OMP_NUM_THREADS": "1"},
        **{SERVER_VARIABLE: None, CLIENT_VARIABLE: None},
    }
    assert seen["files"] == 4, "nothing of the server's is open"


def test_jobs_are_forks_with_chances_of_their_own(server: ToyServer) -> None:
    first, second = server.describe(), server.describe()
    assert first["parent"] == second["parent"] != os.getpid()
    assert first["pid"] != second["pid"]
    assert not {*first["chance"]} & {*second["chance"]}
    assert first["main"], "multiprocessing finds the main module by its name"
    assert first["cpu_seconds"] < 0.2, "imports before the fork are not the job's"


@pytest.mark.parametrize(
    ("script", "changes"),
    [
        ("load_benchmarks", {}),
        ("summary", {"OMP_NUM_THREADS": "2"}),
        ("summary", {"PYTHONHASHSEED": "1"}),
        ("summary", {"HF_HUB_OFFLINE": ""}),
        ("summary", {SERVER_VARIABLE: OFF}),
        ("summary", {SERVER_VARIABLE: "retu-nobody"}),
    ],
)
def test_other_jobs_are_processes_of_their_own(
    server: ToyServer, script: str, changes: dict[str, str]
) -> None:
    assert server.describe()["parent"] != os.getpid()
    seen = server.describe(script, **changes)
    assert seen["parent"] == os.getpid()
    assert seen["environment"]["OMP_NUM_THREADS"] == changes.get("OMP_NUM_THREADS", "1")
    assert seen["environment"][SERVER_VARIABLE] is None


def test_a_job_in_another_folder_is_a_process_of_its_own(server: ToyServer, tmp_path: Path) -> None:
    done = run_command(server.make_command("describe"), cwd=tmp_path, env=server.settings)
    seen = json.loads(done.stdout)
    assert (seen["parent"], seen["folder"]) == (os.getpid(), str(tmp_path))


@pytest.mark.parametrize("option", ["--processes", "--nodes"])
def test_jobs_of_several_processes_are_not_asked_for(option: str) -> None:
    command = ["-m", "retu.cli.run_job", "train_sft", "--rule", "x", option, "1", "--"]
    assert job_client.find_group(command) == job_client.TRAINING
    command[-2] = "2"
    assert job_client.find_group(command) is None


def test_sigterm_lets_a_job_save(server: ToyServer) -> None:
    client, _ = server.start("save")
    client.terminate()
    said = client.communicate(timeout=PATIENCE)[0]
    assert (client.returncode, said) == (75, "asked by SIGTERM\n")


def test_an_interrupted_job_ends_by_that(server: ToyServer) -> None:
    client, job = server.start("wait")
    client.send_signal(signal.SIGINT)
    client.communicate(timeout=PATIENCE)
    assert client.returncode == -signal.SIGINT
    assert has_ended(job)


def test_a_job_that_is_interrupted_at_once_ends_by_that(tmp_path: Path) -> None:
    interrupted = ToyServer(tmp_path, "interrupted")
    done = interrupted.run("exit", "0")
    interrupted.end()
    assert (done.returncode, "KeyboardInterrupt" in done.stderr) == (-signal.SIGINT, True)


def read_state(pid: int) -> str:
    """The letter of a process's state."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_stopped_client_stops_its_job(server: ToyServer) -> None:
    client, job = server.start("save")
    client.send_signal(signal.SIGTSTP)
    wait_until(lambda: read_state(client.pid) == read_state(job) == "T")
    client.send_signal(signal.SIGCONT)
    wait_until(lambda: "T" not in (read_state(client.pid), read_state(job)))
    client.terminate()
    client.communicate(timeout=PATIENCE)
    assert client.returncode == 75


def test_a_killed_client_takes_its_job_along(server: ToyServer) -> None:
    client, job = server.start("save")
    client.kill()
    client.communicate()
    wait_until(lambda: has_ended(job))
    assert server.describe()["parent"] != os.getpid(), "others go on"


def test_a_killed_server_takes_its_jobs_along(own_server: ToyServer) -> None:
    parent = own_server.describe()["parent"]
    client, job = own_server.start("save")
    os.kill(parent, signal.SIGKILL)
    client.communicate(timeout=PATIENCE)
    assert client.returncode == 1
    wait_until(lambda: has_ended(job))
    assert own_server.describe()["parent"] == os.getpid(), "the next job does without"


def test_a_server_waits_for_its_last_job(own_server: ToyServer) -> None:
    client, job = own_server.start("save")
    assert own_server.process.stdin is not None
    own_server.process.stdin.close()
    wait_until(lambda: own_server.describe()["parent"] == os.getpid())
    assert not has_ended(job)
    client.terminate()
    client.communicate(timeout=PATIENCE)
    assert client.returncode == 75
    assert own_server.process.wait(PATIENCE) == 0


def test_a_server_that_is_asked_ends_after_its_jobs(own_server: ToyServer) -> None:
    parent = own_server.describe()["parent"]
    client, _ = own_server.start("save")
    own_server.process.terminate()
    client.terminate()
    client.communicate(timeout=PATIENCE)
    assert client.returncode == 75
    assert own_server.process.wait(PATIENCE) == 0
    assert has_ended(parent)


def test_no_job_is_forked_beside_a_thread(tmp_path: Path) -> None:
    threaded = ToyServer(tmp_path, "threads")
    assert threaded.describe()["parent"] == os.getpid()
    threaded.end()


def test_a_service_ends_with_whoever_started_it(tmp_path: Path) -> None:
    """Killed or not, and without a trace in the environment of another run."""
    code = (
        "import os, time\nfrom retu.workflow import job_service\n"
        "os.environ['RETU_JOB_CLIENT'] = 'stale'\n"
        "job_service.forget_job_server()\nassert 'RETU_JOB_CLIENT' not in os.environ\n"
        "job_service.start_job_server()\nassert os.path.isfile(os.environ['RETU_JOB_CLIENT'])\n"
        "print(job_service.SERVERS[0].pid, flush=True)\ntime.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    server = int(process.stdout.readline())
    assert not has_ended(server)
    process.kill()
    process.communicate()
    wait_until(lambda: has_ended(server))


def test_a_service_is_left_out_and_ended_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atexit, "register", lambda function: function)
    monkeypatch.setenv(SERVER_VARIABLE, OFF)
    monkeypatch.setenv(CLIENT_VARIABLE, "stale")
    job_service.forget_job_server()
    job_service.start_job_server()
    assert (job_service.SERVERS, os.environ[SERVER_VARIABLE]) == ([], OFF)
    assert CLIENT_VARIABLE not in os.environ
    monkeypatch.setenv(SERVER_VARIABLE, "another run's")
    job_service.forget_job_server()
    assert SERVER_VARIABLE not in os.environ
    monkeypatch.chdir(ROOT)
    job_service.start_job_server()
    (process,) = job_service.SERVERS
    job_service.end_job_server()
    assert process.returncode == 0
    assert job_service.SERVERS == []
    job_service.forget_job_server()


def test_every_job_that_asks_no_hub_has_its_group() -> None:
    files = [path for path in ROOT.glob("rules/*.smk") if path.name != "jobs.smk"]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    jobs = re.findall(r'\bjob\(\s*"(\w+)"([^()]*)\)', text)
    offline = {script for script, options in jobs if "network=True" not in options}
    asking = {script for script, options in jobs if "network=True" in options}
    grouped = [script for group, scripts in GROUPS.items() if group != HUB for script in scripts]
    assert len(jobs) > 50
    assert sorted(grouped) == sorted(offline - asking)
    assert {*GROUPS[HUB]} <= asking


IMPORT_AHEAD = """
import os, random, sys
from retu.runtime import job_parent

os.environ.update(job_parent.IMPORT_SETTINGS)
job_parent.import_modules(sys.argv[1])
assert not job_parent.has_threads() and not job_parent.has_gpu()
# Records of analysis would name a library that is not in their lock.
with_torch = (job_parent.TRAINING, job_parent.HUB)
assert ("torch" in sys.modules) == (sys.argv[1] in with_torch)
from retu.planning.code_identity import SCRIPTS, list_used_modules
scripts = [f"{SCRIPTS}.{script}" for script in job_parent.GROUPS[sys.argv[1]]]
# That of workers, which is run anew, is not there itself.
anew = [job_parent.GRADING_WORKER] if sys.argv[1] == job_parent.GRADING else []
used = {name for module in scripts + anew for name in list_used_modules(module)} - {*anew}
# One that a job imported later could have been edited since its digest was taken.
late = used - {*sys.modules}
assert not late, late
# A lock between processes would be one for all jobs, and a killed job could keep it.
assert not {"multiprocessing.synchronize", "multiprocess.synchronize"} & {*sys.modules}
own = {
    (module, name): value
    for module in list(sys.modules)
    for name, value in list(vars(sys.modules[module]).items())
    if type(value) is random.Random and module != "random"
}
before = [generator.getstate() for generator in own.values()]
job_parent.renew_chance()
same = [key for key, state in zip(own, before) if own[key].getstate() == state]
assert not same, same
print(len(own))
"""


@pytest.mark.slow
@pytest.mark.parametrize("group", list(GROUPS))
def test_imports_ahead_share_nothing_between_jobs(group: str) -> None:
    done = run_command(
        [sys.executable, "-c", IMPORT_AHEAD, group], cwd=ROOT, env={**os.environ, **SETTINGS}
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= (3 if group == job_client.TRAINING else 0)
