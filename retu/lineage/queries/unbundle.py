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
from retu.core.hashing import md5
from retu.core.text import escape_hidden
from retu.core.validation import explained
from retu.lineage.graph.record_graph import Lineage, read_lineage
from retu.lineage.queries import verify_checks
from retu.lineage.queries.bundle import (
    ABOUT,
    GRAPH,
    README,
    About,
    commits_of,
    edges_of,
    graph_text,
)
from retu.lineage.queries.signature import check_signature
from retu.lineage.queries.verify_findings import (
    Checked,
    Finding,
    broken_at,
    finding_lines,
    shortened,
)
from retu.lineage.record import find_hidden
from retu.planning import code_identity

LARGEST = 1 << 28
"""Bytes that an archive may have unpacked."""
REFUSED = "do not trust this archive"
REMEDY = "export it again"


@dataclass(frozen=True)
class Bundle:
    """An unpacked archive: the folder it lies in, what it says of itself, its records."""

    root: Path
    about: About
    lineage: Lineage

    @property
    def target(self) -> str:
        """The output that it is about."""
        return self.about.target


@dataclass(frozen=True)
class BundleVerdict:
    """What checking an archive gave, by its records and not by what it says of itself.

    `dirty` are the files that differed from the commit in some job's work tree, `changed` the
    modules that are others in this project; `signed` tells whether a signature was asked for.
    """

    about: About
    jobs: int
    commits: tuple[str, ...]
    dirty: tuple[str, ...]
    findings: tuple[Finding, ...]
    changed: tuple[str, ...]
    signed: bool = False

    def json(self) -> dict[str, Any]:
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
            "findings": [finding.json() for finding in self.findings],
        }


@contextmanager
def opened(path: Path) -> Iterator[Bundle]:
    """Unpack an archive into a folder that is gone afterwards.

    Raises:
        InputError: it cannot be read, is no such archive, or holds what it must not.
    """
    with tempfile.TemporaryDirectory(prefix="retu-") as folder:
        root = Path(folder)
        unpack(path, root)
        about = read_about(root / ABOUT, path)
        yield Bundle(root, about, read_lineage(root, about.study))


def read_bundle(path: Path) -> Bundle:
    """The records of an archive, for those who need no file of it; InputError as `opened`."""
    with opened(path) as bundle:
        return bundle


def unpack(path: Path, folder: Path) -> None:
    """Write the files of an archive below `folder`; InputError when that is not safe."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such archive; make it (retu lineage export --help)")
    try:
        with gzip.open(path) as squeezed:
            content = squeezed.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise InputError(f"{path}: is over {LARGEST >> 20} MB unpacked; {REFUSED}")
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            for member in archive:
                place_member(archive, member, path, folder)
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise InputError(
            f"{path}: is not a whole archive ({error}); export or copy it again"
        ) from error


def place_member(
    archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path, folder: Path
) -> None:
    """Write one file of an archive; InputError for a link, a device or a path that leads out."""
    name = PurePosixPath(member.name)
    content = archive.extractfile(member) if member.isreg() else None
    if not member.name.isprintable():
        raise InputError(f"{path}: {escape_hidden(member.name)} is no name of a file; {REFUSED}")
    if content is None:
        raise InputError(f"{path}: {member.name} is no plain file; {REFUSED}")
    # A backslash or a colon leads out of the folder on other systems.
    if name.is_absolute() or ".." in name.parts or not name.parts or {*"\\:"} & {*member.name}:
        raise InputError(f"{path}: {member.name} leads out of the archive; {REFUSED}")
    target = folder.joinpath(*name.parts)
    if target.exists():
        raise InputError(f"{path}: {member.name} is in it twice; {REFUSED}")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content.read())


def read_about(path: Path, where: Path) -> About:
    """Read what an archive says of itself; InputError when it is none that `export` made."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{where}: has no {ABOUT} that reads; make it (retu lineage export --help)"
        ) from error
    if isinstance(content, dict) and content.get("version") not in (1, None):
        raise InputError(f"{where}: an archive of version {content['version']}; update the project")
    if (hidden := find_hidden(content)) is not None:
        said = escape_hidden(hidden)
        raise InputError(f"{where}: {ABOUT} has {said} in it, which cannot be shown; {REFUSED}")
    with explained(f"{where}: {ABOUT}"):
        return About.model_validate(content)


