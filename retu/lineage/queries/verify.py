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
from retu.core.text import format_quantity
from retu.lineage.graph.dvc_lock import DVC_LOCK_FILE, get_pointer_folder
from retu.lineage.graph.edited_files import locate_source
from retu.lineage.graph.record_graph import Lineage, read_lineage
from retu.lineage.graph.remedies import format_lineage_command
from retu.lineage.graph.resolve import BUNDLE_SUFFIX, load_current_plan, resolve_subject
from retu.lineage.queries import verify_checks
from retu.lineage.queries.verify_findings import (
    CheckedStudy,
    IntegrityFinding,
    describe_first_break,
    format_findings,
    join_shown_names,
)
from retu.planning.analysis_plan import AnalysisPlan


@dataclass(frozen=True)
class VerifyReport:
    """All findings, the first broken link first; how much was looked at; what is worth knowing."""

    study: str
    jobs: int
    files: int
    size: int
    findings: tuple[IntegrityFinding, ...]
    notes: tuple[str, ...]

    def serialise(self) -> dict[str, Any]:
        """As a mapping."""
        found = [finding.serialise() for finding in self.findings]
        return {**vars(self), "findings": found, "notes": list(self.notes)}


def verify_study(
    root: Path,
    lineage: Lineage,
    plan: AnalysisPlan,
    target: str | None = None,
    key: Path | None = None,
) -> VerifyReport:
    """Check a study, or what lies behind one output (`target`, relative to the project).

    With `key`, a file of public keys, the lock must be signed by one of them. InputError when
    nothing is known of the target.
    """
    study = CheckedStudy(root, lineage)
    stray = verify_checks.find_unrecorded_paths(study)
    jobs = study.graph.order if target is None else select_target_jobs(study, target, stray)
    found = verify_checks.hash_outputs(study, jobs)
    findings = [
        *verify_checks.check_records(study, stray),
        *verify_checks.check_unrecorded(study, stray),
        *verify_checks.check_data_pointer(study),
    ]
    if target is not None:
        findings = select_relevant_findings(study, findings, target, jobs)
    findings += verify_checks.check_jobs(study, jobs, found)
    findings += verify_checks.check_local_inputs(study, jobs)
    findings += verify_checks.check_staleness(study, plan, jobs)
    if key:
        # Rarely asked for, and it loads what starts other programs.
        from retu.lineage.queries.signature import check_signature

        findings += check_signature(root, lineage.study, key)
    trees = [tree for tree in found.values() if not isinstance(tree, OSError)]
    files, size = sum(len(tree.files) for tree in trees), sum(tree.size for tree in trees)
    # Sorting keeps the order of findings of the same job.
    ordered = tuple(sorted(findings, key=lambda finding: finding.place))
    notes = tuple(collect_notes(root, study.graph, jobs))
    return VerifyReport(lineage.study, len(jobs), files, size, ordered, notes)


def select_target_jobs(study: CheckedStudy, target: str, stray: Iterable[str]) -> list[str]:
    """The job that made a target and all before it; none if it has no record, but is there."""
    job = study.graph.find_producer(target)
    if job is not None:
        return study.graph.list_ancestors([job])
    known = {*stray, *study.lost_records}
    if any(target == path or target.startswith(f"{path}/") for path in known):
        return []
    raise InputError(
        f"{target}: there is no such output; choose one"
        f" ({format_lineage_command(study.graph, 'list')})"
    )


def select_relevant_findings(
    study: CheckedStudy, findings: Iterable[IntegrityFinding], target: str, jobs: Iterable[str]
) -> list[IntegrityFinding]:
    """The findings about a target or outputs of jobs, about a folder of theirs, or upstream."""
    paths = {target, *(made.path for job in jobs for made in study.graph.records[job].outputs)}
    wanted = paths | {str(above) for path in paths for above in PurePosixPath(path).parents}
    return [f for f in findings if f.path in wanted or not wanted.isdisjoint(f.downstream)]


def collect_notes(root: Path, lineage: Lineage, jobs: Sequence[str]) -> Iterator[str]:
    """What no check forbids, but a reader should know: code and versions kept nowhere else."""
    commits = [lineage.records[job].git for job in jobs]
    dirty = Counter(path for commit in commits for path in commit.dirty)
    count = sum(bool(commit.dirty) for commit in commits)
    if dirty:
        files = join_shown_names([path for path, _ in dirty.most_common()])
        yield f"{count} of {len(jobs)} jobs ran with uncommitted files: {files}"
    bare = sum(commit.commit is None and commit.reason is None for commit in commits)
    if bare:
        yield f"{bare} of {len(jobs)} jobs ran outside a git repository with commits"
    reasons = Counter(commit.reason for commit in commits if commit.reason)
    yield from (f"{n} of {len(jobs)} jobs: commit unknown: {why}" for why, n in reasons.items())
    used = [lineage.records[job].environment for job in jobs]
    differs = Counter(f"{name} {v}" for one in used for name, v in one.differs.items())
    if differs:
        count = sum(bool(one.differs) for one in used)
        named = join_shown_names([words for words, _ in differs.most_common()])
        yield f"{count} of {len(jobs)} jobs loaded other versions than are locked: {named}"
    sources = [source for job in jobs for source in lineage.records[job].sources]
    absent = {s.path: s.own for s in sources if locate_source(root, s) is None}
    for own, whose in ((False, "of a mirror"), (True, "of yours")):
        names = [name for name, mine in absent.items() if mine == own]
        if names:
            told = format_quantity(len(names), "file")
            verb = "is" if len(names) == 1 else "are"
            yield f"{told} {whose} {verb} not where jobs read them: {join_shown_names(names)}"
    lock = get_pointer_folder(root, lineage.study) / DVC_LOCK_FILE
    if not lock.is_file():
        yield (
            f"there is no {lock.relative_to(root)}: outputs that were changed together with their"
            f" records may go unnoticed (retu lineage record --study {lineage.study}), then commit"
            " it"
        )


def format_verify_report(verdict: VerifyReport) -> list[str]:
    """The lines of a verdict: the first broken link first."""
    size, unit = (verdict.size / 1e9, "GB") if verdict.size >= 1e9 else (verdict.size / 1e6, "MB")
    amount = f"{verdict.jobs} jobs, {verdict.files} files, {size:.3g} {unit}"
    state = describe_first_break(verdict.findings) or "all as recorded"
    remarks = [f"note: {note}" for note in verdict.notes]
    return [f"{amount}: {state}", *format_findings(verdict.findings), *remarks]


def run_verify(options: argparse.Namespace) -> int:
    """`retu lineage verify [OUTPUT | BUNDLE] [--key FILE]`: 1 if anything is wrong."""
    given, root = options.output, options.root
    key = Path(options.key) if options.key else None
    if given and given.endswith(BUNDLE_SUFFIX):
        from retu.lineage.queries import unbundle

        with unbundle.open_bundle(Path(given)) as bundle:
            checked = unbundle.check_bundle(bundle, key)
        lines = unbundle.format_bundle_report(Path(given), checked)
        found, content = checked.findings, checked.serialise()
    else:
        target, study = resolve_subject(root, given, options.study)
        lineage = read_lineage(root, study)
        verdict = verify_study(root, lineage, load_current_plan(root, lineage), target, key)
        lines, found, content = format_verify_report(verdict), verdict.findings, verdict.serialise()
    print(json.dumps(content, indent=1) if options.json else "\n".join(lines))
    return 1 if found else 0
