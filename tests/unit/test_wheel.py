"""The wheel: it carries all files of the library, and its commands answer outside a checkout."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from processes import run_command

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, made without a network from a copy of the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "retu", source / "retu", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    done = run_command([*command, "--no-index", "--quiet", "--wheel-dir", str(folder), str(source)])
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("retu-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


@pytest.fixture
def run(unpacked: Path, tmp_path: Path) -> Run:
    """Runs a module of the wheel in an empty folder."""

    def start(*words: str) -> "subprocess.CompletedProcess[str]":
        return run_command(
            [sys.executable, *words], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(unpacked)}
        )

    return start


def list_files(folder: Path) -> set[str]:
    """All files of the library below a folder."""
    files = (path for path in (folder / "retu").rglob("*") if path.is_file())
    return {p.relative_to(folder).as_posix() for p in files if "__pycache__" not in p.parts}


def test_every_file_of_the_library_is_in_it(unpacked: Path) -> None:
    wanted = list_files(ROOT)
    assert {Path(name).suffix for name in wanted} >= {".py", ".pyi", ".yaml", ".j2", ".css"}
    assert list_files(unpacked) == wanted
    assert {path.name for path in unpacked.iterdir()} == {
        "retu",
        *(path.name for path in unpacked.glob("retu-*.dist-info")),
    }


def test_help_and_version_come_from_the_wheel(run: Run, unpacked: Path) -> None:
    assert Path(run("-c", "import retu; print(retu.__file__)").stdout).is_relative_to(unpacked)
    assert "retu lineage why" in run("-m", "retu", "--help").stdout
    (version,) = (path.name.split("-")[1] for path in unpacked.glob("*.dist-info"))
    assert run("-m", "retu", "--version").stdout == f"retu {version.removesuffix('.dist')}\n"


@pytest.mark.parametrize("command", ["lineage", "grade", "fit", "update", "plan", "cluster"])
def test_every_command_has_help(run: Run, command: str) -> None:
    done = run("-m", "retu", command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: retu {command} ")


def test_the_command_of_the_wheel_is_there(run: Run, unpacked: Path) -> None:
    (entries,) = unpacked.glob("*.dist-info/entry_points.txt")
    assert "retu = retu.cli.command_line:main" in entries.read_text()
    done = run(
        "-c", "import sys; from retu.cli.command_line import main; sys.exit(main(['--help']))"
    )
    assert done.returncode == 0


@pytest.mark.parametrize("grader", ["math_verify", "paper_lenient"])
def test_answers_are_graded(run: Run, tmp_path: Path, grader: str) -> None:
    rows = [("a", "2", r"so \boxed{2}"), ("b", r"\frac{1}{2}", r"\boxed{0.25}")]
    lines = [json.dumps(dict(zip(("id", "gold", "generation"), row, strict=True))) for row in rows]
    (tmp_path / "answers.jsonl").write_text("\n".join(lines) + "\n")
    done = run("-m", "retu", "grade", "answers.jsonl", "--grader", grader, "--json")
    assert done.returncode == 0, done.stderr
    *verdicts, last = map(json.loads, done.stdout.splitlines())
    assert [(one["id"], one["correct"]) for one in verdicts] == [("a", 1), ("b", 0)]
    assert last["summary"]["correct"] == 1


def test_curves_are_fitted(run: Run, tmp_path: Path) -> None:
    rows = [f"a,{x},{40 + 20 * x / (x + 4):.2f},900" for x in range(0, 41, 2)]
    (tmp_path / "curves.csv").write_text("\n".join(["curve,x,score,n_problems", *rows]) + "\n")
    done = run("-m", "retu", "fit", "curves.csv", "--json", "--out", "answer")
    assert done.returncode == 0, done.stderr
    fit = json.loads(done.stdout)
    assert fit["a_post_low"] < 60 < fit["a_post_high"]
    assert "data:image/svg+xml" in (tmp_path / "answer" / "fit.html").read_text()


def test_what_needs_a_checkout_says_so_in_a_line(run: Run) -> None:
    done = run("-m", "retu", "lineage", "list")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "this retu is installed without one; clone it and ask there" in done.stderr
