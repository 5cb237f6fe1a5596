"""What a command of `retu lineage` is about: an output, a study, and the study's plan of today."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from retu.config.load import load_config
from retu.core.errors import InputError
from retu.core.yaml_files import read_yaml
from retu.lineage.graph.edited_files import EditedFile, find_edits
from retu.lineage.graph.record_graph import RECORDED_FOLDERS, Lineage, get_study_name, read_lineage
from retu.lineage.graph.remedies import find_last_config
from retu.lineage.graph.stale_causes import is_record_current
from retu.planning.analysis_plan import AnalysisPlan
from retu.planning.load_plan import load_plan

CONFIG_FILE = "config.yaml"
BUNDLE_SUFFIX = ".tar.gz"
"""Of an archive that `export` makes; what reads one is loaded for one only."""


@dataclass(frozen=True)
class JobStates:
    """Which jobs other code, settings or inputs made than those of today.

    `unknown` says why that cannot be told; then `stale` is empty. `edits` are the outputs and local
    inputs that are not what the records say.
    """

    stale: frozenset[str] = field(default_factory=frozenset)
    unknown: str = ""
    edits: tuple[EditedFile, ...] = ()

    def get_state(self, job: str) -> str:
        """`current`, `stale` or `unknown`; `edited` besides when its files are not as recorded."""
        state = "stale" if job in self.stale else "current"
        state = "unknown" if self.unknown else state
        if all(edit.job != job for edit in self.edits):
            return state
        return "edited" if state == "current" else f"{state}, edited"

    def summarise_states(self, count: str, jobs: Iterable[str], study: str, known: bool) -> str:
        """How many of the jobs (in words: `count`) are stale; `known`: none lacks its record."""
        if self.unknown:
            return f"{count}; current or stale cannot be told: {self.unknown}"
        if stale := len(self.stale.intersection(jobs)):
            ask = f"retu lineage why --stale --study {study}"
            return f"{count}, {stale} of them stale; what made them so: {ask}"
        current = "all current" if known else "all that are known current"
        return f"{count}, {'none of them stale' if self.edits else current}"

    def describe_state(self, job: str) -> str:
        """The state of a job where it is worth a word beside it; empty for a current one."""
        state = self.get_state(job)
        return "" if state in ("current", "unknown") else state.removeprefix("unknown, ")


def resolve_output_path(root: Path, given: str) -> str:
    """A path of the command line as records name it, relative to the project.

    It is taken relative to the current folder, then to the project; it need not exist, so that one
    can ask after what has been deleted.

    Raises:
        InputError: it lies outside the project.
    """
    here, there = Path(os.path.abspath(given)), Path(os.path.abspath(root / given))
    inside = here.is_relative_to(root)
    named = Path(given).parts[:1] in [(tree,) for tree in RECORDED_FOLDERS]
    found = here if inside and (here.exists() or not (there.exists() or named)) else there
    if not found.is_relative_to(root):
        raise InputError(f"{given}: is not in this project ({root}); name one of its outputs")
    return found.relative_to(root).as_posix()


def resolve_study(root: Path, given: str | None) -> str:
    """The study that is asked about: `--study` (name or file), or else that of config.yaml."""
    return Path(given or read_config(root).get("study", "lab")).stem


def read_config(root: Path) -> dict[str, Any]:
    """The content of config.yaml."""
    return read_yaml(root / CONFIG_FILE)


def resolve_subject(root: Path, output: str | None, study: str | None) -> tuple[str | None, str]:
    """The output that a command is about, if any was named, and the study."""
    if output is None:
        return None, resolve_study(root, study)
    path = resolve_output_path(root, output)
    return path, get_study_name(path)


def read_output_lineage(root: Path, given: str) -> tuple[str, Lineage]:
    """An output of the command line by its path, and the lineage of its study.

    Raises:
        InputError: it is in no study.
    """
    path = resolve_output_path(root, given)
    return path, read_lineage(root, get_study_name(path))


def load_current_plan(root: Path, lineage: Lineage) -> AnalysisPlan:
    """The plan of a study as the project is now.

    config.yaml decides; what it leaves open is taken from the study's last run, because a choice
    made on the command line (`--config branching=...`) is written down nowhere else.

    Raises:
        InputError: the study is not there any more, or has a mistake.
    """
    now, then = read_config(root), find_last_config(lineage)
    names = {name for name in (now.get("study"), then.get("study")) if name}
    # A study may be the path of a file anywhere; its name is all that results tell.
    study = next((name for name in sorted(names) if Path(name).stem == lineage.study), None)
    branching = now.get("branching") or then.get("branching")
    chosen = {**now, "study": study or lineage.study, "branching": branching}
    return load_plan(load_config(chosen))


def assess_jobs(root: Path, lineage: Lineage, jobs: Iterable[str] | None = None) -> JobStates:
    """Compare jobs (all, unless some are given) with the study's plan of today, and their files."""
    asked = list(lineage.order if jobs is None else jobs)
    edits = tuple(find_edits(root, lineage, asked))
    try:
        plan = load_current_plan(root, lineage)
    except InputError as error:
        return JobStates(unknown=str(error), edits=edits)
    stale = frozenset(job for job in asked if not is_record_current(lineage.records[job], plan))
    return JobStates(stale, edits=edits)
