"""The command `retu`: its help, its exit statuses, and that it starts at once."""

import os
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from processes import run_command

from retu.cli import command_line
from retu.cli.command_registry import SUBCOMMANDS
from retu.core.errors import InputError

PROJECT = Path(command_line.__file__).parents[2]
HEAVY = ("pandas", "numpy", "torch", "pydantic", "yaml", "snakemake", "dvc")


def run_retu(*words: str, cwd: Path = PROJECT) -> "subprocess.CompletedProcess[str]":
    """`retu` as a process."""
    return run_command(
        [sys.executable, "-m", "retu", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
    )


def replace_lineage_command(monkeypatch: pytest.MonkeyPatch, main: object) -> None:
    """Let `retu lineage` be another command."""
    stand_in = SimpleNamespace(__doc__="Made up.", add_arguments=lambda parser: None, main=main)
    monkeypatch.setattr(command_line, "import_module", lambda name: stand_in)


def test_help_names_every_command_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        command_line.main(["--help"])
    assert raised.value.code == 0
    text = capsys.readouterr().out
    told = text.split()
    assert all(name in told for name in SUBCOMMANDS)
    assert "retu lineage why results/lab/tables/table_4.csv" in text


def test_help_imports_nothing_heavy_and_comes_at_once() -> None:
    script = (
        "import sys; from retu.cli import command_line as retu\n"
        "try:\n    retu.main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print('heavy:', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "heavy: []"
    fastest = min(time_retu("--help") for _ in range(3))
    assert fastest < 0.5


def time_retu(*words: str) -> float:
    """Seconds of a process."""
    before = time.monotonic()
    assert run_retu(*words).returncode == 0
    return time.monotonic() - before


def test_the_version_is_that_of_the_project(tmp_path: Path) -> None:
    version = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"]
    assert run_retu("--version", cwd=tmp_path).stdout == f"retu {version}\n"


def test_without_a_checkout_the_version_is_that_of_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_line, "PROJECT", tmp_path / "pyproject.toml")
    monkeypatch.setattr("importlib.metadata.version", lambda name: f"9.9 of {name}")
    assert command_line.read_project_version() == "9.9 of retu"


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ([], "name a command: report, update, plan"),
        (["linage"], "did you mean lineage?"),
        (["lineage"], "name a command: list, "),
        (["lineage", "wy"], "did you mean why?"),
    ],
)
def test_a_wrong_command_gets_those_that_there_are(
    words: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        command_line.main(words)
    assert raised.value.code == command_line.EXIT_BAD_INPUT
    said = capsys.readouterr().err
    assert (said.startswith("error: retu"), said.count("\n")) == (True, 1)
    assert meant in said


@pytest.mark.parametrize(("returned", "status"), [(0, 0), (1, 1), (None, 0)])
def test_the_exit_status_is_the_commands(
    returned: int | None, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_lineage_command(monkeypatch, lambda options: returned)
    assert command_line.main(["lineage"]) == status


def test_bad_input_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(options: object) -> int:
        raise InputError("x.csv: is wrong; correct it")

    replace_lineage_command(monkeypatch, refuse)
    assert command_line.main(["lineage"]) == 2
    assert capsys.readouterr().err == "error: x.csv: is wrong; correct it\n"


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    script = (
        "import sys; from types import SimpleNamespace; from retu.cli import command_line as retu;"
        "command = SimpleNamespace(__doc__='', add_arguments=lambda parser: None,"
        " main=lambda options: print('line\\n' * 100_000));"
        "retu.import_module = lambda name: command;"
        "sys.exit(retu.main(['lineage']))"
    )
    done = run_command(
        ["bash", "-o", "pipefail", "-c", '"$0" -c "$1" | head -1', sys.executable, script],
        cwd=PROJECT,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "line\n", "")


def test_only_the_command_that_is_asked_for_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def note(name: str) -> ModuleType | SimpleNamespace:
        asked.append(name)
        return SimpleNamespace(__doc__="", add_arguments=lambda parser: None, main=lambda o: 0)

    monkeypatch.setattr(command_line, "import_module", note)
    assert command_line.main(["grade"]) == 0
    assert set(asked) == {SUBCOMMANDS["grade"].module}


@pytest.fixture
def other_checkout(tmp_path: Path) -> Path:
    """Another checkout, in which a study has a damaged record."""
    checkout = tmp_path / "another one"
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("retu", "workflow_scripts"):
        shutil.copytree(PROJECT / name, checkout / name, ignore=ignored)
    (checkout / "Snakefile").touch()
    (checkout / "results" / "mine").mkdir(parents=True)
    (checkout / "results" / "mine" / "a.record.json").write_text("{")
    return checkout


@pytest.mark.parametrize("folder", [".", "results/mine"])
def test_another_checkout_is_refused_with_the_command_for_it(
    folder: str,
    other_checkout: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(other_checkout / folder)
    assert command_line.main(["lineage", "show", "results/mine/my table.csv"]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: this retu belongs to {PROJECT}, and the current folder to ")
    assert told.count("\n") == 1
    command = told.partition("use that one's own: ")[2]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = run_command(["bash", "-c", command], env={**environment, "PATH": path})
    assert "no record knows it; choose an output (retu lineage list --study mine)" in done.stderr
    assert done.returncode == 2


def test_elsewhere_help_and_own_folders_are_as_ever(
    other_checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_lineage_command(monkeypatch, lambda options: 1)
    for folder in (tmp_path, PROJECT, PROJECT / "docs"):
        monkeypatch.chdir(folder)
        assert command_line.main(["lineage"]) == 1
    monkeypatch.chdir(other_checkout)
    assert command_line.main(["lineage"]) == 2
    with pytest.raises(SystemExit) as raised:
        command_line.main(["--help"])
    assert raised.value.code == 0