def check_bundle(bundle: Bundle, key: Path | None = None) -> BundleVerdict:
    """Check that records, files and pointers of an archive agree; compare its code with ours.

    With `key`, a file of public keys, its lock must be signed by one of them.
    """
    study = Checked(bundle.root, bundle.lineage)
    stray = verify_checks.unrecorded_paths(study)
    jobs = study.graph.order
    made = [artefact for job in jobs for artefact in study.graph.records[job].outputs]
    found = verify_checks.hashed(bundle.root, made)
    findings = [*verify_checks.damaged(study, stray), *verify_checks.unrecorded(study, stray)]
    for job in jobs:
        findings += verify_checks.links(study, job)
        findings += verify_checks.outputs(study, job, found, partial=True)
        if job not in bundle.lineage.damaged:
            findings += verify_checks.falsehoods(study, job)
            findings += verify_checks.pointers(study, job)
    findings += [*listing(study, bundle.about), *claims(study, bundle.about)]
    findings += check_signature(bundle.root, bundle.about.study, key) if key else []
    ordered = sorted(findings, key=lambda finding: finding.place)
    records = study.graph.records.values()
    return BundleVerdict(
        about=bundle.about,
        jobs=len(jobs),
        commits=tuple(commits_of(study.graph, jobs)),
        dirty=tuple(sorted({path for record in records for path in record.git.dirty})),
        findings=tuple(ordered),
        changed=tuple(changed_modules(study)),
        signed=key is not None,
    )


def listing(study: Checked, about: About) -> Iterator[Finding]:
    """What an archive holds, against what it says of that."""
    told = {listed.path: listed.md5 for listed in about.files}
    there = {
        path.relative_to(study.root).as_posix(): path
        for path in study.root.rglob("*")
        if path.is_file()
    }
    for own in (ABOUT, GRAPH, README):
        there.pop(own, None)
    for name in sorted(told | there):
        state = "is not in the archive" if name in told else "came in afterwards"
        if name in there and told.get(name) not in (None, md5(there[name])):
            state = f"is not what {ABOUT} lists"
        elif name in there and name in told:
            continue
        yield study.finding("broken", name, state, REMEDY, study.readers([name]))


def claims(study: Checked, about: About) -> Iterator[Finding]:
    """What an archive says of what it is about, against its records."""
    made = {a.path: a.md5 for record in study.graph.records.values() for a in record.outputs}
    for listed in about.left_out:
        if made.get(listed.path) != listed.md5:
            problem = "is listed with another hash than its record has"
            yield study.finding("false", listed.path, problem, REMEDY, [])
    if study.graph.producer(about.target) is None:
        yield study.finding("unrecorded", about.target, "has no record in it", REMEDY, [])
        return
    if study.graph.digest(about.target) != about.lineage:
        problem = f"has another lineage than {about.lineage}"
        yield study.finding("false", about.target, problem, REMEDY, [])
    jobs = study.graph.order
    told = {"commits": about.commits, "edges": sorted(about.edges)}
    by_records = {
        "commits": commits_of(study.graph, jobs),
        "edges": sorted(edges_of(study.graph, jobs)),
    }
    for key, value in told.items():
        if value != by_records[key]:
            problem = f"its {key} are not those of the records"
            yield study.finding("false", ABOUT, problem, REMEDY, [])
    drawn = study.root / GRAPH
    if not drawn.is_file() or drawn.read_bytes() != graph_text(study.graph, about.target):
        problem = "is not the graph of the records as this project draws it"
        yield study.finding("false", GRAPH, problem, REMEDY, [])


def changed_modules(study: Checked) -> list[str]:
    """The modules that ran and that this project has otherwise, or not at all."""
    ran = {
        (name, digest)
        for record in study.graph.records.values()
        for name, digest in record.code.modules.items()
    }
    return sorted({name for name, digest in ran if present_digest(name) != digest})


def present_digest(module: str) -> str | None:
    """The digest of a module of this project as records have it; None when there is none."""
    if (
        module.split(".")[0] not in code_identity.PACKAGES
        or code_identity.module_path(module) is None
    ):
        return None
    return code_identity.parsed(module)[0][:16]


def unvouched(verdict: BundleVerdict) -> Iterator[str]:
    """A word on an archive that nobody's key vouches for."""
    if not verdict.signed:
        yield (
            "note: nobody's key was asked for: whoever changes files, records and lock together"
            " leaves no trace (verify with --key FILE what its author has signed)"
        )


def told(path: Path, verdict: BundleVerdict) -> list[str]:
    """The lines that a check prints: the verdict, what is wrong, which code it was."""
    about = verdict.about
    size = sum(listed.size for listed in about.left_out)
    state = broken_at(verdict.findings) or "all as recorded"
    commits = ", ".join(verdict.commits) or "not recorded"
    dirty = f" with uncommitted files ({shortened(verdict.dirty)})" if verdict.dirty else ""
    modules = [name.removeprefix(f"{code_identity.SCRIPTS}.") for name in verdict.changed]
    count = "1 module is another" if len(modules) == 1 else f"{len(modules)} modules are others"
    other = f"{count} here ({shortened(modules)})"
    return [
        f"{path}: {about.target}, {verdict.jobs} jobs, {len(about.files)} files: {state}",
        *finding_lines(verdict.findings),
        f"lineage: {about.lineage}; compare it with the one in the study's report",
        *unvouched(verdict),
        f"not included, not checked: {len(about.left_out)} outputs, {size / 1e6:.3g} MB",
        f"code: commit {commits}{dirty}; {other if modules else 'the same as here'}",
    ]
