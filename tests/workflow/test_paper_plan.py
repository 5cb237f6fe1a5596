"""What Snakemake plans for the paper's study: which jobs, and for which artefact."""

import os
import re
import sys
from pathlib import Path

import pytest
from conftest import clean_environment, copy_checkout
from processes import run_command
from test_plans import count_planned_jobs

from retu.config.load import load_training_study
from retu.config.study import Config
from retu.cost.estimate import WHOLE_STUDY, collect_stages, list_artefact_stages
from retu.planning.artefact_choice import ARTEFACT_TITLES
from retu.planning.hub_plan import HubPlan

pytestmark = pytest.mark.slow

PAPER = ("study=paper",)
LEAST_SECONDS = 10.0
# Makes no result, so it is no stage.
GATHERING = {"lineage": 1}
EXPECTED = {
    "fetch_base": 4,
    "load_benchmarks": 1,
    # RL62K and Val-199; the released SFT sets.
    "load_prompts": 2,
    "load_sft_set": 6,
    "rebuild_pool": 1,
    # Uniform55K, 220K and 440K were never released.
    "select_sft_set": 3,
    "match_prompts": 2,
    # Qwen2.5-7B on eight sets, Llama on five, Qwen2.5-14B and Qwen2.5-Math-7B on one.
    "train_sft": 15,
    "label_subphases": 15,
    "generate_sft": 15,
    "generate_base": 4,
    # From Qwen2.5-7B's checkpoints of Table 4 (33) and of data scale (6), Pure RL (1), Llama (11),
    # Qwen2.5-14B (3), the paradigms on MIX37K (12, Qwen2.5-Math-7B: 7) and on SFT889K (5).
    "train_rl": 78,
    "grade": 97,
    # Artefacts that show few runs have tables of their own: tables 1 and 6, figure 4, data scale.
    "part_curves": 4,
    "part_subphases": 3,
    "part_fit_curves": 2,
}
# SFT and RL runs of the artefacts that do not show all.
PARTS_OF_RUNS = {
    "table_1": (5, 11),
    "table_5": (8, 34),
    "table_6": (1, 3),
    "figure_4": (1, 2),
    "figure_7": (8, 34),
}


@pytest.fixture(scope="module")
def fresh_checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout without results."""
    return copy_checkout(tmp_path_factory.mktemp("paper") / "checkout")


@pytest.fixture(scope="module")
def stage_counts() -> dict[str, int]:
    """Artefact -> how many stages the plan has for it."""
    plan = HubPlan(load_training_study("paper"), Config())
    return {name: len(collect_stages(made)) for name, made in list_artefact_stages(plan).items()}


def test_the_whole_study(fresh_checkout: Path, stage_counts: dict[str, int]) -> None:
    jobs = count_planned_jobs(fresh_checkout, config=PAPER)
    assert {rule: jobs[rule] for rule in EXPECTED} == EXPECTED
    rest = {rule: count for rule, count in jobs.items() if rule not in EXPECTED}
    # Each table, figure and fit once.
    assert set(rest.values()) == {1}
    assert {"curves", "fit_curves", "make_report", "summary", *GATHERING} <= set(rest)
    assert {f"make_{name}" for name in ARTEFACT_TITLES} <= set(rest)
    # What is priced is what is run.
    assert sum(jobs.values()) == stage_counts[WHOLE_STUDY] + sum(GATHERING.values())


@pytest.mark.parametrize("target", ARTEFACT_TITLES)
def test_an_artefact_alone(fresh_checkout: Path, stage_counts: dict[str, int], target: str) -> None:
    jobs = count_planned_jobs(fresh_checkout, target, config=PAPER)
    assert jobs.pop(target) == jobs[f"make_{target}"] == 1
    others = {f"make_{name}" for name in ARTEFACT_TITLES if name != target} | {
        "make_report",
        "lineage",
    }
    assert not others & set(jobs)
    if target == "table_3":
        assert (
            jobs["load_sft_set"] + jobs["select_sft_set"]
            == EXPECTED["load_sft_set"] + EXPECTED["select_sft_set"]
        )
        assert not {"train_sft", "train_rl", "generate_base", "grade"} & set(jobs)
    else:
        shown = PARTS_OF_RUNS.get(target, (EXPECTED["train_sft"], EXPECTED["train_rl"]))
        assert (jobs["train_sft"], jobs["train_rl"]) == shown
    assert sum(jobs.values()) == stage_counts[target]


def test_the_profile_plans_the_paper_on_slurm_without_a_cluster(fresh_checkout: Path) -> None:
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="needs the executor for SLURM")
    # Its own `config` names the study; one on the command line would replace it.
    done = run_command(
        [sys.executable, "-m", "snakemake", "--profile", "slurm", "-n"],
        cwd=fresh_checkout,
        env=clean_environment(),
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^train_rl +78$", done.stdout + done.stderr, re.MULTILINE)


def test_the_first_gpu_hours_need_no_other_set(fresh_checkout: Path) -> None:
    jobs = count_planned_jobs(fresh_checkout, "table_4", config=["study=first"])
    assert jobs["fetch_base"] == jobs["load_sft_set"] == jobs["train_sft"] == jobs["train_rl"] == 1
    assert "rebuild_pool" not in jobs
    assert sum(jobs.values()) == 18


def test_planning_takes_seconds(fresh_checkout: Path) -> None:
    before = os.times()
    assert count_planned_jobs(fresh_checkout, config=PAPER)
    after = os.times()
    # Seconds of a processor: on an idle one they are those of the clock.
    spent = after.children_user + after.children_system
    assert spent - before.children_user - before.children_system < LEAST_SECONDS
