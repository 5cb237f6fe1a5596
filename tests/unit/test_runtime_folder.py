"""Who works in a folder: killed runs are cleared away, living and far ones never."""

import atexit
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from retu.cluster.controller import Liveness, read_process_start
from retu.core.atomic_files import is_temporary, make_temporary_path
from retu.core.errors import InputError
from retu.workflow import run_processes, work_folder
from retu.workflow.active_runs import (
    RUN_VARIABLE,
    SnakemakeRun,
    describe_run,
    get_run_file,
    read_runs,
    write_run,
)
from retu.workflow.work_folder import (
    LOCKS,
    claim_outputs,
    enter_folder,
    find_temporaries,
    forget_runs,
    leave_folder,
)

# Of no process: Linux counts to 2^22 at the most.
NOBODY = 2**22 + 1
LOCK = LOCKS / "0.output.lock"


@pytest.fixture(autouse=True)
def clean_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the test process no settings of a run, and no duty at its end."""
    for name in (RUN_VARIABLE, "RETU_STATE", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(atexit, "register", lambda *_: None)


@pytest.fixture
def locked_folder(tmp_path: Path) -> Path:
    """A work folder with a lock of Snakemake's."""
    lock = tmp_path / LOCK
    lock.parent.mkdir(parents=True)
    lock.write_text("results/smoke/curves.csv\n")
    return tmp_path


def register_killed_run(root: Path, **changes: object) -> SnakemakeRun:
    """A run of this host that was killed, with changes, registered in the folder."""
    run = replace(describe_run("smoke"), pid=NOBODY, **changes)  # type: ignore[arg-type]
    write_run(root, run)
    return run


