"""Work folders for tests on a real SLURM; without one (see local_slurm.py) they skip."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from cluster_runs import LEFT_OUT, LONGER, RL, SFT, SITE, list_jobs, make_once, set_site, set_study
from conftest import copy_checkout, run_snakemake
from local_slurm import OURS


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the whole study first: nothing else takes as long."""
    items.sort(key=lambda item: item.path.stem != "test_smoke_study")


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of xdist have in common."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def site() -> None:
    """Skips where no SLURM of ours is up: another one's queue is nothing to play with."""
    if OURS not in os.environ:
        pytest.skip("no SLURM of the tests' own is up: make test-slurm")


@pytest.fixture(scope="session")
def prepared_checkout(site: None, shared_folder: Path) -> Path:
    """A checkout with all that training starts from, made without SLURM; do not change it."""

    def make(folder: Path) -> None:
        copy_checkout(folder)
        set_site(folder, **SITE)
        set_study(folder, **LONGER)
        base, rows = "base/LabQwen/manifest.json", "sft_sets/LabFull.manifest.json"
        done = run_snakemake(folder, f"results/smoke/{base}", f"results/smoke/{rows}")
        assert done.returncode == 0, done.stdout

    return make_once(shared_folder / "prepared", make)


@pytest.fixture(scope="session")
def uninterrupted_checkout(prepared_checkout: Path, shared_folder: Path) -> Path:
    """The prepared checkout in which SFT and RL ran, each in one go; do not change it."""

    def make(folder: Path) -> None:
        shutil.copytree(prepared_checkout, folder, ignore=LEFT_OUT)
        done = run_snakemake(folder, f"{SFT}/manifest.json", f"{RL}/manifest.json")
        assert done.returncode == 0, done.stdout

    return make_once(shared_folder / "uninterrupted", make)


@pytest.fixture
def folder(prepared_checkout: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the prepared checkout; whatever a failed test leaves behind is ended."""
    copy = shutil.copytree(prepared_checkout, tmp_path / "checkout", ignore=LEFT_OUT)
    yield copy
    for process in psutil.Process().children():
        process.kill()
    left = [str(job.number) for job in list_jobs(copy) if job.state in ("RUNNING", "PENDING")]
    if left:
        subprocess.run(["scancel", *left], check=True)
