"""`make test-gpu` where there is no GPU: one line; and its tests themselves, tried on the CPU."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from processes import run_command

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "gpu"
DRIVER = Path("/dev/nvidiactl").exists()
no_driver = pytest.mark.skipif(DRIVER, reason="this machine has an NVIDIA GPU")


def load_script() -> ModuleType:
    """tests/gpu/run.py as a module."""
    found = importlib.util.spec_from_file_location("gpu_run", FOLDER / "run.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def run_gpu_suite(
    tools: Path, *arguments: str, **changes: str
) -> "subprocess.CompletedProcess[str]":
    """Run tests/gpu/run.sh with `tools` and the system's own programs on the path."""
    return run_command(
        [str(FOLDER / "run.sh"), *arguments],
        env={**os.environ, "PATH": f"{tools}{os.pathsep}/usr/bin{os.pathsep}/bin", **changes},
    )


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder with an `nvidia-smi`."""
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    return tmp_path


@no_driver
def test_without_a_driver_nothing_is_asked(tmp_path: Path) -> None:
    done = run_gpu_suite(tmp_path, "no-such-environment", "none-either")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("skipped: no NVIDIA GPU here (neither")
    assert done.stdout.count("\n") == 1


def test_a_missing_environment_is_said_in_one_line(tools: Path) -> None:
    done = run_gpu_suite(tools, "no-such-environment", "none-either")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: none-either has no Python; make one from envs/gpu.txt")
    assert done.stderr.count("\n") == 1


@no_driver
def test_an_environment_that_sees_no_gpu_is_said_in_one_line(tools: Path) -> None:
    done = run_gpu_suite(tools, "no-such-environment", sys.prefix, RETU_TEST_DEVICE="cuda")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("skipped: no NVIDIA GPU here: torch ")
    assert done.stdout.count("\n") == 1


def test_the_environment_for_gpus_comes_first(tools: Path) -> None:
    first = tools / "first"
    (first / "bin").mkdir(parents=True)
    (first / "bin" / "python").write_text('#!/bin/sh\necho "$0 $*"\n')
    (first / "bin" / "python").chmod(0o755)
    done = run_gpu_suite(tools, str(first), sys.prefix, "-k", "sdpa")
    assert done.stdout == f"{first}/bin/python tests/gpu/run.py -k sdpa\n"


@pytest.mark.parametrize(
    ("visible", "expected"),
    [(None, "0"), ("0,1,2", "0"), ("3", "3"), ("", ""), ("GPU-a,GPU-b", "GPU-a")],
)
def test_one_gpu_is_enough(visible: str | None, expected: str) -> None:
    assert load_script().choose_first_gpu(visible) == expected


@pytest.mark.slow
def test_the_tests_pass_on_a_cpu() -> None:
    done = run_command(
        [sys.executable, str(FOLDER / "run.py"), "-q", "-k", "not smoke and not zero"],
        cwd=ROOT,
        env={**os.environ, "RETU_TEST_DEVICE": "cpu", "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout
    assert "10 passed" in done.stdout
