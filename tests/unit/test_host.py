"""What a record tells of the checkout and the machine."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from retu.lineage.recording import host
from retu.lineage.recording.host import (
    describe_checkout,
    describe_host,
    get_peak_gpu_megabytes,
    list_loaded_versions,
)

Git = Callable[..., str]


@pytest.fixture
def run_git(tmp_path: Path) -> Git:
    """Runs git in a new repository with two committed files."""
    folder = tmp_path / "a checkout"
    folder.mkdir()

    def run_in_repository(*arguments: str) -> str:
        settings = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        command = ["git", *settings, *arguments]
        done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    run_in_repository("init", "--quiet")
    for name in ("one.py", "two words.py"):
        (folder / name).write_text(f"# {name}\n" * 20)
    run_in_repository("add", ".")
    run_in_repository("commit", "--quiet", "-m", "first")
    return run_in_repository


@pytest.fixture
def root(run_git: Git, tmp_path: Path) -> Path:
    """The folder of the repository."""
    return tmp_path / "a checkout"


def test_a_clean_checkout_is_its_commit(run_git: Git, root: Path) -> None:
    found = describe_checkout(root)
    assert found.commit == run_git("rev-parse", "HEAD")
    assert found.dirty == []


def test_uncommitted_files_are_named(run_git: Git, root: Path) -> None:
    (root / "one.py").write_text("other\n")
    (root / "new one.py").write_text("new\n")
    (root / "folder").mkdir()
    (root / "folder" / 'odd "é"\nname').write_text("new\n")
    assert sorted(describe_checkout(root).dirty) == [
        'folder/odd "é"\\nname',
        "new one.py",
        "one.py",
    ]


def test_renamed_staged_and_deleted_files(run_git: Git, root: Path) -> None:
    run_git("mv", "two words.py", "three more words.py")
    (root / "zz.py").write_text("z\n")
    assert describe_checkout(root).dirty == ["three more words.py", "zz.py"]
    run_git("add", "zz.py")
    (root / "one.py").unlink()
    assert sorted(describe_checkout(root).dirty) == ["one.py", "three more words.py", "zz.py"]


def test_files_in_conflict(run_git: Git, root: Path) -> None:
    main = run_git("rev-parse", "--abbrev-ref", "HEAD")
    for branch, text in (("other", "theirs\n"), (main, "ours\n")):
        run_git("checkout", "--quiet", *(["-b"] if branch == "other" else []), branch)
        (root / "one.py").write_text(text)
        run_git("commit", "--quiet", "-am", branch)
    with pytest.raises(subprocess.CalledProcessError):
        run_git("merge", "other")
    assert describe_checkout(root).dirty == ["one.py"]


def test_ignored_files_and_pointers_do_not_count(run_git: Git, root: Path) -> None:
    (root / ".gitignore").write_text("/results\n")
    run_git("add", ".gitignore")
    run_git("commit", "--quiet", "-m", "ignore")
    for name in ("results/x", "lineage/lab/dvc.lock", "data.dvc"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    assert describe_checkout(root).dirty == []


def test_a_repository_without_commits(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / "x").write_text("x")
    found = describe_checkout(tmp_path)
    assert (found.commit, found.dirty) == (None, ["x"])


def test_without_git(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    bare = tmp_path / "no repository"
    bare.mkdir()
    found = describe_checkout(bare)
    assert (found.commit, found.dirty, found.reason) == (None, [], None)


def test_where_git_is_not_installed_the_commit_is_unknown(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = describe_checkout(root)
    assert (found.commit, found.dirty) == (None, [])
    assert found.reason == "git does not run (No such file or directory)"


def test_where_git_refuses_the_folder_the_commit_is_unknown(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a shared file system, where the checkout belongs to another user."""
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    found = describe_checkout(root)
    assert (found.commit, found.dirty) == (None, [])
    assert found.reason is not None
    assert "dubious ownership" in found.reason


def test_git_is_asked_in_english(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoken = tmp_path / "git"
    spoken.write_text('#!/bin/sh\necho "fatal: in $LC_ALL" >&2\nexit 1\n')
    spoken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert describe_checkout(root).reason == "fatal: in C"


def test_a_broken_repository_is_not_outside_git(root: Path) -> None:
    (root / ".git" / "index").write_text("no index")
    assert describe_checkout(root).reason not in (None, "")


def test_asking_takes_no_lock_of_git(run_git: Git, root: Path) -> None:
    """Jobs ask while their user commits: git must not rewrite its index for that."""
    index = root / ".git" / "index"
    for path in (index, root / "one.py"):
        os.utime(path, ns=(10**18, 10**18))
    assert describe_checkout(root).dirty == []
    assert index.stat().st_mtime_ns == 10**18


def test_the_machine_and_the_libraries_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = describe_host()
    assert facts["name"]
    assert facts["cores"] >= 1
    assert facts["memory_mb"] > 100
    assert facts["processor"] or facts["system"]
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    versions = list_loaded_versions()
    assert versions["python"].startswith("3.11.")
    assert "torch" not in versions
    assert get_peak_gpu_megabytes() is None
    assert set(host.RECORDED_LIBRARIES.values()) >= set(versions) - {"python"}


class BrokenCuda:
    """A torch whose driver fails when it is asked."""

    cuda: "BrokenCuda"

    def __init__(self) -> None:
        self.cuda = self

    def is_available(self) -> bool:
        return True

    def device_count(self) -> int:
        raise RuntimeError("CUDA error: unspecified launch failure")


def test_a_driver_that_fails_loses_no_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch", BrokenCuda())
    monkeypatch.setattr(host, "CPUINFO", tmp_path / "none")
    assert describe_host()["gpus"] == "unknown"
    assert describe_host()["processor"]
    assert get_peak_gpu_megabytes() is None


def test_versions_are_held_against_the_lock() -> None:
    lock = "# made\ntorch==2.13.0\nlatex2sympy2-extended==1.11.0\nnumpy==2.4.6\n"
    loaded = {"python": "3.11.7", "torch": "2.13.0+cpu", "latex2sympy2_extended": "1.11.0"}
    assert host.compare_with_lock(loaded, lock) == {}
    assert host.compare_with_lock({**loaded, "numpy": "2.4.7", "trl": "1.16.0"}, lock) == {
        "numpy": "2.4.6 -> 2.4.7",
        "trl": "(none) -> 1.16.0",
    }
