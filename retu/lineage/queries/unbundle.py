"""Reading an exported archive, and checking it without any results at hand.

An archive comes from somebody else: it is unpacked into a temporary folder only, and whatever is
no plain file below it is refused.
"""

import gzip
import io
import json
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from retu.core.errors import InputError
from retu.core.hashing import compute_md5, list_changed_names
from retu.core.text import escape_hidden
from retu.core.validation import explain_mistakes
from retu.lineage.graph.record_graph import Lineage, read_lineage
from retu.lineage.queries import verify_checks
from retu.lineage.queries.bundle import (
    ABOUT,
    GRAPH,
    README,
    BundleManifest,
    format_graph,
    list_commits,
    list_edges,
)
from retu.lineage.queries.signature import check_signature
from retu.lineage.queries.verify_findings import (
    CheckedStudy,
    IntegrityFinding,
    describe_first_break,
    format_findings,
    join_shown_names,
)
from retu.lineage.record import find_control_characters
from retu.planning import code_identity

MAX_UNPACKED_BYTES = 1 << 28
"""Bytes that an archive may have unpacked."""
DISTRUST_ARCHIVE = "do not trust this archive"
EXPORT_REMEDY = "export it again"
UNSIGNED_NOTE = (
    "note: nobody's key was asked for: whoever changes files, records and lock together leaves no"
    " trace (verify with --key FILE what its author has signed)"
)


@dataclass(frozen=True)
class Bundle:
    """An unpacked archive: the folder it lies in, what it says of itself, its records."""

    root: Path
    about: BundleManifest
    lineage: Lineage

    @property
    def target(self) -> str:
        """The output that it is about."""
        return self.about.target


@dataclass(frozen=True)
class BundleReport:
    """What checking an archive gave, by its records and not by what it says of itself.

    `dirty` are the files that differed from the commit in some job's work tree, `changed` the
    modules that are others in this project; `signed` tells whether a signature was asked for.
    """

    about: BundleManifest
    jobs: int
    commits: tuple[str, ...]
    dirty: tuple[str, ...]
    findings: tuple[IntegrityFinding, ...]
    changed: tuple[str, ...]
    signed: bool = False

    def serialise(self) -> dict[str, Any]:
        """As a mapping."""
        return {
            "study": self.about.study,
            "target": self.about.target,
            "lineage": self.about.lineage,
            "jobs": self.jobs,
            "files": len(self.about.files),
            "left_out": [listed.model_dump() for listed in self.about.left_out],
            "commits": list(self.commits),
            "uncommitted": list(self.dirty),
            "code_changed_since": list(self.changed),
            "findings": [finding.serialise() for finding in self.findings],
        }


@contextmanager
def open_bundle(path: Path) -> Iterator[Bundle]:
    """Unpack an archive into a folder that is gone afterwards.

    Raises:
        InputError: it cannot be read, is no such archive, or holds what it must not.
    """
    with tempfile.TemporaryDirectory(prefix="retu-") as folder:
        root = Path(folder)
        unpack_bundle(path, root)
        about = read_bundle_manifest(root / ABOUT, path)
        yield Bundle(root, about, read_lineage(root, about.study))


def read_bundle(path: Path) -> Bundle:
    """The records of an archive, for those who need no file of it; InputError as `opened`."""
    with open_bundle(path) as bundle:
        return bundle


def unpack_bundle(path: Path, folder: Path) -> None:
    """Write the files of an archive below `folder`; InputError when that is not safe."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such archive; make it (retu lineage export --help)")
    try:
        with gzip.open(path) as squeezed:
            content = squeezed.read(MAX_UNPACKED_BYTES + 1)
        if len(content) > MAX_UNPACKED_BYTES:
            raise InputError(
                f"{path}: is over {MAX_UNPACKED_BYTES >> 20} MB unpacked; {DISTRUST_ARCHIVE}"
            )
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            for member in archive:
                write_member(archive, member, path, folder)
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise InputError(
            f"{path}: is not a whole archive ({error}); export or copy it again"
        ) from error


def write_member(
    archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path, folder: Path
) -> None:
    """Write one file of an archive; InputError for a link, a device or a path that leads out."""
    name = PurePosixPath(member.name)
    content = archive.extractfile(member) if member.isreg() else None
    if not member.name.isprintable():
        raise InputError(
            f"{path}: {escape_hidden(member.name)} is no name of a file; {DISTRUST_ARCHIVE}"
        )
    if content is None:
        raise InputError(f"{path}: {member.name} is no plain file; {DISTRUST_ARCHIVE}")
    # A backslash or a colon leads out of the folder on other systems.
    if name.is_absolute() or ".." in name.parts or not name.parts or {*"\\:"} & {*member.name}:
        raise InputError(f"{path}: {member.name} leads out of the archive; {DISTRUST_ARCHIVE}")
    target = folder.joinpath(*name.parts)
    if target.exists():
        raise InputError(f"{path}: {member.name} is in it twice; {DISTRUST_ARCHIVE}")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content.read())


def read_bundle_manifest(path: Path, where: Path) -> BundleManifest:
    """Read what an archive says of itself; InputError when it is none that `export` made."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{where}: has no {ABOUT} that reads; make it (retu lineage export --help)"
        ) from error
    if isinstance(content, dict) and content.get("version") not in (1, None):
        raise InputError(f"{where}: an archive of version {content['version']}; update the project")
    if (hidden := find_control_characters(content)) is not None:
        said = escape_hidden(hidden)
        raise InputError(
            f"{where}: {ABOUT} has {said} in it, which cannot be shown; {DISTRUST_ARCHIVE}"
        )
    with explain_mistakes(f"{where}: {ABOUT}"):
        return BundleManifest.model_validate(content)


