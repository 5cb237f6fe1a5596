"""The public validator accepts the crates that `retu lineage export` writes.

It wants other versions of libraries than this project locks, so that it has an environment of its
own, made here unless RETU_ROC_VALIDATOR names the Python of one.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import rocrate
from lineage_fixtures import TABLE, make_study

from retu.cli import command_line, lineage_command

pytestmark = pytest.mark.slow

VERSION = "roc-validator==0.13.0"
CONTEXT = Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld"
SCRIPT = Path(__file__).with_name("validate_crate.py")


@pytest.fixture(scope="module")
def validator(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Python of an environment with the validator."""
    given = os.environ.get("RETU_ROC_VALIDATOR")
    if given:
        return given
    folder = tmp_path_factory.mktemp("validator") / "venv"
    python = str(folder / "bin" / "python")
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [python, "-m", "pip", "install", "--quiet", "--retries", "1", VERSION],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode != 0:
            pytest.skip(f"{VERSION} cannot be installed here")
    return python


def run_validator(python: str, crate: Path) -> "subprocess.CompletedProcess[str]":
    """Run the validator on a crate."""
    command = [python, str(SCRIPT), str(CONTEXT), str(crate)]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.fixture
def crate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A crate of a table."""
    (tmp_path / "config.yaml").write_text("study: smoke\n")
    monkeypatch.setattr(lineage_command, "ROOT", tmp_path)
    make_study(tmp_path)
    out = tmp_path / "crate"
    words = ["lineage", "export", TABLE, "--ro-crate", "--out", str(out), "--agent", "A. Tester"]
    assert command_line.main(words) == 0
    return out


def test_a_crate_is_accepted(validator: str, crate: Path) -> None:
    done = run_validator(validator, crate)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("0 issues by provenance-run-crate\n")


def test_a_crate_without_its_steps_is_not(validator: str, crate: Path) -> None:
    metadata = crate / "ro-crate-metadata.json"
    content = json.loads(metadata.read_text())
    (workflow,) = [e for e in content["@graph"] if e["@id"] == "Snakefile"]
    del workflow["step"]
    metadata.write_text(json.dumps(content))
    done = run_validator(validator, crate)
    assert done.returncode == 1
    assert "HowToStep" in done.stdout
