"""A target that no rule makes, told in a line: what there is, and what was meant."""

import re
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from retu.core.errors import InputError
from retu.core.near_words import MOST_LISTED, ask_meant
from retu.core.text import join_names

RULE_HEADER = re.compile(r"^(?:rule|checkpoint) (\w+):", re.MULTILINE)
# Chapters of rules/ that only some studies have; the others belong to every one that trains.
CHAPTERS = {
    "released": ("released", "claims", "audit", "audit_report"),
    "paper": ("hub_models", "hub_data", "hub_sets"),
    "lab_science": ("hypotheses",),
}
DEFAULT_TRAINING_STUDY = "lab"


def check_targets(targets: Iterable[str], workflow: Any, study: str, root: Path) -> None:
    """Refuse a target that is neither a rule of this study's workflow nor made by one.

    Args:
        targets: the words of the command line.
        workflow: Snakemake's, with all rules.
        study: its name.
        root: the project.

    Raises:
        InputError: the first such target, with the nearest one or the study that has it.
    """
    rules = list(workflow.rules)
    names = {rule.name for rule in rules}
    for target in sorted(targets):
        if target in names or Path(target).is_file():
            continue
        if not any(rule.is_producer(target) for rule in rules):
            raise InputError(explain_target(target, rules, study, root))


def check_artefacts(targets: Iterable[str], explain_missing: Callable[[str], str | None]) -> None:
    """Refuse a table or figure whose runs the study lacks.

    Args:
        targets: the words of the command line: names of artefacts or files of theirs count.
        explain_missing: what a study would need for an artefact, None where it has it all.

    Raises:
        InputError: the first such target, with what to add to the study.
    """
    for target in sorted(targets):
        if lacking := explain_missing(Path(target).name.split(".")[0]):
            raise InputError(f"{target}: {lacking}")


def explain_target(target: str, rules: Iterable[Any], study: str, root: Path) -> str:
    """What was probably meant by a target that no rule makes."""
    rules = list(rules)
    if "/" not in target and (other := find_study_with_rule(target, root)):
        return (
            f"study {study} has no target {target}, but study {other} has:"
            f" {shlex.join(['snakemake', target, '--config', f'study={other}'])}"
        )
    folder = re.match(r"(?:results|data)/([^/]+)/", target)
    if folder and folder[1] != study and (root / "studies" / f"{folder[1]}.yaml").is_file():
        return (
            f"{target} belongs to study {folder[1]}, and this is study {study}:"
            f" {shlex.join(['snakemake', target, '--config', f'study={folder[1]}'])}"
        )
    if "=" in target:
        return f"there is no target {target}; settings follow --config: --config {target}"
    targets = [rule.name for rule in rules if not rule.output]
    files = [str(made) for rule in rules for made in rule.output if "{" not in str(made)]
    known = files if "/" in target else targets
    hint = ask_meant(target, known) or f"targets: {join_names(sorted(targets), MOST_LISTED)}"
    return f"study {study} has no rule that makes {target}; {hint}"


def find_study_with_rule(name: str, root: Path) -> str | None:
    """A study whose workflow has a rule of this name; None if no chapter has it."""
    for path in sorted((root / "rules").glob("*.smk")):
        if name in RULE_HEADER.findall(path.read_text(encoding="utf-8")):
            owners = (study for study, chapters in CHAPTERS.items() if path.stem in chapters)
            return next(owners, DEFAULT_TRAINING_STUDY)
    return None
