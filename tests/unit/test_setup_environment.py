"""`envs/setup.sh`: built once, small or large, and a small one becomes a large one."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from light_packages import ROOT
from processes import run_command

PYTHON = f"{sys.base_prefix}/bin/python3.11"
BACKEND = '''"""Builds the project's wheel without any tool."""
import zipfile


def build_editable(folder, *rest):
    with zipfile.ZipFile(f"{folder}/retu-1-py3-none-any.whl", "w") as wheel:
        info = "retu-1.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: retu\\nVersion: 1\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\n"
                       "Tag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return "retu-1-py3-none-any.whl"
'''
PROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
WHEEL = {
    "toy-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n",
    "toy-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "toy-1.0.dist-info/RECORD": "toy/__init__.py,,\ntoy/tests/test_toy.py,,\n",
    "toy/__init__.py": "",
    "toy/tests/test_toy.py": "",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the scripts, two locks of one package, and a registry that has it."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "envs").mkdir()
    for name in ("setup.sh", "trim.py", "unneeded.txt"):
        (folder / "envs" / name).write_bytes((ROOT / "envs" / name).read_bytes())
    (folder / "envs" / "setup.sh").chmod(0o755)
    (folder / "envs" / "light.txt").write_text("toy==1.0\n")
    (folder / "envs" / "dev.txt").write_text("# all\ntoy==1.0\n")
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "backend.py").write_text(BACKEND)
    (folder / "registry").mkdir()
    with zipfile.ZipFile(folder / "registry" / "toy-1.0-py3-none-any.whl", "w") as wheel:
        for name, text in WHEEL.items():
            wheel.writestr(name, text)
    return folder


def set_up(project: Path, *locks: str) -> "subprocess.CompletedProcess[str]":
    """Run the script, with pip confined to the folder's registry."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    confined = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1"}
    confined["PIP_FIND_LINKS"] = str(project / "registry")
    command = ["envs/setup.sh", PYTHON, ".venv", *(f"envs/{lock}.txt" for lock in locks)]
    return run_command(command, cwd=project, env={**kept, **confined})


def find_tests(project: Path) -> list[Path]:
    """The tests of the one package, where they are installed."""
    return list(project.glob(".venv/lib/python3.11/site-packages/toy/tests/*.py"))


@pytest.mark.slow
def test_small_then_large_then_enough(project: Path) -> None:
    small = set_up(project, "light", "dev")
    assert small.returncode == 0, small.stderr
    assert small.stdout.startswith(
        "Installing envs/light.txt into .venv (about a minute, 500 MB; once)"
    )
    packages = project / ".venv" / "lib" / "python3.11" / "site-packages"
    assert (packages / "toy" / "__init__.py").is_file()
    assert find_tests(project) == []
    again = set_up(project, "light", "dev")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")

    # What was left out of it is there in the large one.
    large = set_up(project, "dev")
    assert large.returncode == 0, large.stderr
    assert large.stdout.startswith("Installing envs/dev.txt into .venv (two to three minutes, 4 GB")
    assert len(find_tests(project)) == 1
    enough = set_up(project, "light", "dev")
    assert (enough.returncode, enough.stdout, enough.stderr) == (0, "", "")
    assert len(find_tests(project)) == 1


@pytest.mark.slow
def test_another_python_is_refused_in_a_line(tmp_path: Path, project: Path) -> None:
    command = ["envs/setup.sh", "no-such-python", str(tmp_path / "venv"), "envs/light.txt"]
    done = run_command(command, cwd=project)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: 'no-such-python' is not Python 3.11; install it or name")


def test_only_what_is_listed_is_removed(tmp_path: Path) -> None:
    kept = ("pandas/core/frame.py", "pulp/solverdir/solver.py", "pyarrow/libarrow.so.2600")
    gone = (
        *("pandas/tests/x.py", "pandas/core/tests/test_x.py", "pandas/_libs/lib.pyi"),
        *("pulp/solverdir/cbc/linux/i64/cbc", "pyarrow/libarrow_flight.so.2600"),
        *("pandas/core/__pycache__/frame.cpython-311.pyc",),
    )
    for name in (*kept, *gone):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    code = (
        "import sys, trim; from pathlib import Path;"
        " trim.trim_packages(Path(sys.argv[1]), trim.read_patterns(trim.UNNEEDED))"
    )
    done = run_command([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT / "envs")
    assert done.returncode == 0, done.stderr
    left = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(left) == sorted(kept)
