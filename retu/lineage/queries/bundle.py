"""`retu lineage export`: one small archive that lets somebody else check a table.

It holds the table, the records of all that it came from, the small files among these, the graph and
DVC's pointers; checkpoints and other big files stay out and are named with their hashes. The same
results give the same bytes.
"""

import argparse
import gzip
import io
import json
import shlex
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from retu.core.atomic_files import replace_atomically
from retu.core.errors import InputError
from retu.core.hashing import hash_tree
from retu.core.sections import Name, Section
from retu.core.text import print_lines
from retu.lineage.graph.dvc_lock import DVC_LOCK_FILE, PIPELINE, SIGNATURE_FILE, get_pointer_folder
from retu.lineage.graph.record_graph import Lineage
from retu.lineage.graph.remedies import format_lineage_command
from retu.lineage.graph.resolve import BUNDLE_SUFFIX, JobStates, read_output_lineage
from retu.lineage.graph.subgraph import trace_output
from retu.lineage.queries import verify_checks
from retu.lineage.queries.render import format_mermaid
from retu.lineage.queries.verify_findings import CheckedStudy
from retu.lineage.record import Artefact, FileEntry

ABOUT, README, GRAPH = "bundle.json", "README.txt", "graph.mmd"
MAX_FILE_BYTES = 1 << 20
MAX_BUNDLE_BYTES = 1 << 26
"""Bytes of all files together, before compression; beyond it the larger files stay out."""
BUNDLE_README = """\
{target}: where it comes from

This archive lets you check a result without running anything:

    {target}
    the records (*.record.json) of the {jobs} jobs behind it: code, environment, settings, seeds,
      machine, and the hash of everything that each job read and wrote
    the {files} small files among what they wrote; {left_out} others stay out, among them all
      checkpoints, and are listed with their hashes in {about}
    {graph}: the same as a graph, in the language of Mermaid

To check that records and files agree, get the project at commit {commit}, and run

    retu lineage verify THIS_FILE{ending}

It prints the hash of the lineage, whose first digits are beside the result in the study's report:

    {digest}

By hand: the hash of a file is its MD5 (md5sum FILE), that of a folder the MD5 of the JSON list of
its files, as DVC computes it. To make it all again: snakemake {target} --config study={study}
"""


class BundleManifest(Section):
    """What an archive says of itself: what it is about, what is in it, and what is not.

    `lineage` is the hash of the target's lineage; `edges` are pairs of a job and one that reads its
    outputs.
    """

    version: Literal[1] = 1
    study: Name
    target: str
    lineage: str
    commits: list[str]
    files: list[FileEntry]
    left_out: list[FileEntry]
    edges: list[tuple[str, str]]


@dataclass(frozen=True)
class ExportResult:
    """What an archive says of itself, and what is to be said of what is not in it."""

    about: BundleManifest
    notes: tuple[str, ...]


@dataclass(frozen=True)
class BundleContent:
    """Files of an archive by path, the outputs that are not among them, and notes on the rest."""

    files: Mapping[str, bytes]
    left_out: tuple[Artefact, ...]
    notes: tuple[str, ...]


def export_bundle(root: Path, lineage: Lineage, target: str, out: Path) -> ExportResult:
    """Write the archive of an output.

    Raises:
        InputError: the output has no record, it or what it came from is not as recorded, or the
            lineage has a gap.
    """
    study = CheckedStudy(root, lineage)
    jobs = find_jobs_behind(study, target)
    require_intact_records(study, jobs, target)
    content = gather_content(study, jobs, target)
    about = describe_bundle(study, jobs, target, content)
    members = {
        **content.files,
        ABOUT: (json.dumps(about.model_dump(), indent=1) + "\n").encode(),
        GRAPH: format_graph(lineage, target),
        README: format_readme(about, len(jobs)).encode(),
    }
    replace_atomically(out, lambda path: path.write_bytes(pack_archive(members)))
    return ExportResult(about, content.notes)


def find_jobs_behind(study: CheckedStudy, target: str) -> list[str]:
    """The jobs behind an output; InputError when it is not there, or has no record."""
    job = study.lineage.find_producer(target)
    if job is None or not (study.root / target).exists():
        missing = "is not there" if job else "has no record"
        ask = format_lineage_command(study.lineage, "verify")
        raise InputError(f"{target}: {missing}; what to do: {ask}")
    return study.graph.list_ancestors([job])


def format_graph(lineage: Lineage, target: str) -> bytes:
    """The graph of an output as an archive holds it, whatever the project is now."""
    return (format_mermaid(trace_output(lineage, target), JobStates()) + "\n").encode()


