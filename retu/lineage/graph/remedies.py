"""Commands that mend what is wrong, whole: each can be typed as it stands.

Snakemake remakes only outputs that are named on its command line, and only for the configured
study. A missing or damaged record does not make it rerun a job, so these commands force it.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from retu.lineage.graph.record_graph import RECORDED_FOLDERS, Lineage

MAX_TARGETS = 8
"""Targets that a command names; of more, the whole study is made again."""


def find_last_config(lineage: Lineage) -> Mapping[str, Any]:
    """The configuration of the last job; jobs taken over from other studies do not count."""
    own = [
        record
        for record in lineage.records.values()
        if Path(str(record.config.get("study"))).stem == lineage.study
    ]
    newest = max(own, key=lambda record: record.usage.ended, default=None)
    return newest.config if newest else {}


def format_config_options(lineage: Lineage) -> list[str]:
    """The options that have Snakemake plan this study as its last run did."""
    last = find_last_config(lineage)
    words = list_config_options(last.get("study") or lineage.study, last.get("branching"))
    # Where the files of a mirror were read, only the mirror has them.
    read = (source for record in lineage.records.values() for source in record.sources)
    folders = {source.folder: None for source in read if not source.own}
    return [*words, *(f"mirror={folder}" for folder in list(folders)[-1:])]


def list_config_options(study: str, branching: str | None) -> list[str]:
    """The options that have Snakemake plan a study by one way of branching."""
    return ["--config", f"study={study}", *([f"branching={branching}"] if branching else [])]


def format_run_command(lineage: Lineage) -> str:
    """Make again what is stale or missing in a study."""
    return shlex.join(["snakemake", *format_config_options(lineage)])


def format_remake_command(lineage: Lineage, targets: Iterable[str]) -> str:
    """Make outputs of rules again, whatever is there; without targets, the study."""
    named = list(targets)
    if not 0 < len(named) <= MAX_TARGETS:
        return format_run_command(lineage)
    return shlex.join(["snakemake", "--force", *named, *format_config_options(lineage)])


def format_lineage_command(lineage: Lineage, *words: str) -> str:
    """A command of `retu lineage` about the study."""
    return shlex.join(["retu", "lineage", *words, "--study", lineage.study])


def make_command(path: str) -> str:
    """Make an output again, whatever is there, of the study in whose folder it lies."""
    study = path.split("/")[1].partition(".")[0]
    return shlex.join(["snakemake", "--force", path, "--config", f"study={study}"])


def format_restore_command(path: str) -> str:
    """Bring an output back."""
    return shlex.join(["retu", "lineage", "restore", path])


def find_targets(lineage: Lineage, path: str, lock: Iterable[str] = ()) -> list[str]:
    """Outputs of rules that a path is, lies in or holds, as far as anything tells of them.

    What jobs have read and what DVC's lock names came from rules, with or without a record.
    """
    told = dict.fromkeys(artefact.path for r in lineage.records.values() for artefact in r.inputs)
    told |= dict.fromkeys(lock)
    made = (name for name in told if name.split("/")[0] in RECORDED_FOLDERS)
    return list(find_related_paths(path, made))


def find_related_paths(path: str, names: Iterable[str]) -> Iterator[str]:
    """The names that a path is, lies in or holds."""
    for name in names:
        if name == path or path.startswith(f"{name}/") or name.startswith(f"{path}/"):
            yield name
