"""What a command of `retu lineage` is about: an output, a study, and the study's plan of today."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workflow_scripts.errors import InputError
from workflow_scripts.lineage.causes import is_current
from workflow_scripts.lineage.graph import Lineage, read_lineage, study_of
from workflow_scripts.study.files import read_yaml
from workflow_scripts.study.load import load_config
from workflow_scripts.study.plans import load_plan
from workflow_scripts.study.stage import AnalysisPlan

CONFIG = "config.yaml"
TREES = ("results", "data")


@dataclass(frozen=True)
class Standing:
    """Which jobs other code, settings or inputs made than those of today.

    `unknown` says why that cannot be told; then `stale` is empty.
    """

    stale: frozenset[str] = field(default_factory=frozenset)
    unknown: str = ""

    def of(self, job: str) -> str:
        """`current`, `stale` or `unknown`."""
        if self.unknown:
            return "unknown"
        return "stale" if job in self.stale else "current"


def output_path(root: Path, given: str) -> str:
    """A path of the command line as records name it, relative to the project.

    It is taken relative to the current folder, then to the project; it need not exist, so that one
    can ask after what has been deleted.

    Raises:
        InputError: it lies outside the project.
    """
    here, there = Path(os.path.abspath(given)), Path(os.path.abspath(root / given))
    inside = here.is_relative_to(root)
    named = Path(given).parts[:1] in [(tree,) for tree in TREES]
    found = here if inside and (here.exists() or not (there.exists() or named)) else there
    if not found.is_relative_to(root):
        raise InputError(f"{given}: is not in this project ({root}); name one of its outputs")
    return found.relative_to(root).as_posix()


def chosen_study(root: Path, given: str | None) -> str:
    """The study that is asked about: `--study` (name or file), or else that of config.yaml."""
    return Path(given or configuration(root).get("study", "lab")).stem


def configuration(root: Path) -> dict[str, Any]:
    """The content of config.yaml."""
    return read_yaml(root / CONFIG)


def lineage_of(root: Path, path: str) -> Lineage:
    """The lineage of the study that an output belongs to; InputError when it is in none."""
    return read_lineage(root, study_of(path))


def present_plan(root: Path, lineage: Lineage) -> AnalysisPlan:
    """The plan of a study as the project is now.

    config.yaml decides; what it leaves open is taken from the study's last run, because a choice
    made on the command line (`--config branching=...`) is written down nowhere else.

    Raises:
        InputError: the study is not there any more, or has a mistake.
    """
    now, then = configuration(root), last_config(lineage)
    names = {name for name in (now.get("study"), then.get("study")) if name}
    # A study may be the path of a file anywhere; its name is all that results tell.
    study = next((name for name in sorted(names) if Path(name).stem == lineage.study), None)
    branching = now.get("branching") or then.get("branching")
    chosen = {**now, "study": study or lineage.study, "branching": branching}
    return load_plan(load_config(chosen))


def last_config(lineage: Lineage) -> Mapping[str, Any]:
    """The configuration of the last job; jobs taken over from other studies do not count."""
    own = [
        record
        for record in lineage.records.values()
        if Path(str(record.config.get("study"))).stem == lineage.study
    ]
    newest = max(own, key=lambda record: record.usage.ended, default=None)
    return newest.config if newest else {}


def standing(root: Path, lineage: Lineage, jobs: Iterable[str] | None = None) -> Standing:
    """Compare jobs (all, unless some are given) with the study's plan of today."""
    try:
        plan = present_plan(root, lineage)
    except InputError as error:
        return Standing(unknown=str(error))
    asked = lineage.records if jobs is None else jobs
    return Standing(frozenset(j for j in asked if not is_current(lineage.records[j], plan)))
