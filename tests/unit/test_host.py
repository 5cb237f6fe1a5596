"""What a record tells of the checkout and the machine."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from workflow_scripts.lineage import host
from workflow_scripts.lineage.host import checkout, host_facts, loaded_versions, peak_gpu_megabytes

Git = Callable[..., str]


@pytest.fixture
def git(tmp_path: Path) -> Git:
    """Runs git in a new repository with two committed files."""
    folder = tmp_path / "a checkout"
    folder.mkdir()

    def run(*arguments: str) -> str:
        settings = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
        command = ["git", *settings, *arguments]
        done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    run("init", "--quiet")
    for name in ("one.py", "two words.py"):
        (folder / name).write_text(f"# {name}\n" * 20)
    run("add", ".")
    run("commit", "--quiet", "-m", "first")
    return run


@pytest.fixture
def root(git: Git, tmp_path: Path) -> Path:
    """The folder of the repository."""
    return tmp_path / "a checkout"


def test_a_clean_checkout_is_its_commit(git: Git, root: Path) -> None:
    found = checkout(root)
    assert found.commit == git("rev-parse", "HEAD")
    assert found.dirty == []


def test_uncommitted_files_are_named(git: Git, root: Path) -> None:
    (root / "one.py").write_text("other\n")
    (root / "new one.py").write_text("new\n")
    (root / "folder").mkdir()
    (root / "folder" / 'odd "é"\nname').write_text("new\n")
    assert sorted(checkout(root).dirty) == ['folder/odd "é"\nname', "new one.py", "one.py"]


def test_renamed_staged_and_deleted_files(git: Git, root: Path) -> None:
    git("mv", "two words.py", "three more words.py")
    (root / "zz.py").write_text("z\n")
    assert checkout(root).dirty == ["three more words.py", "zz.py"]
    git("add", "zz.py")
    (root / "one.py").unlink()
    assert sorted(checkout(root).dirty) == ["one.py", "three more words.py", "zz.py"]


def test_files_in_conflict(git: Git, root: Path) -> None:
    main = git("rev-parse", "--abbrev-ref", "HEAD")
    for branch, text in (("other", "theirs\n"), (main, "ours\n")):
        git("checkout", "--quiet", *(["-b"] if branch == "other" else []), branch)
        (root / "one.py").write_text(text)
        git("commit", "--quiet", "-am", branch)
    with pytest.raises(subprocess.CalledProcessError):
        git("merge", "other")
    assert checkout(root).dirty == ["one.py"]


def test_ignored_files_and_pointers_do_not_count(git: Git, root: Path) -> None:
    (root / ".gitignore").write_text("/results\n")
    git("add", ".gitignore")
    git("commit", "--quiet", "-m", "ignore")
    for name in ("results/x", "lineage/lab/dvc.lock", "data.dvc"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    assert checkout(root).dirty == []


def test_a_repository_without_commits(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / "x").write_text("x")
    found = checkout(tmp_path)
    assert (found.commit, found.dirty) == (None, ["x"])


def test_without_git(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    bare = tmp_path / "no repository"
    bare.mkdir()
    found = checkout(bare)
    assert (found.commit, found.dirty) == (None, [])
    monkeypatch.setenv("PATH", str(bare))
    found = checkout(root)
    assert (found.commit, found.dirty) == (None, [])


def test_asking_takes_no_lock_of_git(git: Git, root: Path) -> None:
    """Jobs ask while their user commits: git must not rewrite its index for that."""
    index = root / ".git" / "index"
    for path in (index, root / "one.py"):
        os.utime(path, ns=(10**18, 10**18))
    assert checkout(root).dirty == []
    assert index.stat().st_mtime_ns == 10**18


def test_the_machine_and_the_libraries_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = host_facts()
    assert facts["name"]
    assert facts["cores"] >= 1
    assert facts["memory_mb"] > 100
    assert facts["processor"] or facts["system"]
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    versions = loaded_versions()
    assert versions["python"].startswith("3.11.")
    assert "torch" not in versions
    assert peak_gpu_megabytes() is None
    assert set(host.LIBRARIES.values()) >= set(versions) - {"python"}
