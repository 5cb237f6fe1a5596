"""A study with hypotheses plans their judgement, and no other study does."""

from pathlib import Path

import pytest
import yaml
from conftest import copy_checkout, run_snakemake
from test_parents import WITHOUT_STAGE, find_differences, list_snakemake_parents
from test_plans import count_planned_jobs

from retu.config.study import Config
from retu.planning.load_plan import load_plan

pytestmark = pytest.mark.slow

SETS = ("LabFull", "LabSmall")
TWINS = ("TwinA", "TwinB")


def describe_twins() -> dict[str, object]:
    """The smoke study with two replicates, each with a seed of its own."""
    shape = {"architecture": "qwen2", "hidden_size": 32, "layers": 2, "heads": 4, "kv_heads": 2}
    settings = {"steps": 80, "batch_size": 48, "learning_rate": 5e-3}
    made = {
        name: {**shape, "intermediate_size": 64, "pretraining": {**settings, "seed": i}}
        for i, name in enumerate(TWINS)
    }
    sft = {"recipe": "standard", "checkpoints": [10, 20]}
    rl = [("base", "dapo_dc"), ("sft", "dapo_dc"), ("base", "luffy")]
    return {
        "extends": "smoke",
        "name": "twins",
        "models": made,
        "model_seeds": {name: [i] for i, name in enumerate(TWINS)},
        "sft_runs": [{"model": name, "dataset": one, **sft} for name in TWINS for one in SETS],
        "rl_runs": [{"start": s, "recipe": r, "models": [*TWINS, "LabQwen"]} for s, r in rl[::2]]
        + [{"start": "sft", "recipe": "dapo_dc", "models": list(TWINS)}],
        "hypotheses": {
            "protocol": "twins-1",
            "replicates": list(TWINS),
            "recipe": "dapo_dc",
            "mixed": ["luffy"],
            "sizes": ["LabSmall", "LabFull"],
            "difficulties": ["LabSmall", "LabFull"],
            "switch_sets": list(SETS),
        },
    }


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with a study of two replicates."""
    folder = copy_checkout(tmp_path_factory.mktemp("twins") / "checkout")
    (folder / "studies" / "twins.yaml").write_text(yaml.safe_dump(describe_twins()))
    return folder


@pytest.mark.parametrize("targets", [(), ("hypotheses",)])
def test_hypotheses_are_planned(twins: Path, targets: tuple[str, ...]) -> None:
    jobs = count_planned_jobs(twins, *targets, config=["study=twins", "branching=exhaustive"])
    assert jobs["judge_hypotheses"] == 1
    # Of each twin 2 + 4 RL runs; those of the third model are needed by the fits alone.
    assert jobs["train_rl"] == 14
    assert ("make_report" in jobs) == (not targets)


def test_other_studies_plan_none(twins: Path) -> None:
    assert "judge_hypotheses" not in count_planned_jobs(twins, config=["study=smoke"])
    refused = run_snakemake(twins, "-n", "hypotheses")
    assert refused.returncode != 0
    assert "study smoke has no target hypotheses" in refused.stdout


def test_the_plan_and_the_rules_put_the_same_before_it(twins: Path) -> None:
    words = ("hypotheses", "--config", "branching=exhaustive", "study=twins")
    jobs = list_snakemake_parents(twins, *words)
    path = str(twins / "studies" / "twins.yaml")
    plan = load_plan(Config.model_validate({"study": path, "branching": "exhaustive"}))
    made = [job for job in jobs if job[0][0] not in {*WITHOUT_STAGE, "hypotheses"}]
    assert ["judge_hypotheses", {}] in [job for job, _ in made]
    assert [line for job in made for line in find_differences(plan, *job)] == []


def test_labels_decide_which_branches_are_judged(twins: Path) -> None:
    jobs = count_planned_jobs(twins, "hypotheses", config=["study=twins"])
    assert jobs["judge_hypotheses"] == 1
    assert "train_rl" not in jobs