@pytest.fixture
def sleeper() -> Iterator[Callable[[SnakemakeRun, str], "subprocess.Popen[bytes]"]]:
    """Starts a process of a run that does the given Python and then sleeps."""
    started: list[subprocess.Popen[bytes]] = []

    def start(run: SnakemakeRun, code: str = "", **settings: str) -> "subprocess.Popen[bytes]":
        words = ["retu.cli.run_job", "train_sft", "--rule", "train_sft"]
        words += ["--wildcards", '{"dataset": "LabSmall", "seed": "0"}']
        program = f"import signal, time\n{code}\nprint(flush=True)\ntime.sleep(60)"
        process = subprocess.Popen(
            [sys.executable, "-c", program, *words],
            env={**os.environ, RUN_VARIABLE: run.tag, **settings},
            stdout=subprocess.PIPE,
        )
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_the_lock_of_a_killed_run_is_cleared_and_told(
    locked_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dead = register_killed_run(locked_folder)
    assert enter_folder(locked_folder, "smoke") is None
    assert not (locked_folder / LOCKS).exists()
    assert f"note: cleared the lock of a run that was killed (process {NOBODY} on" in (
        capsys.readouterr().err
    )
    assert not get_run_file(locked_folder, dead).exists()
    assert os.environ[RUN_VARIABLE] == describe_run("smoke").tag


def test_a_lock_that_no_run_accounts_for_stays(locked_folder: Path) -> None:
    reason = enter_folder(locked_folder, "smoke")
    assert reason is not None
    assert reason.endswith("snakemake --unlock --config study=smoke")
    assert (locked_folder / LOCK).is_file()


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"host": "another"},
        {"machine": "another"},
        {"namespace": "pid:[1]"},
        # Started before this boot, on a machine that has no number: perhaps not this one.
        {"machine": "", "start": "another-boot/1"},
    ],
    ids=["host", "machine", "namespace", "boot"],
)
def test_the_lock_of_a_run_that_cannot_be_seen_stays(
    locked_folder: Path, elsewhere: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if elsewhere.get("machine") == "":
        monkeypatch.setattr("retu.workflow.active_runs.MACHINE_ID", tmp_path / "none")
    far = register_killed_run(locked_folder, **elsewhere)
    assert far.liveness is Liveness.UNKNOWN
    reason = enter_folder(locked_folder, "smoke")
    assert reason is not None
    assert "cannot be seen from here" in reason
    assert "snakemake --unlock --config study=smoke" in reason
    assert (locked_folder / LOCK).is_file()
    # Whoever unlocks vouches for it.
    forget_runs(locked_folder)
    assert not get_run_file(locked_folder, far).exists()


def test_a_run_before_this_boot_is_dead(
    locked_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = locked_folder / "machine-id"
    machine.write_text("0123\n")
    monkeypatch.setattr("retu.workflow.active_runs.MACHINE_ID", machine)
    assert register_killed_run(locked_folder, start="another-boot/1").liveness is Liveness.DEAD
    assert enter_folder(locked_folder, "smoke") is None


def test_a_living_run_is_told_with_what_it_does(
    locked_folder: Path, sleeper: Callable[..., "subprocess.Popen[bytes]"]
) -> None:
    living = replace(describe_run("lab"), pid=os.getppid())
    living = replace(living, start=str(read_process_start(living.pid)))
    write_run(locked_folder, living)
    sleeper(living)
    reason = enter_folder(locked_folder, "smoke")
    assert reason is not None
    assert f"(process {living.pid} on" in reason
    assert "study lab" in reason
    assert "busy with train_sft LabSmall 0; wait for its end" in reason
    assert (locked_folder / LOCK).is_file()


def test_what_two_living_runs_would_both_make_is_refused(tmp_path: Path) -> None:
    living = replace(describe_run("smoke", ["a", "b"]), pid=os.getppid())
    write_run(tmp_path, replace(living, start=str(read_process_start(living.pid))))
    claim_outputs(tmp_path, "smoke", ["c"])
    with pytest.raises(InputError, match=r"^b is being made already: another Snakemake works"):
        claim_outputs(tmp_path, "smoke", ["b", "c"])


def test_jobs_that_a_killed_run_left_are_ended_first(
    locked_folder: Path,
    sleeper: Callable[..., "subprocess.Popen[bytes]"],
    capsys: pytest.CaptureFixture[str],
) -> None:
    dead = register_killed_run(locked_folder)
    saves = (
        f"signal.signal(signal.SIGTERM, lambda *_: (open("
        f"{str(locked_folder / 'saved')!r}, 'w'), exit()))"
    )
    orphan = sleeper(dead, saves)
    assert enter_folder(locked_folder, "smoke") is None
    assert orphan.wait(5) is not None
    assert (locked_folder / "saved").exists(), "it was not asked to end"
    assert "ending what a killed run left running (train_sft LabSmall 0)" in capsys.readouterr().err
    assert not (locked_folder / LOCKS).exists()


def test_a_job_that_does_not_end_is_killed(
    tmp_path: Path, sleeper: Callable[..., "subprocess.Popen[bytes]"]
) -> None:
    dead = register_killed_run(tmp_path)
    deaf = sleeper(dead, "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    run_processes.end_processes(run_processes.find_processes([dead]), patience=0.3)
    assert deaf.wait(5) == -signal.SIGKILL


def test_only_the_topmost_process_of_a_job_is_asked(
    tmp_path: Path, sleeper: Callable[..., "subprocess.Popen[bytes]"]
) -> None:
    """A trainer that saves still needs the workers that grade for it."""
    dead, file = register_killed_run(tmp_path), tmp_path / "asked"
    child = (
        "import signal, sys, time\\n"
        f"signal.signal(signal.SIGTERM, lambda *_: open({str(file)!r}, 'w').close())\\n"
        "print(flush=True)\\ntime.sleep(3)"
    )
    code = (
        "import subprocess, sys\n"
        f'child = subprocess.Popen([sys.executable, \'-c\', """{child}"""],'
        " stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.3), child.kill(), exit()))"
    )
    sleeper(dead, code)
    found = run_processes.find_processes([dead])
    assert len(found) == 2
    run_processes.end_processes(found)
    assert not run_processes.find_processes([dead])
    assert not file.exists()


def test_jobs_of_slurm_are_not_ended(
    tmp_path: Path, sleeper: Callable[..., "subprocess.Popen[bytes]"]
) -> None:
    dead = register_killed_run(tmp_path)
    job = sleeper(dead, SLURM_JOB_ID="12")
    assert enter_folder(tmp_path, "smoke") is None
    assert job.poll() is None
    inside = register_killed_run(tmp_path, slurm_job="12")
    assert [process.pid for process in run_processes.find_processes([inside])] == [job.pid]


def test_a_lock_stays_while_jobs_are_in_slurms_queue(
    locked_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_killed_run(locked_folder)
    monkeypatch.setattr(work_folder, "read_controllers", lambda root: {root: None})
    monkeypatch.setattr(work_folder, "survey_jobs", lambda root: ["a claim"])
    monkeypatch.setattr(work_folder, "join_job_ids", lambda claims: "11")
    reason = enter_folder(locked_folder, "smoke")
    assert reason is not None
    assert reason.startswith("1 job of this folder in SLURM's queue (11); `retu cluster wait`")
    assert (locked_folder / LOCK).is_file()


def test_what_a_killed_process_was_writing_is_swept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    left = [
        tmp_path / f"results/smoke/.curves.csv.{NOBODY}.tmp",
        tmp_path / f"data/smoke/.pool.parquet.{NOBODY}-3.tmp",
        tmp_path / f".state/results/.checkpoints.{NOBODY}.tmp",
        tmp_path / f".dvc/cache/files/md5/ab/.cd.{NOBODY}-1.tmp",
    ]
    kept = [
        tmp_path / f"results/smoke/.curves.csv.{os.getppid()}.tmp",
        tmp_path / "results/smoke/curves.csv",
        tmp_path / "results/smoke/mine.tmp",
        tmp_path / ".dvc/cache/files/md5/ab/cd",
    ]
    for path in (*left, *kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("half")
    left[2].unlink()
    (left[2] / "inside").mkdir(parents=True)
    assert enter_folder(tmp_path, "smoke") is None
    assert not [path for path in left if path.exists()]
    assert all(path.exists() for path in kept)
    assert "note: swept 4 unfinished files of a killed run: " in capsys.readouterr().err


def test_nothing_is_swept_beside_a_living_run(tmp_path: Path) -> None:
    living = replace(describe_run("smoke"), pid=os.getppid())
    write_run(tmp_path, replace(living, start=str(read_process_start(living.pid))))
    half = tmp_path / f"results/.curves.csv.{NOBODY}.tmp"
    half.parent.mkdir()
    half.touch()
    assert enter_folder(tmp_path, "smoke") is not None
    assert half.exists()


def test_temporary_names_are_known_again(tmp_path: Path) -> None:
    assert is_temporary(make_temporary_path(tmp_path / "curves.csv").name)
    assert not is_temporary("curves.csv.tmp")
    assert list(find_temporaries(tmp_path / "nothing here")) == []


def test_a_run_that_ends_leaves_no_file(tmp_path: Path) -> None:
    enter_folder(tmp_path, "smoke")
    own = describe_run("smoke")
    assert read_runs(tmp_path) == []
    assert json.loads(get_run_file(tmp_path, own).read_text())["pid"] == os.getpid()
    # A process that was forked from it is not the run.
    leave_folder(tmp_path, replace(own, pid=NOBODY))
    assert get_run_file(tmp_path, own).exists()
    leave_folder(tmp_path, own)
    assert not get_run_file(tmp_path, own).exists()


def test_a_file_that_is_no_run_vouches_for_nothing(locked_folder: Path) -> None:
    path = get_run_file(locked_folder, describe_run("smoke"))
    path.parent.mkdir(parents=True)
    for content in ("", "[]", "{}", json.dumps({**asdict(describe_run("x")), "more": 1})):
        (path.parent / "odd.json").write_text(content)
        assert read_runs(locked_folder) == []
    assert enter_folder(locked_folder, "smoke") is not None
