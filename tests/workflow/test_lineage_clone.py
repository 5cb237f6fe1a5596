"""A finished study, recorded and pushed, comes back in a clone: only what must runs again."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, clean_environment, snakemake

from retu.lineage.graph.record_graph import Lineage, read_lineage

pytestmark = pytest.mark.slow

SFT = "results/smoke/sft/LabQwen/LabFull/seed0"
TABLE = "results/smoke/tables/table_4.csv"
LOCK = "lineage/smoke/dvc.lock"
CHANGED = "retu/reporting/result_tables.py"


def run(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    """Run a command in a project; what it prints comes back as one text."""
    who = {f"GIT_{role}_{what}": "t@example.org" for role in ("AUTHOR", "COMMITTER")
           for what in ("NAME", "EMAIL")}  # fmt: skip
    return subprocess.run(
        command,
        cwd=folder,
        env=clean_environment(DVC_NO_ANALYTICS="1", **who),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def well(folder: Path, *command: str) -> str:
    """What a command prints that must succeed."""
    done = run(folder, *command)
    assert done.returncode == 0, done.stdout
    return done.stdout


def retu(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """`retu lineage ...` of the project in a folder."""
    return run(folder, sys.executable, "-m", "retu", "lineage", *arguments)


def dvc(folder: Path, *arguments: str) -> str:
    return well(folder, sys.executable, "-m", "dvc", *arguments)


@pytest.fixture(scope="module")
def published(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished study in a git repository: recorded, committed and pushed to a local remote."""
    folder = tmp_path_factory.mktemp("published") / "first project"
    ignored = shutil.ignore_patterns(".state", "__pycache__")
    shutil.copytree(finished, folder, ignore=ignored)
    (folder / ".dvc").mkdir(exist_ok=True)
    for name in (".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore"):
        shutil.copy(ROOT / name, folder / name)
    done = retu(folder, "record", "--study", "smoke")
    assert done.returncode == 0, done.stdout
    well(folder, "git", "init", "--quiet")
    well(folder, "git", "add", "--all")
    well(folder, "git", "commit", "--quiet", "--message", "results")
    use_remote(folder, folder.parent / "store")
    dvc(folder, "push")
    return folder


def use_remote(folder: Path, store: Path) -> None:
    dvc(folder, "remote", "modify", "--local", "local", "url", str(store))


def clone(published: Path, folder: Path) -> Path:
    """A clone elsewhere that knows the remote."""
    well(published, "git", "clone", "--quiet", str(published), str(folder))
    use_remote(folder, published.parent / "store")
    return folder


