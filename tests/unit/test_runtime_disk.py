"""A disk that takes no more, a file that may not be written, a race that was lost: a line each."""

import errno
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from processes import run_command

from retu.config.load import load_config
from retu.core.atomic_files import replace_atomically, replace_folder, write_text
from retu.core.errors import InputError
from retu.planning.load_plan import load_plan
from retu.runtime import disk
from retu.runtime.disk import describe_full_disk, explain_disk_error, find_full_folder
from retu.runtime.script import run_main
from retu.workflow import job_failures
from retu.workflow.job_failures import describe_disk, describe_failures

FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB; skipped where none may be mounted."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("no disk may be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def chain_error(error: Exception) -> Exception:
    """An error of a library that was raised while handling another."""
    try:
        try:
            raise error
        except Exception as cause:
            raise RuntimeError("could not save") from cause
    except RuntimeError as outer:
        return outer


@pytest.mark.parametrize(
    "error",
    [
        FULL,
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        chain_error(FULL),
        # What safetensors and torch say.
        Exception("Error while serializing: I/O error: No space left on device (os error 28)"),
        RuntimeError("PytorchStreamWriter failed writing file: No space left on device"),
    ],
    ids=["errno", "quota", "cause", "safetensors", "torch"],
)
def test_a_full_disk_is_named_whoever_says_so(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    def main() -> None:
        raise error

    with pytest.raises(SystemExit, match="2"):
        run_main(main)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: no room on the disk of /")
    assert "iB free, unless a quota leaves less); make room there and run the same command" in line


def test_the_file_and_what_is_needed_are_named(tmp_path: Path) -> None:
    line = describe_full_disk(tmp_path / "not" / "there.csv", needed=3 * 2**30)
    assert line.startswith(
        f"{tmp_path}/not/there.csv: no room on the disk of {disk.find_mount_point(tmp_path)} ("
    )
    assert "; the study needs about 3.0 GiB more)" in line


def test_other_errors_stay_what_they_are() -> None:
    assert explain_disk_error(ValueError("bad")) is None
    assert explain_disk_error(OSError(errno.EIO, "Input/output error", "x")) is None
    with pytest.raises(ValueError, match="bad"):
        run_main(lambda: (_ for _ in ()).throw(ValueError("bad")))


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EPERM])
def test_a_file_that_may_not_be_written_is_one_line(number: int) -> None:
    error = chain_error(OSError(number, os.strerror(number), "results/x.csv"))
    line = explain_disk_error(error)
    assert line is not None
    assert line.startswith(
        f"results/x.csv: cannot be written or read ({os.strerror(number)}); make"
    )


JOB = """
import os
from pathlib import Path
from retu.core.atomic_files import replace_atomically
from retu.runtime.script import run_main
from retu.config.load import load_config
from retu.planning.load_plan import load_plan

def main() -> None:
    print("x" * 4000, flush=True)
    replace_atomically(Path("table.csv"), lambda path: path.write_bytes(b"x" * 2**21))

run_main(main)
"""


