"""`retu lineage export`: a bundle of our own, an RO-Crate, or PROV-JSON."""

import argparse
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

from retu.core.atomic_files import replace_folder, write_text
from retu.core.errors import InputError
from retu.core.hashing import compute_md5
from retu.core.text import format_quantity
from retu.lineage.graph.record_graph import Lineage, read_lineage
from retu.lineage.graph.resolve import resolve_subject
from retu.lineage.queries import bundle
from retu.lineage.queries.verify_findings import CheckedStudy

INSTALL_COMMAND = 'pip install "retu[provenance]"'


@dataclass(frozen=True)
class ExportSelection:
    """What is exported: the targets, the jobs behind them in order, and which files go along.

    `digests` are the hashes of the jobs' records, `files` the paths of records and small outputs.
    """

    root: Path
    lineage: Lineage
    name: str
    targets: tuple[str, ...]
    jobs: Sequence[str]
    files: frozenset[str]
    digests: Mapping[str, str]


def select_export(root: Path, study: str, target: str | None) -> ExportSelection:
    """The jobs behind an output, or all of a study, whose records and files must hold together.

    Raises:
        InputError: they do not, or nothing is recorded of the output.
    """
    lineage = read_lineage(root, study)
    checked = CheckedStudy(root, lineage)
    if target:
        targets: tuple[str, ...] = (target,)
        jobs = bundle.find_jobs_behind(checked, target)
    else:
        jobs = checked.graph.order
        ends = [job for job in jobs if not lineage.children.get(job)]
        targets = tuple(made.path for job in ends for made in lineage.records[job].outputs)
    bundle.require_intact_records(checked, jobs, target or f"the study {study}")
    content = bundle.gather_content(checked, jobs, target or "")
    return ExportSelection(
        root=root,
        lineage=lineage,
        name=target or f"the study {study}",
        targets=targets,
        jobs=jobs,
        files=frozenset(path for path in content.files if lineage.find_producer(path)),
        digests={job: compute_md5(root / job) for job in jobs},
    )


def run_export(options: argparse.Namespace) -> int:
    """`retu lineage export [OUTPUT] [--study NAME] [--ro-crate | --prov] [--out PATH]`."""
    root: Path = options.root
    target, study = resolve_subject(root, options.output, options.study)
    if not (options.ro_crate or options.prov):
        if target is None:
            raise InputError("name an OUTPUT; of a whole study there is --ro-crate and --prov")
        return bundle.run_bundle_export(options)
    stem = Path(target).stem if target else study
    chosen = select_export(root, study, target)
    out = Path(options.out or f"{stem}.{'crate.zip' if options.ro_crate else 'prov.json'}")
    write = write_crate if options.ro_crate else write_prov
    write(chosen, out, options.agent or read_git_user(root))
    jobs = format_quantity(len(chosen.jobs))
    print(f"{out}: {chosen.name}, {jobs}, {'RO-Crate' if options.ro_crate else 'PROV-JSON'}")
    return 0


def write_crate(chosen: ExportSelection, out: Path, agent: str | None) -> None:
    """Write an RO-Crate: a folder, or an archive if the name ends in .zip.

    Raises:
        InputError: the library is not installed, or something else is in the folder's place.
    """
    writer = import_exporter("ro_crate").CrateWriter(chosen, agent).write_crate_files
    if out.suffix == ".zip":
        with tempfile.TemporaryDirectory(prefix="retu-") as folder:
            made = Path(folder) / out.name
            writer(made)
            out.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(made, out)
        return
    if out.exists() and not (out / "ro-crate-metadata.json").is_file():
        raise InputError(f"--out {out}: is there, and is no RO-Crate; name another")
    replace_folder(out, writer)


def write_prov(chosen: ExportSelection, out: Path, agent: str | None) -> None:
    """Write PROV-JSON; InputError when the library is not installed."""
    document = import_exporter("prov").build_prov_document(chosen, agent)
    write_text(out, document.serialize(indent=1) + "\n")


def import_exporter(module: str) -> ModuleType:
    """A module of this package that needs a library which only exports use."""
    try:
        return import_module(f"retu.lineage.queries.{module}")
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name}: is not installed here; {INSTALL_COMMAND}") from error


def read_git_user(root: Path) -> str | None:
    """The name that git knows the user by; None when it knows none."""
    command = ["git", "config", "user.name"]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None
