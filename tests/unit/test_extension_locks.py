"""A lock that a killed build of DeepSpeed's left behind is named; one that lives is waited for."""

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from retu.core.errors import InputError
from retu.models import extension_locks
from retu.models.extension_locks import QUIET_SECONDS, check_extension_locks


def make_build_lock(folder: Path, quiet: float) -> Path:
    """The lock of a build in which nothing has happened for so many seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "build.ninja").touch()
    (folder / "lock").touch()
    then = time.time() - quiet
    for path in folder.iterdir():
        os.utime(path, (then, then))
    return folder / "lock"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where extensions are built."""
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    monkeypatch.setattr(extension_locks, "LOCK_POLL_SECONDS", 0.05)
    return tmp_path


def test_a_lock_without_a_build_is_named(root: Path) -> None:
    lock = make_build_lock(root / "cpu_adam", QUIET_SECONDS + 5)
    with pytest.raises(InputError) as raised:
        check_extension_locks()
    assert str(raised.value).startswith(f"{lock}: is left over from a build that was killed")
    assert "set TORCH_EXTENSIONS_DIR to another folder" in str(raised.value)


def test_the_usual_folder_is_searched_for_this_python_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TORCH_EXTENSIONS_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    make_build_lock(tmp_path / "torch_extensions" / "py27_cpu" / "cpu_adam", QUIET_SECONDS + 5)
    check_extension_locks()
    version = f"py{sys.version_info.major}{sys.version_info.minor}"
    make_build_lock(
        tmp_path / "torch_extensions" / f"{version}_cu130" / "cpu_adam", QUIET_SECONDS + 5
    )
    with pytest.raises(InputError, match=rf"{version}_cu130/cpu_adam/lock: is left over"):
        check_extension_locks()


def test_a_lock_that_a_process_here_holds_is_alive(root: Path) -> None:
    lock = make_build_lock(root / "cpu_adam", QUIET_SECONDS + 5)
    with lock.open():
        check_extension_locks()
    with pytest.raises(InputError):
        check_extension_locks()


def test_a_build_that_may_live_elsewhere_is_waited_for(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = make_build_lock(root / "cpu_adam", quiet=3)
    waiting = threading.Thread(target=check_extension_locks)
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    lock.unlink()
    waiting.join(5)
    assert not waiting.is_alive()
    assert capsys.readouterr().out == f"waiting for the build that holds {lock}\n"


def test_without_builds_nothing_is_waited_for(root: Path) -> None:
    (root / "cpu_adam").mkdir()
    check_extension_locks()