def check_bundle(bundle: Bundle, key: Path | None = None) -> BundleReport:
    """Check that records, files and pointers of an archive agree; compare its code with ours.

    With `key`, a file of public keys, its lock must be signed by one of them.
    """
    study = CheckedStudy(bundle.root, bundle.lineage)
    stray = verify_checks.find_unrecorded_paths(study)
    jobs = study.graph.order
    found = verify_checks.hash_outputs(study, jobs)
    findings = [
        *verify_checks.check_records(study, stray),
        *verify_checks.check_unrecorded(study, stray),
        *verify_checks.check_jobs(study, jobs, found, partial=True),
        *check_listing(study, bundle.about),
        *check_manifest_claims(study, bundle.about),
    ]
    findings += check_signature(bundle.root, bundle.about.study, key) if key else []
    ordered = sorted(findings, key=lambda finding: finding.place)
    records = study.graph.records.values()
    return BundleReport(
        about=bundle.about,
        jobs=len(jobs),
        commits=tuple(list_commits(study.graph, jobs)),
        dirty=tuple(sorted({path for record in records for path in record.git.dirty})),
        findings=tuple(ordered),
        changed=tuple(find_changed_modules(study)),
        signed=key is not None,
    )


def check_listing(study: CheckedStudy, about: BundleManifest) -> Iterator[IntegrityFinding]:
    """What an archive holds, against what it says of that."""
    told = {listed.path: listed.md5 for listed in about.files}
    found = (path for path in study.root.rglob("*") if path.is_file())
    there = {path.relative_to(study.root).as_posix(): compute_md5(path) for path in found}
    for own in (ABOUT, GRAPH, README):
        there.pop(own, None)
    for name in list_changed_names(told, there):
        state = f"is not what {ABOUT} lists" if name in told else "came in afterwards"
        state = state if name in there else "is not in the archive"
        yield study.make_finding("broken", name, state, EXPORT_REMEDY, study.find_readers([name]))


def check_manifest_claims(study: CheckedStudy, about: BundleManifest) -> Iterator[IntegrityFinding]:
    """What an archive says of what it is about, against its records."""
    made = {a.path: a.md5 for record in study.graph.records.values() for a in record.outputs}
    for listed in about.left_out:
        if made.get(listed.path) != listed.md5:
            problem = "is listed with another hash than its record has"
            yield study.make_finding("false", listed.path, problem, EXPORT_REMEDY, [])
    if study.graph.find_producer(about.target) is None:
        problem = "has no record in it"
        yield study.make_finding("unrecorded", about.target, problem, EXPORT_REMEDY, [])
        return
    if study.graph.digest_lineage(about.target) != about.lineage:
        problem = f"has another lineage than {about.lineage}"
        yield study.make_finding("false", about.target, problem, EXPORT_REMEDY, [])
    jobs = study.graph.order
    told = {"commits": about.commits, "edges": sorted(about.edges)}
    by_records = {
        "commits": list_commits(study.graph, jobs),
        "edges": sorted(list_edges(study.graph, jobs)),
    }
    for key in (key for key, value in told.items() if value != by_records[key]):
        problem = f"its {key} are not those of the records"
        yield study.make_finding("false", ABOUT, problem, EXPORT_REMEDY, [])
    drawn = study.root / GRAPH
    if not drawn.is_file() or drawn.read_bytes() != format_graph(study.graph, about.target):
        problem = "is not the graph of the records as this project draws it"
        yield study.make_finding("false", GRAPH, problem, EXPORT_REMEDY, [])


def find_changed_modules(study: CheckedStudy) -> list[str]:
    """The modules that ran and that this project has otherwise, or not at all."""
    records = study.graph.records.values()
    ran = {item for record in records for item in record.code.modules.items()}
    return sorted({name for name, digest in ran if digest_current_module(name) != digest})


def digest_current_module(module: str) -> str | None:
    """The digest of a module of this project as records have it; None when there is none."""
    ours = module.split(".")[0] in code_identity.PACKAGES
    if not ours or code_identity.find_module_file(module) is None:
        return None
    return code_identity.parse_module(module)[0][:16]


def format_bundle_report(path: Path, verdict: BundleReport) -> list[str]:
    """The lines that a check prints: the verdict, what is wrong, which code it was."""
    about = verdict.about
    size = sum(listed.size for listed in about.left_out)
    state = describe_first_break(verdict.findings) or "all as recorded"
    commits = ", ".join(verdict.commits) or "not recorded"
    dirty = f" with uncommitted files ({join_shown_names(verdict.dirty)})" if verdict.dirty else ""
    modules = [name.removeprefix(f"{code_identity.SCRIPTS}.") for name in verdict.changed]
    count = "1 module is another" if len(modules) == 1 else f"{len(modules)} modules are others"
    other = f"{count} here ({join_shown_names(modules)})"
    return [
        f"{path}: {about.target}, {verdict.jobs} jobs, {len(about.files)} files: {state}",
        *format_findings(verdict.findings),
        f"lineage: {about.lineage}; compare it with the one in the study's report",
        *([] if verdict.signed else [UNSIGNED_NOTE]),
        f"not included, not checked: {len(about.left_out)} outputs, {size / 1e6:.3g} MB",
        f"code: commit {commits}{dirty}; {other if modules else 'the same as here'}",
    ]