def test_a_job_on_a_full_disk_says_so_though_its_log_is_there_too(small_disk: Path) -> None:
    """As rules call it: the log on the same disk, the terminal as descriptor 3."""
    (small_disk / "filler").write_bytes(b"x" * (2**20 - 8192))
    script = 'exec python -c "$JOB" 3>&2 > job.log 2>&1'
    done = run_command(
        ["bash", "-c", script],
        cwd=small_disk,
        env={**os.environ, "JOB": JOB, "RETU_PROGRESS_FD": "3"},
    )
    assert done.returncode == 2
    said = done.stderr + (small_disk / "job.log").read_text()
    (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert f"no room on the disk of {small_disk}" in line
    assert "Traceback" not in said
    assert [path.name for path in small_disk.iterdir() if path.suffix == ".tmp"] == []


def test_the_run_itself_sees_which_disk_is_full(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RETU_STATE", raising=False)
    root = small_disk.parent
    (root / "results").symlink_to(small_disk)
    assert find_full_folder(root) is None
    (small_disk / "filler").write_bytes(b"x" * (2**20 - 8192))
    assert find_full_folder(root) == root / "results"
    assert f"no room on the disk of {small_disk} (0 MiB of 1 MiB free" in describe_full_disk(
        root / "results"
    )


@pytest.mark.parametrize(("name", "needed"), [("smoke", "1.0 GiB"), ("paper", r"[\d,.]+ GiB")])
def test_what_a_study_still_needs_is_told_with_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, needed: str
) -> None:
    plan = load_plan(load_config({"study": name}))
    monkeypatch.setattr(job_failures, "find_full_folder", lambda root: None)
    assert describe_disk(plan, tmp_path) is None
    monkeypatch.setattr(job_failures, "find_full_folder", lambda root: root)
    line = describe_disk(plan, tmp_path)
    assert line is not None
    assert re.search(rf"no room on the disk of .*; the study needs about {needed} more\)", line)


def test_an_injected_full_disk_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing may be mounted the system's answer is made up."""
    path = tmp_path / "table.csv"
    path.write_text("old")

    def refuse(*_: object) -> None:
        raise FULL

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space left"):
        write_text(path, "new")
    assert (path.read_text(), len(list(tmp_path.iterdir()))) == ("old", 1)


def lose_folder(folder: Path) -> None:
    """Have another process put its own folder in place just before ours."""

    def fill(temporary: Path) -> None:
        (temporary / "mine").touch()
        kept = shutil.rmtree

        def remove_beaten(path: Path, ignore_errors: bool = False) -> None:
            kept(path, ignore_errors=ignore_errors)
            if path == folder:
                folder.mkdir()
                (folder / "theirs").touch()

        shutil.rmtree = remove_beaten  # type: ignore[assignment]

    kept = shutil.rmtree
    try:
        replace_folder(folder, fill)
    finally:
        shutil.rmtree = kept


def lose_file(path: Path) -> None:
    """Have another process sweep our temporary file away before it is moved in."""
    real = os.replace

    def move_late(source: Path, target: Path) -> None:
        Path(source).unlink()
        real(source, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", move_late)
        replace_atomically(path, lambda temporary: temporary.write_text("mine"))


@pytest.mark.parametrize("lose", [lose_folder, lose_file])
def test_the_loser_of_a_race_says_so(tmp_path: Path, lose: Callable[[Path], None]) -> None:
    place = tmp_path / "checkpoints"
    message = r"checkpoints: another process writes it at the same time \(.*\); let one of the two"
    with pytest.raises(InputError, match=message):
        lose(place)
    assert [path.name for path in tmp_path.iterdir() if path.name != "checkpoints"] == []


def test_two_processes_fill_a_folder_apart(tmp_path: Path) -> None:
    """A name that both share would mix the files of the two."""
    folder = tmp_path / "checkpoints"
    code = (
        "import sys; from pathlib import Path; from retu.core.atomic_files import replace_folder\n"
        "def fill(path):\n    print(path.name, flush=True)\n    sys.stdin.readline()\n"
        f"replace_folder(Path({str(folder)!r}), fill)"
    )
    names = []
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        names.append(process.stdout.readline())
    for process in processes:
        process.communicate("\n", timeout=60)
    assert len({*names}) == 2


LOGGED = """    log: {0}/a.log (check log file(s) for error details)
    log: {0}/b.log (check log file(s) for error details)
    log: {0}/a.log (check log file(s) for error details)
    log: {0}/c.log (check log file(s) for error details)
    log: {0}/d.log (check log file(s) for error details)
"""


def test_errors_of_jobs_are_told_once(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(
        "step 1\nerror: x.csv: has no rows; delete it\nusage: cpu 1 s\n"
    )
    trace = "\n".join(["Traceback:", *(f"  line {n}" for n in range(9)), "KeyError: 'x'"])
    (tmp_path / "b.log").write_text(trace)
    (tmp_path / "c.log").write_text("")
    told = describe_failures(LOGGED.format(tmp_path))
    assert told[:2] == [
        "error: x.csv: has no rows; delete it",
        f"error: {tmp_path}/b.log ends with:",
    ]
    assert told[-3:] == [
        "    KeyError: 'x'",
        f"error: {tmp_path}/c.log: is empty; the job was killed or could not write",
        f"error: {tmp_path}/d.log: cannot be read (No such file or directory)",
    ]
    assert len(told) == 9
    full = describe_failures(LOGGED.format(tmp_path), "no room on the disk of /mnt")
    assert full == [*told[:7], "error: no room on the disk of /mnt"]


def test_a_package_that_the_light_environment_lacks_names_the_whole_one(tmp_path: Path) -> None:
    for name in "abcd":
        (tmp_path / f"{name}.log").write_text(
            "Traceback:\n  import datasets\nModuleNotFoundError: No module named 'datasets'\n"
        )
    told = describe_failures(LOGGED.format(tmp_path))
    assert told[0].endswith(
        "a.log: this environment lacks the package datasets; `make setup-analysis` leaves out what"
        " trains, `make setup` brings it"
    )
