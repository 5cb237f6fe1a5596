"""The order of jobs stands twice, in rules and in stages: both tell the same."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import clean_environment, copy_checkout

from retu.config.study import Config
from retu.planning.analysis_plan import AnalysisPlan
from retu.planning.load_plan import load_plan
from retu.planning.stages import Stage

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("list_parents.py")
WITHOUT_STAGE = {"all", "claims", "lineage", "regrade"}
"""Rules that make no result."""
PLANNED_ONLY = {"curves": {"concatenate"}, "regrade_curves": {"concatenate"}}
"""Which branches there are is known from the labels, but no file of theirs enters the curves."""


@pytest.fixture(scope="module")
def fresh_checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout without results."""
    return copy_checkout(tmp_path_factory.mktemp("parents") / "checkout")


def list_snakemake_parents(folder: Path, *words: str) -> list[Any]:
    """Every job that Snakemake plans, and those whose files it reads."""
    command = [sys.executable, str(SCRIPT), "--dag", "--cores", "1", *words]
    done = subprocess.run(
        command, cwd=folder, env=clean_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def find_differences(plan: AnalysisPlan, job: list[Any], parents: list[Any]) -> list[str]:
    """What only the plan, or only the rules, put before a job."""
    rule, wildcards = job
    stage = plan.get_stage(rule, **wildcards)
    planned = {before.key: before for before in stage.after}
    read = {found.key: found for found in (get_stage(plan, parent) for parent in parents)}
    return [
        f"{rule} {wildcards}: only the {where} puts {other.module} {other.spec[:80]} before it"
        for where, one, two in (("plan", planned, read), ("rules", read, planned))
        for key, other in one.items()
        if key not in two and (where == "rules" or other.module not in PLANNED_ONLY.get(rule, ()))
    ]


def get_stage(plan: AnalysisPlan, job: list[Any]) -> Stage:
    """The stage of a job."""
    return plan.get_stage(job[0], **job[1])


# Branches are known before any label is.
EXHAUSTIVE = "branching=exhaustive"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("smoke", ("all", "claims", "regrade", "--config", EXHAUSTIVE, "grader=paper_strict")),
        ("lab", ("--config", EXHAUSTIVE)),
        ("rehearsal", ("all", "claims", "--config", EXHAUSTIVE)),
        ("released", ("--config",)),
        ("paper", ("--config", EXHAUSTIVE)),
    ],
)
def test_stages_come_after_what_their_jobs_read(
    fresh_checkout: Path, name: str, words: tuple[str, ...]
) -> None:
    choices = {"branching": "exhaustive"} if EXHAUSTIVE in words else {}
    plan = load_plan(Config.model_validate({"study": name, **choices}))
    jobs = list_snakemake_parents(fresh_checkout, *words, f"study={name}")
    made = [(job, parents) for job, parents in jobs if job[0] not in WITHOUT_STAGE]
    assert len(made) > 15
    assert [line for job in made for line in find_differences(plan, *job)] == []
