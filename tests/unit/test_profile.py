"""The SLURM profile names rules that exist: a misspelt one would silently get the defaults."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def rule_names() -> set[str]:
    """Names of all rules and checkpoints of the workflow."""
    pattern = re.compile(r"^(?:rule|checkpoint|use rule \w+ as) (\w+)", re.MULTILINE)
    texts = [path.read_text() for path in sorted((ROOT / "rules").glob("*.smk"))]
    return {name for text in texts for name in pattern.findall(text)}


def test_resources_are_for_rules_that_exist() -> None:
    profile = yaml.safe_load((ROOT / "slurm" / "config.yaml").read_text())
    assert {"train_sft", "train_rl"} <= set(profile["set-resources"]) <= rule_names()


def test_site_facts_stand_in_one_place() -> None:
    text = (ROOT / "slurm" / "config.yaml").read_text()
    facts = yaml.safe_load(text)["__definitions__"]
    names = [fact.split(" = ")[0] for fact in facts]
    assert names[:3] == ["account", "cpu_partition", "gpu_partition"]
    for line in text.splitlines():
        if re.search(r"slurm_(account|partition):", line):
            assert re.search(r": \?(account|cpu_partition|gpu_partition)$", line), line
