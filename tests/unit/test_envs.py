"""Environments: pins, locks, conda files and the package's own requirements agree."""

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from processes import run_command

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("analysis", "lab", "dev", "gpu")


def load_lock_script() -> ModuleType:
    """envs/lock.py, which is a script and not in the package."""
    spec = importlib.util.spec_from_file_location("lock", ROOT / "envs" / "lock.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


lock = load_lock_script()


@pytest.mark.parametrize("name", NAMES)
def test_pins_are_exact_and_in_the_lock(name: str) -> None:
    locked = lock.read_lock(name)
    pins = list(lock.read_pins(ROOT / "envs" / f"{name}.in"))
    assert len(pins) >= 10
    for pin in pins:
        assert re.fullmatch(r"==[\w.]+", str(pin.specifier)), f"{pin} is not an exact pin"
        assert str(pin.specifier) == "==" + locked[canonicalize_name(pin.name)]


@pytest.mark.parametrize("name", [*NAMES, "light"])
def test_locks_hold_nothing_but_public_pins(name: str) -> None:
    text = (ROOT / "envs" / f"{name}.txt").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9.-]+==[\w.]+", line) for line in lines)
    assert lines == sorted(set(lines), key=lambda line: line.split("==")[0])


@pytest.mark.parametrize("name", [*NAMES, "light"])
def test_conda_files_hold_the_locks(name: str) -> None:
    text = (ROOT / "envs" / f"{name}.yaml").read_text()
    assert text == lock.conda_text(name)
    python, _, pip = yaml.safe_load(text)["dependencies"]
    assert python == "python=3.11"
    assert pip["pip"] == [f"{key}=={value}" for key, value in lock.read_lock(name).items()]


def test_larger_environments_contain_the_smaller() -> None:
    analysis, lab, dev = (set(lock.read_lock(name).items()) for name in NAMES[:3])
    assert analysis < lab < dev
    assert "torch" not in dict(analysis)


def test_the_small_environment_has_the_labs_versions_of_what_it_names() -> None:
    light = lock.read_lock("light")
    assert light.items() < lock.read_lock("lab").items()
    named = {canonicalize_name(pin.name) for pin in lock.read_pins(ROOT / "envs" / "light.in")}
    assert {"snakemake", "math-verify", "vl-convert-python", "pyarrow"} <= named <= light.keys()
    # Each of these alone is more than a tenth of it, with what it brings.
    assert not {"torch", "transformers", "datasets", "trl", "dvc"} & light.keys()


@pytest.mark.parametrize(("extra", "name"), [("lab", "lab"), ("gpu", "gpu"), ("dev", "dev")])
def test_requirements_of_the_package_allow_the_pins(extra: str, name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = lock.read_lock(name)
    needs = project["dependencies"] + project["optional-dependencies"][extra]
    for need in map(Requirement, needs):
        if need.name != project["name"]:
            assert need.specifier.contains(locked[canonicalize_name(need.name)]), str(need)


def test_closure_follows_extras_and_stops_at_what_is_missing() -> None:
    assert {"jinja2", "markupsafe"} <= lock.closure([Requirement("jinja2")]).keys()
    with pytest.raises(SystemExit, match="no-such-package is not installed"):
        lock.closure([Requirement("no-such-package")])


def test_differences_name_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.txt").write_text("numpy==0.0.1\nno-such-package==1.0\n")
    monkeypatch.setattr(lock, "ENVS", tmp_path)
    lines = lock.differences("x")
    assert any(line.startswith("numpy: locked 0.0.1, installed ") for line in lines)
    assert "no-such-package: locked 1.0, installed not" in lines
    assert not any(line.startswith("pip:") for line in lines)


def test_the_environments_snakemake_reads_the_command_line_first(tmp_path: Path) -> None:
    """The line that `setup.sh` changes is there, and what it makes of it checks, then runs."""
    setup = (ROOT / "envs" / "setup.sh").read_text()
    block = setup[setup.index('if [ -f "$venv/bin/snakemake" ]') : setup.index('digest "$lock" >')]
    script = tmp_path / "bin" / "snakemake"
    script.parent.mkdir()
    script.write_text(
        f"#!{sys.executable}\nimport sys\nfrom snakemake.cli import main\nsys.exit(main())\n"
    )
    script.chmod(0o755)
    subprocess.run(["bash", "-euc", block], env={**os.environ, "venv": str(tmp_path)}, check=True)
    assert [path.name for path in script.parent.iterdir()] == ["snakemake"]
    settings = {**os.environ, "PYTHONPATH": str(ROOT)}
    for words, code, said in (
        (["--config", "study=smoke", "table_4"], 2, "error: --config takes KEY=VALUE"),
        (["--version"], 0, "9."),
    ):
        done = run_command([script, *words], cwd=ROOT, env=settings)
        assert (done.returncode, (done.stdout + done.stderr).startswith(said)) == (code, True), done


def test_the_check_leaves_no_code_of_its_own_checkout_behind(tmp_path: Path) -> None:
    """A Snakefile elsewhere must import the package that lies beside it."""
    code = (
        "import sys, snakemake.cli\n"
        "left = lambda *_: print([n for n in sys.modules if n.startswith('retu')])\n"
        "snakemake.cli.parse_args, snakemake.cli.args_to_api = (lambda _: (None, None)), left\n"
        "from retu.workflow.snakemake_command import main\n"
        "sys.argv = ['snakemake']\nmain()"
    )
    settings = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = run_command([sys.executable, "-c", code], cwd=tmp_path, env=settings)
    assert done.stdout == "[]\n", done.stderr
