"""The SLURM profile: what it asks for at a site, and that it names rules that exist."""

import re
from pathlib import Path
from typing import Any

import pytest
import yte

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "slurm" / "config.yaml").read_text()
TRAINING = ("train_sft", "train_rl", "train_reference", "pretrain_base")
GENERATION = ("generate_base", "generate_sft", "generate_reference")


def list_rule_names() -> set[str]:
    """Names of all rules and checkpoints of the workflow."""
    pattern = re.compile(r"^\s*(?:rule|checkpoint|use rule \w+ as) (\w+)", re.MULTILINE)
    texts = [path.read_text() for path in sorted((ROOT / "rules").glob("*.smk"))]
    return {name for text in texts for name in pattern.findall(text)}


def read_site_lines(text: str) -> dict[str, str]:
    """The site's lines: name and value."""
    block = re.search(r"# -+ Your site:.*?\n(.*?)  # -{40,}", text, re.DOTALL)
    assert block is not None
    return dict(re.findall(r"^  - (\w+) = (\S+)", block.group(1), re.MULTILINE))


def read_slurm_profile(**site: object) -> dict[str, Any]:
    """The profile as Snakemake reads it, at a site with other facts."""
    text = TEXT
    for name, value in site.items():
        text, count = re.subn(rf"^  - {name} = \S+", f"  - {name} = {value!r}", text, flags=re.M)
        assert count == 1
    return dict(yte.process_yaml(text, require_use_yte=True))


def evaluate_resource(attempt: int, expression: object) -> int:
    """What a resource's expression comes to at an attempt."""
    return int(eval(str(expression), {"attempt": attempt, "min": min}))


def test_resources_are_for_rules_that_exist() -> None:
    named = set(read_slurm_profile()["set-resources"])
    assert {*TRAINING, *GENERATION} <= named <= list_rule_names()


def test_site_facts_stand_in_one_place() -> None:
    assert list(read_site_lines(TEXT))[:3] == ["account", "cpu_partition", "gpu_partition"]
    rest = TEXT[TEXT.index("\nconfig:") :]
    for line in rest.splitlines():
        if re.search(r"(slurm_account|slurm_partition|gres|processes|nodes|tasks_per_node):", line):
            assert re.search(r": (\?\w+|1)$", line), line


@pytest.mark.parametrize(("name", "value"), [("account", "abc123"), ("cpu_partition", "normal")])
def test_every_rule_follows_the_site(name: str, value: str) -> None:
    key = {"account": "slurm_account", "cpu_partition": "slurm_partition"}[name]
    assert read_slurm_profile(**{name: value})["default-resources"][key] == value


def test_gpus_are_asked_for_by_type_and_count() -> None:
    rules = read_slurm_profile(gpu_partition="hopper", gpu_type="h100", gpus_per_node=4)[
        "set-resources"
    ]
    gpus = {name: rules[name]["gres"] for name in (*TRAINING, *GENERATION)}
    assert {name for name in gpus if gpus[name] == "gpu:h100:4"} == {"train_sft", "train_rl"}
    assert {gres for name, gres in gpus.items() if name in GENERATION} == {"gpu:h100:1"}
    assert {rules[name]["slurm_partition"] for name in gpus} == {"hopper"}
    assert read_slurm_profile(gpu_type="")["set-resources"]["train_sft"]["gres"] == "gpu:8"


@pytest.mark.parametrize(("rule", "fact"), [("train_sft", "sft_nodes"), ("train_rl", "rl_nodes")])
def test_several_nodes_are_launched_by_srun(rule: str, fact: str) -> None:
    one = read_slurm_profile(**{fact: 1, "gpus_per_node": 4, "cpus_per_node": 64})["set-resources"][
        rule
    ]
    assert (one["nodes"], one["processes"], one["cpus_per_task"]) == (1, 4, 64)
    # The executor looks for the key alone: an empty one would make it a job of srun's, too.
    assert not {"mpi", "tasks_per_node"} & one.keys()
    two = read_slurm_profile(**{fact: 2, "gpus_per_node": 4, "cpus_per_node": 64})["set-resources"][
        rule
    ]
    assert (two["nodes"], two["processes"], two["cpus_per_task"]) == (2, 4, 16)
    assert (two["mpi"], two["tasks_per_node"]) == ("srun", 4)


def test_memory_grows_up_to_the_node() -> None:
    made = read_slurm_profile(memory_per_node_mb=800_000, gpus_per_node=8)
    rules = made["set-resources"]
    wanted = {"train_sft": [400_000, 800_000, 800_000], "generate_sft": [50_000, 100_000, 150_000]}
    for rule, megabytes in wanted.items():
        assert [
            evaluate_resource(attempt, rules[rule]["mem_mb"]) for attempt in (1, 2, 3)
        ] == megabytes
    assert evaluate_resource(20, rules["generate_sft"]["mem_mb"]) == 800_000
    default = made["default-resources"]["mem_mb"]
    assert evaluate_resource(2, default) == 2 * evaluate_resource(1, default)


def test_training_is_warned_and_goes_on() -> None:
    made = read_slurm_profile(warning_seconds=240)
    assert made["slurm-requeue"] is True
    assert made["retries"] >= 1
    for rule in TRAINING:
        assert made["set-resources"][rule]["slurm_extra"] == "--signal=TERM@240"


def test_status_is_asked_as_the_site_allows() -> None:
    assert read_slurm_profile(accounting=False)["slurm-status-command"] == "squeue"
    assert read_slurm_profile(accounting=True)["slurm-status-command"] == "sacct"
