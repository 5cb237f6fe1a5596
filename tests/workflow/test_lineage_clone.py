"""A finished study, recorded and pushed, comes back in a clone: only what must runs again."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, clean_environment, run_snakemake

from retu.lineage.graph.record_graph import Lineage, read_lineage

pytestmark = pytest.mark.slow

SFT = "results/smoke/sft/LabQwen/LabFull/seed0"
TABLE = "results/smoke/tables/table_4.csv"
LOCK = "lineage/smoke/dvc.lock"
CHANGED = "retu/reporting/result_tables.py"


def run_in_project(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
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


def run_checked(folder: Path, *command: str) -> str:
    """What a command prints that must succeed."""
    done = run_in_project(folder, *command)
    assert done.returncode == 0, done.stdout
    return done.stdout


def run_retu_lineage(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """`retu lineage ...` of the project in a folder."""
    return run_in_project(folder, sys.executable, "-m", "retu", "lineage", *arguments)


def run_dvc(folder: Path, *arguments: str) -> str:
    return run_checked(folder, sys.executable, "-m", "dvc", *arguments)


@pytest.fixture(scope="module")
def published_project(finished_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished study in a git repository: recorded, committed and pushed to a local remote."""
    folder = tmp_path_factory.mktemp("published") / "first project"
    ignored = shutil.ignore_patterns(".state", "__pycache__")
    shutil.copytree(finished_checkout, folder, ignore=ignored)
    (folder / ".dvc").mkdir(exist_ok=True)
    for name in (".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore"):
        shutil.copy(ROOT / name, folder / name)
    done = run_retu_lineage(folder, "record", "--study", "smoke")
    assert done.returncode == 0, done.stdout
    run_checked(folder, "git", "init", "--quiet")
    run_checked(folder, "git", "add", "--all")
    run_checked(folder, "git", "commit", "--quiet", "--message", "results")
    use_remote(folder, folder.parent / "store")
    run_dvc(folder, "push")
    return folder


def use_remote(folder: Path, store: Path) -> None:
    run_dvc(folder, "remote", "modify", "--local", "local", "url", str(store))


def clone_project(published: Path, folder: Path) -> Path:
    """A clone elsewhere that knows the remote."""
    run_checked(published, "git", "clone", "--quiet", str(published), str(folder))
    use_remote(folder, published.parent / "store")
    return folder


