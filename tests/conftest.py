"""A checkout to run the workflow in, and one finished smoke run that the tests share."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from filelock import FileLock
from processes import run_as_on_terminal

pytest_plugins = (
    *("code_fixtures", "lineage_fixtures", "pointer_fixtures", "bundle_fixtures", "lineage_toy"),
    *("files_fixtures", "browser_fixtures"),
)

ROOT = Path(__file__).resolve().parents[1]
# What a run reads; never results, data or state, so a test run starts from nothing.
PARTS = (
    *("Snakefile", "config.yaml", "rules", "retu", "workflow_scripts", "studies", "envs"),
    *("profiles", "schemas", "claims", "slurm", "chat_templates", "captions"),
)
SMOKE = ("study=smoke",)


@pytest.fixture(autouse=True)
def forget_last_job() -> None:
    """A job is a process and notes what it read, what it cost and what to do at its end."""
    from retu.runtime.mirror_files import OWN, READ
    from retu.runtime.script import AT_END
    from retu.runtime.usage import IGNORED_SETTINGS, JOB_FACTS

    AT_END.clear()
    for notes in (READ, OWN, JOB_FACTS, IGNORED_SETTINGS):
        notes.clear()


@pytest.fixture(autouse=True)
def forget_terminal_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed has no width of a terminal; processes of pytest-xdist are told one."""
    monkeypatch.delenv("COLUMNS", raising=False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The rehearsal first: it needs no smoke run, which another worker makes meanwhile."""
    items.sort(key=lambda item: item.path.name != "test_rehearsal.py")


def copy_checkout(folder: Path) -> Path:
    """Copy the project's files, as a clone would have them, into a new folder."""
    folder.mkdir(parents=True)
    for name in PARTS:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


def clean_environment(**changes: str) -> dict[str, str]:
    """The environment of a test's processes: offline, one thread, no setting from outside."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("RETU_", "SNAKEMAKE_"))}
    fixed = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    return {**kept, **fixed, "PYTHONHASHSEED": "0", "MPLBACKEND": "Agg", **changes}


def make_snakemake_command(*arguments: str, config: Sequence[str] = SMOKE) -> list[str]:
    """The command line of a Snakemake run on two cores."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    return [*command, "--config", *config]


def run_snakemake(
    folder: Path, *arguments: str, config: Sequence[str] = SMOKE, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Run Snakemake in a checkout; stdout and stderr come back as one text in `stdout`."""
    return run_as_on_terminal(
        make_snakemake_command(*arguments, config=config),
        cwd=folder,
        env=clean_environment(**environment),
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A fresh checkout without results."""
    return copy_checkout(tmp_path / "checkout")


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this test run, one for all workers."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def cache(shared: Path) -> Path:
    """The output cache that checkouts share."""
    folder = shared / "cache"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def finished_checkout(shared: Path, cache: Path) -> Path:
    """A checkout in which the smoke study ran to the end, filling the cache; do not change it.

    The first worker that asks makes it, the others wait. What the run printed is in `output.txt`.
    The blank in the path is there to be stumbled over.
    """
    folder = shared / "smoke" / "finished run"
    with FileLock(shared / "smoke.lock"):
        if not (folder / "output.txt").is_file():
            copy_checkout(folder)
            done = run_snakemake(folder, "--cache", SNAKEMAKE_OUTPUT_CACHE=str(cache))
            assert done.returncode == 0, done.stdout
            (folder / "output.txt").write_text(done.stdout)
    return folder


@pytest.fixture(scope="module")
def remembered(finished_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished run, Snakemake's memory included, for the tests of one file."""
    target = tmp_path_factory.mktemp("remembered") / "checkout"
    return shutil.copytree(finished_checkout, target, ignore=shutil.ignore_patterns("__pycache__"))


class CheckoutEdit:
    """Replaces text in files of a checkout and puts it back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.originals: dict[Path, str] = {}

    def __call__(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text()
        self.originals.setdefault(path, text)
        assert old in text, f"{name} no longer has {old!r}"
        path.write_text(text.replace(old, new, 1))

    def undo(self) -> None:
        for path, text in self.originals.items():
            path.write_text(text)


@pytest.fixture
def edit(remembered: Path) -> Iterator[CheckoutEdit]:
    """Edits of `remembered` that last for one test."""
    made = CheckoutEdit(remembered)
    yield made
    made.undo()


@pytest.fixture
def copied_checkout(finished_checkout: Path, tmp_path: Path) -> Path:
    """The finished run copied elsewhere: results and data, but nothing that Snakemake remembers."""
    ignored = shutil.ignore_patterns(".snakemake", ".state", "__pycache__", ".snakemake_timestamp")
    return shutil.copytree(finished_checkout, tmp_path / "copied", ignore=ignored)