@pytest.fixture(scope="module")
def restored(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with everything restored; do not change it."""
    folder = clone(published, tmp_path_factory.mktemp("restored") / "clone")
    done = retu(folder, "restore", "HEAD", "--study", "smoke")
    assert done.returncode == 0, done.stdout
    return folder


@pytest.fixture
def changed(restored: Path) -> Iterator[Path]:
    """The restored clone with a line of code more in one module."""
    module = restored / CHANGED
    before = module.read_bytes()
    module.write_bytes(before + b"\nADDED = 1\n")
    yield restored
    module.write_bytes(before)


def planned(folder: Path, *targets: str) -> set[str]:
    """The rules that would run."""
    done = snakemake(folder, "--dry-run", *targets)
    assert done.returncode == 0, done.stdout
    if "Nothing to be done" in done.stdout:
        return set()
    table = done.stdout.split("Job stats:")[1].split("\ntotal")[0]
    return {line.split()[0] for line in table.splitlines()[3:]}


def lineage(folder: Path) -> Lineage:
    return read_lineage(folder, "smoke")


def test_dvc_agrees_with_the_records(published: Path) -> None:
    assert "up to date" in dvc(published, "status")
    assert "are in sync" in dvc(published, "status", "--cloud")


def test_a_restored_clone_is_as_the_first_and_plans_nothing(
    published: Path, restored: Path
) -> None:
    assert lineage(restored) == lineage(published)
    assert planned(restored) == set()
    assert "up to date" in dvc(restored, "status")
    agree(restored)


def agree(folder: Path) -> None:
    """Records, files, DVC and git all tell the same."""
    done = retu(folder, "verify", "--study", "smoke")
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[0].endswith(": all as recorded")
    assert dvc(folder, "diff").strip() == ""
    plan = dvc(folder, "repro", "--dry", "--all-pipelines")
    assert plan.rstrip().endswith("Data and pipelines are up to date.")
    stages = len(lineage(folder).records)
    assert plan.count("didn't change, skipping") == stages
    assert well(folder, "git", "status", "--porcelain") == ""


def test_what_dvc_pulled_is_adopted_by_a_restore(published: Path, tmp_path: Path) -> None:
    folder = clone(published, tmp_path / "clone")
    dvc(folder, "pull")
    done = retu(folder, "restore", "HEAD", "--study", "smoke")
    assert done.returncode == 0, done.stdout
    assert ": 0 outputs restored (0.0 MB)" in done.stdout
    assert planned(folder) == set()
    agree(folder)


def test_a_change_in_a_module_plans_exactly_its_users(changed: Path) -> None:
    module = CHANGED.removesuffix(".py").replace("/", ".")
    found = lineage(changed)
    users = [job for job, record in found.records.items() if module in record.code.modules]
    jobs = {*users, *found.descendants(users)}
    assert 2 < len(jobs) < 10
    rules = {found.records[job].rule for job in jobs}
    assert planned(changed) == {*rules, "lineage", "all"}


def test_what_other_code_made_is_not_restored(changed: Path) -> None:
    done = retu(changed, "restore", TABLE)
    assert done.returncode == 1
    assert f"tables/table_4.record.json ({CHANGED}: its code has changed)" in done.stdout
    done = retu(changed, "restore", "HEAD", "--study", "smoke")
    assert done.returncode == 1
    assert "make_table_4" in planned(changed), "it must not be taken for current"


def test_one_output_comes_with_its_ancestors_and_runs_nothing(
    published: Path, tmp_path: Path
) -> None:
    folder = clone(published, tmp_path / "clone")
    done = retu(folder, "restore", TABLE)
    assert done.returncode == 0, done.stdout
    full = lineage(published)
    assert set(lineage(folder).records) == set(full.ancestors([str(full.producer(TABLE))]))
    assert planned(folder, TABLE) == set()
    assert {"make_figure_3", "make_report"} < planned(folder)
    assert "train_rl" not in planned(folder)


def test_a_lost_output_comes_back_without_a_rerun_of_its_users(restored: Path) -> None:
    """Snakemake would train RL again if the checkpoints beside it looked new."""
    (restored / SFT / "losses.csv").unlink()
    done = retu(restored, "restore", f"{SFT}/losses.csv")
    assert done.returncode == 0, done.stdout
    assert planned(restored) == set()


def test_without_the_remote_nothing_is_restored(published: Path, tmp_path: Path) -> None:
    folder = clone(published, tmp_path / "clone")
    use_remote(folder, tmp_path / "nowhere")
    done = retu(folder, "restore", TABLE)
    assert done.returncode == 2
    (line,) = done.stdout.splitlines()
    assert line.startswith("error: ")
    assert f"the remote {tmp_path}/nowhere/files/md5 is not there" in line
    assert not (folder / "results").exists()


def test_a_recording_that_fails_leaves_the_pointers(published: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(published, folder, symlinks=True)
    before = (folder / LOCK).read_bytes()
    summary = folder / "results/smoke/summary.txt"
    summary.write_text(summary.read_text() + "one line more\n")
    done = snakemake(folder, LOCK, "--forcerun", "lineage")
    assert done.returncode != 0
    assert "error: results/smoke/summary.txt: has changed since its record" in done.stdout
    assert (folder / LOCK).read_bytes() == before
    assert "dvc.yaml" in os.listdir(folder / "lineage" / "smoke")
