"""`retu lineage verify`: are all results what their records say, and the records what they were?

Reads every output once and holds it against its record, the records against each other, against
DVC's lock and against the project of today. `checks` has the single checks.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from retu.core.errors import InputError
from retu.core.text import counted
from retu.lineage.graph.dvc_lock import LOCK, pointer_folder
from retu.lineage.graph.edited_files import place_of
from retu.lineage.graph.record_graph import Lineage, read_lineage, study_of
from retu.lineage.graph.remedies import ask_command
from retu.lineage.graph.resolve import chosen_study, output_path, present_plan
from retu.lineage.queries import verify_checks
from retu.lineage.queries.verify_findings import (
    Checked,
    Finding,
    broken_at,
    finding_lines,
    shortened,
)
from retu.planning.stages import AnalysisPlan

ENDING = ".tar.gz"
"""Of a bundle; what reads one is loaded for one only."""


@dataclass(frozen=True)
class Verdict:
    """All findings, the first broken link first; how much was looked at; what is worth knowing."""

    study: str
    jobs: int
    files: int
    size: int
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    def json(self) -> dict[str, Any]:
        """As a mapping."""
        found = [finding.json() for finding in self.findings]
        return {**vars(self), "findings": found, "notes": list(self.notes)}


def verify(
    root: Path,
    lineage: Lineage,
    plan: AnalysisPlan,
    target: str | None = None,
    key: Path | None = None,
) -> Verdict:
    """Check a study, or what lies behind one output (`target`, relative to the project).

    With `key`, a file of public keys, the lock must be signed by one of them.

    Raises:
        InputError: nothing is known of the target.
    """
    study = Checked(root, lineage)
    stray = verify_checks.unrecorded_paths(study)
    jobs = study.graph.order if target is None else jobs_behind(study, target, stray)
    made = [artefact for job in jobs for artefact in study.graph.records[job].outputs]
    found = verify_checks.hashed(root, made)
    findings = [
        *verify_checks.damaged(study, stray),
        *verify_checks.unrecorded(study, stray),
        *verify_checks.data_pointer(study),
    ]
    if target is not None:
        paths = {target, *(artefact.path for artefact in made)}
        wanted = paths | {str(above) for path in paths for above in PurePosixPath(path).parents}
        findings = [finding for finding in findings if concerns(finding, wanted)]
    for job in jobs:
        findings += verify_checks.links(study, job)
        findings += verify_checks.outputs(study, job, found)
        if job not in lineage.damaged:
            findings += verify_checks.falsehoods(study, job)
            findings += verify_checks.pointers(study, job)
            findings += verify_checks.local_inputs(study, job)
    findings += verify_checks.stale(study, plan, jobs)
    if key:
        # Rarely asked for, and it loads what starts other programs.
        from retu.lineage.queries.signature import check_signature

        findings += check_signature(root, lineage.study, key)
    trees = [tree for tree in found.values() if not isinstance(tree, OSError)]
    return Verdict(
        study=lineage.study,
        jobs=len(jobs),
        files=sum(len(tree.files) for tree in trees),
        size=sum(tree.size for tree in trees),
        # Sorting keeps the order of findings of the same job.
        findings=tuple(sorted(findings, key=lambda finding: finding.place)),
        notes=(
            *notes(study.graph, jobs),
            *absent_sources(root, study.graph, jobs),
            *unpinned(root, lineage.study),
        ),
    )


def jobs_behind(study: Checked, target: str, stray: Iterable[str]) -> list[str]:
    """The job that made a target and all before it; none if it has no record, but is there."""
    job = study.graph.producer(target)
    if job is not None:
        return study.graph.ancestors([job])
    known = {*stray, *study.lost}
    if any(target == path or target.startswith(f"{path}/") for path in known):
        return []
    raise InputError(
        f"{target}: there is no such output; choose one ({ask_command(study.graph, 'list')})"
    )


def concerns(finding: Finding, wanted: set[str]) -> bool:
    """Whether a finding is about any of the wanted paths, or they are downstream of it."""
    return finding.path in wanted or not wanted.isdisjoint(finding.downstream)


def notes(lineage: Lineage, jobs: Sequence[str]) -> list[str]:
    """What no check forbids, but a reader should know: code and versions kept nowhere else."""
    told = []
    commits = [lineage.records[job].git for job in jobs]
    dirty = Counter(path for commit in commits for path in commit.dirty)
    count = sum(bool(commit.dirty) for commit in commits)
    if dirty:
        files = shortened([path for path, _ in dirty.most_common()])
        told.append(f"{count} of {len(jobs)} jobs ran with uncommitted files: {files}")
    bare = sum(commit.commit is None and commit.reason is None for commit in commits)
    if bare:
        told.append(f"{bare} of {len(jobs)} jobs ran outside a git repository with commits")
    reasons = Counter(commit.reason for commit in commits if commit.reason)
    told += [f"{n} of {len(jobs)} jobs: commit unknown: {why}" for why, n in reasons.items()]
    used = [lineage.records[job].environment for job in jobs]
    differs = Counter(f"{name} {v}" for one in used for name, v in one.differs.items())
    if differs:
        count = sum(bool(one.differs) for one in used)
        named = shortened([words for words, _ in differs.most_common()])
        told.append(f"{count} of {len(jobs)} jobs loaded other versions than are locked: {named}")
    return told


def absent_sources(root: Path, lineage: Lineage, jobs: Sequence[str]) -> Iterator[str]:
    """A word on files of a mirror that nobody can look at here."""
    sources = [source for job in jobs for source in lineage.records[job].sources]
    absent = [source.path for source in sources if place_of(root, source) is None]
    if absent:
        yield f"{counted(len(absent), 'file')} of a mirror are not here: {shortened(absent)}"


def unpinned(root: Path, study: str) -> Iterator[str]:
    """A word on records that nothing outside them vouches for."""
    lock = pointer_folder(root, study) / LOCK
    if not lock.is_file():
        yield (
            f"there is no {lock.relative_to(root)}: outputs that were changed together with their"
            f" records may go unnoticed (retu lineage record --study {study}), then commit it"
        )


def told(verdict: Verdict) -> list[str]:
    """The lines of a verdict: the first broken link first."""
    size, unit = (verdict.size / 1e9, "GB") if verdict.size >= 1e9 else (verdict.size / 1e6, "MB")
    amount = f"{verdict.jobs} jobs, {verdict.files} files, {size:.3g} {unit}"
    state = broken_at(verdict.findings) or "all as recorded"
    remarks = [f"note: {note}" for note in verdict.notes]
    return [f"{amount}: {state}", *finding_lines(verdict.findings), *remarks]


def run_verify(options: argparse.Namespace) -> int:
    """`retu lineage verify [OUTPUT | BUNDLE] [--key FILE]`: 1 if anything is wrong."""
    given, root = options.output, options.root
    key = Path(options.key) if options.key else None
    if given and given.endswith(ENDING):
        from retu.lineage.queries import unbundle

        with unbundle.opened(Path(given)) as bundle:
            checked = unbundle.check_bundle(bundle, key)
        lines = unbundle.told(Path(given), checked)
        found, content = checked.findings, checked.json()
    else:
        target = output_path(root, given) if given else None
        study = study_of(target) if target else chosen_study(root, options.study)
        lineage = read_lineage(root, study)
        verdict = verify(root, lineage, present_plan(root, lineage), target, key)
        lines, found, content = told(verdict), verdict.findings, verdict.json()
    print(json.dumps(content, indent=1) if options.json else "\n".join(lines))
    return 1 if found else 0
