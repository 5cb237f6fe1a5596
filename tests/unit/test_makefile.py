"""The Makefile: what it offers, which variables it takes, what its targets call."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from processes import run_command

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "Makefile").read_text(encoding="utf-8")


def run_make(*words: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run make in the project's root, as from a shell of its own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    return run_command(["make", *words], cwd=ROOT, env={**kept, **variables})


def test_help_lists_every_target_under_its_task() -> None:
    (phony,) = re.findall(r"^\.PHONY: ((?:.*\\\n)*.*)$", TEXT, re.MULTILINE)
    lines = run_make("help").stdout.splitlines()
    listed = [line.split()[1] for line in lines if line.startswith("  make ")]
    assert listed == phony.replace("\\\n", " ").split()
    tasks = [line for line in lines if line and not line.startswith(" ")]
    assert len(tasks) >= 4
    assert tasks[0].startswith("Look at the paper's numbers")
    assert max(map(len, lines)) <= 110
    assert run_make().stdout.splitlines() == lines


def test_the_audit_needs_the_small_environment_alone() -> None:
    planned = run_make("-n", "audit", "CORES=2", "MIRROR=/some where").stdout
    assert 'envs/setup.sh "python3.11" ".venv" envs/light.txt envs/dev.txt' in planned
    assert "--cores 2" in planned
    assert "--config study=released 'mirror=/some where'" in planned
    assert "results/released/tables" in planned
    # Who sets a variable of this name for other things does not mean this folder.
    assert "mirror=" not in run_make("-n", "audit", MIRROR="https://elsewhere.example").stdout


@pytest.mark.parametrize("target", ["reproduce", "smoke", "lint"])
def test_what_trains_or_checks_needs_everything(target: str) -> None:
    assert 'envs/setup.sh "python3.11" ".venv" envs/dev.txt' in run_make("-n", target).stdout


def test_a_variable_that_make_does_not_know_ends_in_a_line() -> None:
    done = run_make("-n", "audit", "mirror=/somewhere")
    assert done.returncode == 2
    assert "mirror=/somewhere: make knows no such variable" in done.stderr
    assert " MIRROR " in done.stderr


def test_what_a_set_up_costs_is_told_once() -> None:
    """`make help` and the set-up itself do not tell different sizes."""
    script = (ROOT / "envs" / "setup.sh").read_text(encoding="utf-8")
    for target, lock in (("setup-analysis", '"$light"'), ("setup", "envs/dev.txt")):
        (offered,) = re.findall(rf"^{target}:.*## (.*)$", TEXT, re.MULTILINE)
        (told,) = re.findall(rf'^ *{re.escape(lock)}\) costs="(.*)" ;;$', script, re.MULTILINE)
        size = re.search(r"\d+ [MG]B", offered)
        assert size is not None
        assert size[0] in told
