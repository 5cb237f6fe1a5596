"""Check all results of a study byte by byte, then make again what is missing, edited or stale.

Examples:

    retu update                        everything that the report of config.yaml's study rests on
    retu update table_4 --study smoke  one artefact and all behind it
    retu update -n                     only say what would be made again, and why
    retu update -- --cores 1           what follows -- goes to Snakemake as it is

`snakemake` alone looks no further than the report: while that is there and newer than what it was
made from, a file that was deleted or edited in between is not missed.
"""

import argparse
import csv
import io
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from retu.core.errors import InputError
from retu.core.hashing import TreeHash
from retu.core.text import format_quantity, join_names
from retu.lineage.graph.record_graph import Lineage, read_lineage
from retu.lineage.graph.resolve import load_current_plan, resolve_study
from retu.lineage.graph.stale_causes import is_record_current
from retu.lineage.queries.verify_checks import hash_artefacts
from retu.planning.analysis_plan import AnalysisPlan
from retu.planning.stages import ROOT

ALL_TARGET = "all"
MAX_NAMED_FAULTS = 4


@dataclass(frozen=True)
class Fault:
    """An output that is not what it should be: missing, edited or stale."""

    path: str
    kind: str


def add_arguments(to: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    to.add_argument("targets", nargs="*", metavar="TARGET", help="as for snakemake (default: all)")
    to.add_argument("--study", help="name of the study (default: that of config.yaml)")
    to.add_argument("-n", "--dry-run", action="store_true", help="make nothing")


def main(options: argparse.Namespace) -> int:
    """Find what is not as it should be and have Snakemake make it again; returns its status.

    Raises:
        InputError: there is no such study or target.
    """
    study = resolve_study(ROOT, options.study)
    # Targets come first: Snakemake takes all that follows --config for settings.
    own = [word for word in options.targets if not word.startswith("-")]
    passed = options.targets[len(own) :]
    targets = own or [ALL_TARGET]
    try:
        lineage = read_lineage(ROOT, study)
    except InputError:
        list_outputs(ROOT, [*targets, "--config", f"study={study}"])  # a wrong target comes first
        raise
    plan = load_current_plan(ROOT, lineage)
    config = ["--config", *format_plan_settings(plan)]
    outputs = list_outputs(ROOT, [*targets, *config])
    faults = list(find_faults(ROOT, lineage, plan, outputs))
    print(f"study {study}: {describe_faults(faults, len(outputs))}", flush=True)
    missing = [fault.path for fault in faults if fault.kind == "missing"]
    again = [fault.path for fault in faults if fault.kind != "missing"]
    command = [*targets, *missing, *(["--forcerun", *again] if again else [])]
    command += [*(["--dry-run"] if options.dry_run else []), *passed, *config]
    return subprocess.run([*build_snakemake_command(), *command], cwd=ROOT, check=False).returncode


def build_snakemake_command() -> list[str]:
    """Snakemake of this environment."""
    return [sys.executable, "-m", "snakemake"]


def format_plan_settings(plan: AnalysisPlan) -> list[str]:
    """The settings under which Snakemake plans the same study."""
    branching = plan.config.branching
    return [f"study={plan.config.study}", *([f"branching={branching}"] if branching else [])]


def list_outputs(root: Path, words: Sequence[str]) -> dict[str, bool]:
    """Every file that targets rest on, by Snakemake's own graph -> whether it is there.

    Raises:
        InputError: Snakemake cannot plan the targets; its last line says why.
    """
    command = [*build_snakemake_command(), "--summary", *words]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise InputError((said or ["snakemake --summary says nothing"])[-1].removeprefix("error: "))
    rows = csv.DictReader(io.StringIO(done.stdout), delimiter="\t")
    return {row["output_file"]: row["status"] != "missing" for row in rows}


def find_faults(
    root: Path, lineage: Lineage, plan: AnalysisPlan, outputs: dict[str, bool]
) -> Iterator[Fault]:
    """Outputs that are missing, that differ from their record, or whose record is out of date.

    Args:
        root: the project.
        lineage: the records of the study.
        plan: of today.
        outputs: those that count -> whether they are there.
    """
    yield from (Fault(path, "missing") for path, there in outputs.items() if not there)
    jobs = [job for job in lineage.records if outputs.get(job)]
    found = hash_artefacts(root, (made for job in jobs for made in lineage.records[job].outputs))
    misfits = {misfit.job for misfit in lineage.find_mismatches(jobs, root)}
    for job in jobs:
        made = lineage.records[job].outputs
        edited = [one.path for one in made if is_edited(found.get(one.path), one.md5)]
        yield from (Fault(path, "edited") for path in edited)
        if edited:
            continue
        if job in misfits or not is_record_current(lineage.records[job], plan):
            yield Fault(job, "stale")
    yield from (Fault(path, "edited") for path in lineage.damaged if outputs.get(path))


def is_edited(tree: TreeHash | OSError | None, md5: str) -> bool:
    """Whether an output that is there has other bytes than its record says."""
    return tree is not None and (isinstance(tree, OSError) or tree.md5 != md5)


def describe_faults(faults: Iterable[Fault], count: int) -> str:
    """What was found, in a line."""
    kinds: dict[str, list[str]] = {}
    for fault in faults:
        kinds.setdefault(fault.kind, []).append(fault.path)
    if not kinds:
        return f"{format_quantity(count, 'output')} as recorded"
    parts = [
        f"{len(paths)} {kind} ({join_names(paths, MAX_NAMED_FAULTS)})"
        for kind, paths in kinds.items()
    ]
    return f"of {format_quantity(count, 'output')} {'; '.join(parts)}: made again with what follows"