@pytest.fixture(scope="module")
def restored_clone(published_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with everything restored; do not change it."""
    folder = clone_project(published_project, tmp_path_factory.mktemp("restored") / "clone")
    done = run_retu_lineage(folder, "restore", "HEAD", "--study", "smoke")
    assert done.returncode == 0, done.stdout
    return folder


@pytest.fixture
def changed_clone(restored_clone: Path) -> Iterator[Path]:
    """The restored clone with a line of code more in one module."""
    module = restored_clone / CHANGED
    before = module.read_bytes()
    module.write_bytes(before + b"\nADDED = 1\n")
    yield restored_clone
    module.write_bytes(before)


def list_planned_rules(folder: Path, *targets: str) -> set[str]:
    """The rules that would run."""
    done = run_snakemake(folder, "--dry-run", *targets)
    assert done.returncode == 0, done.stdout
    if "Nothing to be done" in done.stdout:
        return set()
    table = done.stdout.split("Job stats:")[1].split("\ntotal")[0]
    return {line.split()[0] for line in table.splitlines()[3:]}


def read_project_lineage(folder: Path) -> Lineage:
    return read_lineage(folder, "smoke")


def test_dvc_agrees_with_the_records(published_project: Path) -> None:
    assert "up to date" in run_dvc(published_project, "status")
    assert "are in sync" in run_dvc(published_project, "status", "--cloud")


def test_a_restored_clone_is_as_the_first_and_plans_nothing(
    published_project: Path, restored_clone: Path
) -> None:
    assert read_project_lineage(restored_clone) == read_project_lineage(published_project)
    assert list_planned_rules(restored_clone) == set()
    assert "up to date" in run_dvc(restored_clone, "status")
    assert_all_agree(restored_clone)


def assert_all_agree(folder: Path) -> None:
    """Records, files, DVC and git all tell the same."""
    done = run_retu_lineage(folder, "verify", "--study", "smoke")
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[0].endswith(": all as recorded")
    assert run_dvc(folder, "diff").strip() == ""
    plan = run_dvc(folder, "repro", "--dry", "--all-pipelines")
    assert plan.rstrip().endswith("Data and pipelines are up to date.")
    stages = len(read_project_lineage(folder).records)
    assert plan.count("didn't change, skipping") == stages
    assert run_checked(folder, "git", "status", "--porcelain") == ""


def test_what_dvc_pulled_is_adopted_by_a_restore(published_project: Path, tmp_path: Path) -> None:
    folder = clone_project(published_project, tmp_path / "clone")
    run_dvc(folder, "pull")
    done = run_retu_lineage(folder, "restore", "HEAD", "--study", "smoke")
    assert done.returncode == 0, done.stdout
    assert ": 0 outputs restored (0.0 MB)" in done.stdout
    assert list_planned_rules(folder) == set()
    assert_all_agree(folder)


def test_a_change_in_a_module_plans_exactly_its_users(changed_clone: Path) -> None:
    module = CHANGED.removesuffix(".py").replace("/", ".")
    found = read_project_lineage(changed_clone)
    users = [job for job, record in found.records.items() if module in record.code.modules]
    jobs = {*users, *found.list_descendants(users)}
    assert 2 < len(jobs) < 15, "tables and figures use it, and no training"
    rules = {found.records[job].rule for job in jobs}
    assert list_planned_rules(changed_clone) == {*rules, "lineage", "all"}


def test_what_other_code_made_is_not_restored(changed_clone: Path) -> None:
    done = run_retu_lineage(changed_clone, "restore", TABLE)
    assert done.returncode == 1
    assert f"tables/table_4.record.json ({CHANGED}: its code has changed)" in done.stdout
    done = run_retu_lineage(changed_clone, "restore", "HEAD", "--study", "smoke")
    assert done.returncode == 1
    assert "make_table_4" in list_planned_rules(changed_clone), "it must not be taken for current"


def test_one_output_comes_with_its_ancestors_and_runs_nothing(
    published_project: Path, tmp_path: Path
) -> None:
    folder = clone_project(published_project, tmp_path / "clone")
    done = run_retu_lineage(folder, "restore", TABLE)
    assert done.returncode == 0, done.stdout
    full = read_project_lineage(published_project)
    assert set(read_project_lineage(folder).records) == set(
        full.list_ancestors([str(full.find_producer(TABLE))])
    )
    assert list_planned_rules(folder, TABLE) == set()
    assert {"make_figure_3", "make_report"} < list_planned_rules(folder)
    assert "train_rl" not in list_planned_rules(folder)


def test_a_lost_output_comes_back_without_a_rerun_of_its_users(restored_clone: Path) -> None:
    """Snakemake would train RL again if the checkpoints beside it looked new."""
    (restored_clone / SFT / "losses.csv").unlink()
    done = run_retu_lineage(restored_clone, "restore", f"{SFT}/losses.csv")
    assert done.returncode == 0, done.stdout
    assert list_planned_rules(restored_clone) == set()


def test_without_the_remote_nothing_is_restored(published_project: Path, tmp_path: Path) -> None:
    folder = clone_project(published_project, tmp_path / "clone")
    use_remote(folder, tmp_path / "nowhere")
    done = run_retu_lineage(folder, "restore", TABLE)
    assert done.returncode == 2
    (line,) = done.stdout.splitlines()
    assert line.startswith("error: ")
    assert f"the remote {tmp_path}/nowhere/files/md5 is not there" in line
    assert not (folder / "results").exists()


def test_a_recording_that_fails_leaves_the_pointers(
    published_project: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(published_project, folder, symlinks=True)
    before = (folder / LOCK).read_bytes()
    summary = folder / "results/smoke/summary.txt"
    summary.write_text(summary.read_text() + "one line more\n")
    done = run_snakemake(folder, LOCK, "--forcerun", "lineage")
    assert done.returncode != 0
    assert "error: results/smoke/summary.txt: has changed since its record" in done.stdout
    assert (folder / LOCK).read_bytes() == before
    assert "dvc.yaml" in os.listdir(folder / "lineage" / "smoke")