def require_intact_records(study: CheckedStudy, jobs: Iterable[str], target: str) -> None:
    """End with an InputError when records do not hold together: nobody could check them."""
    advice = f"what to do: {shlex.join(['retu', 'lineage', 'verify', target])}"
    for job in jobs:
        for path in study.graph.list_orphan_inputs(job):
            raise InputError(f"{path}: went into {target} and has no whole record; {advice}")
    found = verify_checks.hash_outputs(study, jobs)
    for job in jobs:
        if job in study.lineage.damaged:
            raise InputError(f"{study.lineage.damaged[job]}; {advice}")
        for finding in (
            *verify_checks.check_inputs(study, job),
            *verify_checks.check_record_facts(study, job),
            *verify_checks.check_outputs(study, job, found),
        ):
            raise InputError(f"{finding.path}: {finding.problem}; {advice}")


def gather_content(study: CheckedStudy, jobs: Iterable[str], target: str) -> BundleContent:
    """The records and small files of jobs, and DVC's pointers; folders always stay out."""
    files = {job: (study.root / job).read_bytes() for job in jobs}
    room = MAX_BUNDLE_BYTES - sum(map(len, files.values()))
    left_out = []
    made = [artefact for job in jobs for artefact in study.graph.records[job].outputs]
    for artefact in sorted(made, key=lambda a: (a.path != target, a.size, a.path)):
        path = study.root / artefact.path
        small = artefact.size <= min(MAX_FILE_BYTES, room) and path.is_file()
        if not small and artefact.path != target:
            left_out.append(artefact)
            continue
        files[artefact.path] = path.read_bytes()
        room -= artefact.size
    pointers, notes = read_matching_pointers(study, jobs)
    left = sorted(left_out, key=lambda artefact: artefact.path)
    return BundleContent({**files, **pointers}, tuple(left), notes)


def read_matching_pointers(
    study: CheckedStudy, jobs: Iterable[str]
) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """DVC's pointers; none, and a note, when they are older than the records of the jobs."""
    folder = get_pointer_folder(study.root, study.graph.study)
    where = folder.relative_to(study.root).as_posix()
    for job in jobs:
        for finding in verify_checks.check_pointers(study, job):
            again = format_lineage_command(study.graph, "record")
            return {}, (
                f"{where}: left out, it does not agree with the records ({finding.path}:"
                f" {finding.problem}); to have it in: {again}",
            )
    paths = (folder / name for name in (PIPELINE, DVC_LOCK_FILE, SIGNATURE_FILE))
    there = [path for path in paths if path.is_file()]
    return {path.relative_to(study.root).as_posix(): path.read_bytes() for path in there}, ()


def describe_bundle(
    study: CheckedStudy, jobs: Iterable[str], target: str, content: BundleContent
) -> BundleManifest:
    """What the archive says of itself."""
    graph = study.graph
    known = list(jobs)
    return BundleManifest(
        study=graph.study,
        target=target,
        lineage=graph.digest_lineage(target),
        commits=list_commits(graph, known),
        files=[
            FileEntry(path=path, md5=hash_tree(study.root / path).md5, size=len(found))
            for path, found in sorted(content.files.items())
        ],
        left_out=[FileEntry(path=a.path, md5=a.md5, size=a.size) for a in content.left_out],
        edges=list_edges(graph, known),
    )


def list_commits(lineage: Lineage, jobs: Iterable[str]) -> list[str]:
    """The git commits that jobs ran at, as far as they were recorded."""
    return sorted({commit for job in jobs if (commit := lineage.records[job].git.commit)})


def list_edges(lineage: Lineage, jobs: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of a job and one that reads its outputs."""
    return [(parent, job) for job in jobs for parent in lineage.list_parents(job)]


def format_readme(about: BundleManifest, jobs: int) -> str:
    """The text that a reader finds in the archive."""
    return BUNDLE_README.format(
        target=about.target,
        jobs=jobs,
        files=len(about.files) - jobs,
        left_out=len(about.left_out),
        about=ABOUT,
        graph=GRAPH,
        commit=" or ".join(about.commits) or "(not recorded)",
        ending=BUNDLE_SUFFIX,
        digest=about.lineage,
        study=about.study,
    )


def pack_archive(members: Mapping[str, bytes]) -> bytes:
    """A tar.gz archive in which nothing tells when, where or by whom it was made."""
    stored = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=stored, mode="wb", filename="", mtime=0) as squeezed,
        tarfile.open(fileobj=squeezed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, content in sorted(members.items()):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    return stored.getvalue()


def run_bundle_export(options: argparse.Namespace) -> int:
    """`retu lineage export OUTPUT [--out FILE.tar.gz]`."""
    target, lineage = read_output_lineage(options.root, options.output)
    out = Path(options.out or f"{Path(target).stem}.lineage{BUNDLE_SUFFIX}")
    if not out.name.endswith(BUNDLE_SUFFIX):
        raise InputError(f"--out {out}: must end in {BUNDLE_SUFFIX}")
    done = export_bundle(options.root, lineage, target, out)
    about = done.about
    print_lines(done.notes)
    print(
        f"{out}: {target} with {len(about.files)} files, {out.stat().st_size / 1e6:.2g} MB;"
        f" {len(about.left_out)} others are listed in it; lineage {about.lineage}"
    )
    return 0
