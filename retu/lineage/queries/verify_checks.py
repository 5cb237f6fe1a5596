"""The single checks of `verify`: each tells what is wrong, where, what to do and what it touches.

A check sees a study as `CheckedStudy`: the records that are whole, and those that are not but still
tell where they belong. Nothing here trusts one file: a record is held against the files it names,
the records before and after it, the pointers that DVC keeps of it, and the project of today.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from retu.core.hashing import TreeHash, compute_md5, hash_tree, hash_trees, list_files_below
from retu.core.text import format_quantity
from retu.lineage.graph.edited_files import describe_file_change, locate_source
from retu.lineage.graph.record_graph import RECORDED_FOLDERS
from retu.lineage.graph.remedies import (
    find_targets,
    format_lineage_command,
    format_remake_command,
    format_run_command,
)
from retu.lineage.graph.staleness import build_stale_report
from retu.lineage.graph.subgraph import REGRADED_FOLDER
from retu.lineage.queries.verify_findings import CheckedStudy, FindingKind, IntegrityFinding
from retu.lineage.record import RECORD_SUFFIX, UPDATE_REMEDY, Artefact, JobRecord, find_seeds
from retu.lineage.storage.stored_outputs import DATA_POINTER, read_data_hashes
from retu.planning.analysis_plan import AnalysisPlan


def check_jobs(
    study: CheckedStudy,
    jobs: Iterable[str],
    found: Mapping[str, TreeHash | OSError],
    partial: bool = False,
) -> Iterator[IntegrityFinding]:
    """Inputs, outputs, facts and pointers of jobs; `found` and `partial` as in `check_outputs`."""
    for job in jobs:
        yield from check_inputs(study, job)
        yield from check_outputs(study, job, found, partial)
        if job not in study.lineage.damaged:
            yield from check_record_facts(study, job)
            yield from check_pointers(study, job)


def check_records(study: CheckedStudy, stray: Sequence[str]) -> Iterator[IntegrityFinding]:
    """Records that are cut off, changed, no records at all, or newer than this project.

    `stray` are the paths without a record, including those that an unreadable record described.
    """
    for path, message in study.lineage.damaged.items():
        told, _, remedy = message.removeprefix(f"{path}: ").rpartition("; ")
        if remedy != UPDATE_REMEDY:
            remedy = study.describe_recovery(path)
        if path in study.lineage.unsealed:
            yield study.make_finding("damaged", path, told, remedy, [path], path)
            continue
        own = [name for name in stray if find_lost_record(study, name) == path]
        found = study.make_finding("damaged", path, told, remedy, study.find_readers(own))
        yield replace(found, downstream=(*own, *found.downstream))


def find_lost_record(study: CheckedStudy, path: str) -> str | None:
    """The unreadable record of a path that has none: the one in the nearest folder above it."""
    folders = {PurePosixPath(path), *PurePosixPath(path).parents}
    above = [record for record in study.lost_records if get_output_folder(record) in folders]
    return max(above, key=lambda record: len(get_output_folder(record).parts), default=None)


def get_output_folder(record: str) -> PurePosixPath:
    """The folder that a record's outputs lie in; data/STUDY.record.json lies beside its own."""
    path = PurePosixPath(record)
    inside = path.parent
    return inside / path.name.removesuffix(RECORD_SUFFIX) if len(path.parts) == 2 else inside


def find_unrecorded_paths(study: CheckedStudy) -> list[str]:
    """Files of a study that no record tells of, and inputs of jobs that nothing has made.

    Where nothing in a folder is known, the folder stands for its files.
    """
    graph = study.graph
    records = {*graph.records, *graph.damaged}
    names = {*graph.outputs, *records}
    folders = {parent for name in names for parent in PurePosixPath(name).parents}
    found: dict[str, None] = {}
    orphans = (path for job in graph.records for path in graph.list_orphan_inputs(job))
    for path in [*list_study_files(study.root, graph.study), *orphans]:
        if path not in records and graph.find_producer(path) is None:
            above = [*reversed(PurePosixPath(path).parents), PurePosixPath(path)]
            found[str(next(part for part in above if part not in folders))] = None
    return sorted(found)


def list_study_files(root: Path, study: str) -> Iterator[str]:
    """Every file below results/STUDY and data/STUDY but logs."""
    for folder in (root / tree / study for tree in RECORDED_FOLDERS):
        if folder.is_dir():
            for path in list_files_below(folder):
                if not path.is_relative_to(root / "results" / study / "logs"):
                    yield path.relative_to(root).as_posix()


def check_unrecorded(study: CheckedStudy, paths: Iterable[str]) -> Iterator[IntegrityFinding]:
    """Outputs without a record, unless a record that is lost accounts for them."""
    for path in paths:
        if find_lost_record(study, path) is None:
            there = (study.root / path).exists()
            problem = "has no record" if there else "is missing, and so is its record"
            remedy = describe_origin_remedy(study, path)
            readers = study.find_readers([path])
            yield study.make_finding("unrecorded", path, problem, remedy, readers)


def describe_origin_remedy(study: CheckedStudy, path: str) -> str:
    """What to do about a path without a record: have a rule make it, or keep it elsewhere."""
    known = find_targets(study.graph, path, study.lock_hashes)
    if known:
        return f"make it again, with a record ({format_remake_command(study.graph, known)})"
    return (
        f"keep it elsewhere if it is yours; whatever a rule makes comes with a record"
        f" ({format_run_command(study.graph)})"
    )


def check_inputs(study: CheckedStudy, job: str) -> Iterator[IntegrityFinding]:
    """Inputs that are not what the record of their maker, if that is whole, says it made."""
    record = study.graph.records[job]
    for found in study.graph.find_mismatches([job], study.root):
        if found.maker not in study.lineage.damaged:
            read = found.read
            problem = (
                f"{record.rule} read another {read.path} ({read.md5[:8]}) than {found.maker} tells"
                f" of ({found.made[:8]})"
            )
            remedy = f"make it again ({format_remake_command(study.graph, [record.first_output])})"
            yield study.make_finding("link", job, problem, remedy, [job], job)


def hash_outputs(study: CheckedStudy, jobs: Iterable[str]) -> dict[str, TreeHash | OSError]:
    """What the outputs of jobs are now, as far as they are there, for `check_outputs`."""
    made = [artefact for job in jobs for artefact in study.graph.records[job].outputs]
    return hash_artefacts(study.root, made)


def hash_artefacts(root: Path, artefacts: Iterable[Artefact]) -> dict[str, TreeHash | OSError]:
    """Hash every artefact that is there, all files side by side; or the error of one that fails."""
    paths = [artefact.path for artefact in artefacts if (root / artefact.path).exists()]
    try:
        return dict(zip(paths, hash_trees(root / path for path in paths), strict=True))
    except OSError:
        # One of them cannot be read: find out which. What was read is not read again.
        return {path: try_hash(root / path) for path in paths}


def try_hash(path: Path) -> TreeHash | OSError:
    """The hash of a file or folder, or why there is none."""
    try:
        return hash_tree(path)
    except OSError as error:
        return error


def check_outputs(
    study: CheckedStudy, job: str, found: Mapping[str, TreeHash | OSError], partial: bool = False
) -> Iterator[IntegrityFinding]:
    """Outputs whose bytes are not those recorded, or that are missing (unless `partial`)."""
    record = study.graph.records[job]
    for artefact in record.outputs:
        tree = found.get(artefact.path)
        if tree is None and partial:
            continue
        for kind, path, problem in diff_artefact(record, artefact, tree):
            remedy = study.describe_recovery(artefact.path)
            readers = study.find_readers([artefact.path])
            yield study.make_finding(kind, path, problem, remedy, readers, job)


def diff_artefact(
    record: JobRecord, artefact: Artefact, tree: TreeHash | OSError | None
) -> Iterator[tuple[FindingKind, str, str]]:
    """Kind, file and problem of all that differs between an artefact and its record."""
    if tree is None:
        yield "missing", artefact.path, f"{record.rule} made it, and it is not there"
        return
    if isinstance(tree, OSError):
        yield "broken", artefact.path, f"cannot be read ({tree.filename}: {tree.strerror})"
        return
    if tree.md5 == artefact.md5:
        return
    then = {file.path for file in artefact.files}
    now = {file.path for file in tree.files} if tree.is_folder else set()
    changed = artefact.list_changes(tree)
    if not then or not now or not changed:
        hashes = f"{tree.md5[:8]}, recorded {artefact.md5[:8]}"
        yield "broken", artefact.path, f"is not what {record.rule} wrote (md5 {hashes})"
        return
    for name in changed:
        state = describe_file_change(record.rule, name, then, now)
        yield "broken", f"{artefact.path}/{name}", state


def check_record_facts(study: CheckedStudy, job: str) -> Iterator[IntegrityFinding]:
    """What a record says that cannot be: seeds, wildcards, outputs of another job."""
    record = study.graph.records[job]
    seeds = sorted(find_seeds([record.spec, record.wildcards]))
    problems = []
    if record.seeds != seeds:
        problems.append(f"tells the seeds {record.seeds}, and its specification {seeds}")
    for name, value in record.wildcards.items():
        if value not in job:
            problems.append(f"tells {name}={value}, which the path of the record does not hold")
        told = record.spec.get(name, value) if isinstance(record.spec, dict) else value
        if name in ("seed", "sft_step") and str(told) != value:
            problems.append(f"tells {name}={value}, and its specification {told}")
    others = {study.graph.outputs[artefact.path] for artefact in record.outputs} - {job}
    problems += [f"tells of outputs that {other} tells of too" for other in sorted(others)]
    for problem in problems:
        yield study.make_finding("false", job, problem, study.describe_recovery(job), [job], job)


def check_pointers(study: CheckedStudy, job: str) -> Iterator[IntegrityFinding]:
    """A record, or what it says of its outputs, that is not what DVC's lock says, if there is one.

    Files that the lock does not list are not protected: somebody could have changed a file together
    with its record. Grades by another grader stand beside the study and are made after its lock:
    they may lack.
    """
    record, lock = study.graph.records[job], study.lock_hashes
    if not lock:
        return
    where = f"lineage/{study.graph.study}/dvc.lock"
    again = format_lineage_command(study.graph, "record")
    if job not in lock:
        if REGRADED_FOLDER not in Path(job).parts:
            remedy = f"record it ({again}) if {record.rule} made it here"
            problem = f"{where} has no stage for it"
            yield study.make_finding("pointer", job, problem, remedy, [job], job)
        return
    if lock[job] != compute_md5(study.root / job):
        problems = [(job, f"is not the record that {where} names")]
    else:
        other = f"{where} names another hash of it than its record"
        problems = [
            (made.path, other)
            for made in record.outputs
            if lock.get(made.path, made.md5) != made.md5
        ]
    for path, problem in problems:
        ran = f"record it if you ran {record.rule} again ({again}), or"
        remedy = f"{ran} {study.describe_recovery(job)}"
        yield study.make_finding("pointer", path, problem, remedy, [job], job)


def check_local_inputs(study: CheckedStudy, jobs: Iterable[str]) -> Iterator[IntegrityFinding]:
    """Files of a mirror that are not what jobs read, as far as they are here."""
    records = [study.graph.records[job] for job in jobs if job not in study.lineage.damaged]
    for record, source in ((r, source) for r in records for source in r.sources):
        place, job = locate_source(study.root, source), record.path
        if place and compute_md5(study.root / place) != source.md5:
            again = format_remake_command(study.graph, [record.first_output])
            problem = f"is not what {record.rule} read"
            remedy = f"put it back, or make again what came of it ({again})"
            yield study.make_finding("source", place, problem, remedy, [job], job)


def check_data_pointer(study: CheckedStudy) -> Iterator[IntegrityFinding]:
    """The study's data, if the project's data.dvc describes it and they differ."""
    path = f"data/{study.graph.study}"
    told = read_data_hashes(study.root).get(path)
    if told and (study.root / path).is_dir() and hash_tree(study.root / path).md5 != told:
        problem = f"is not what data.dvc describes ({told[:8]})"
        remedy = (
            f"restore it (dvc checkout --force {DATA_POINTER}), or describe it anew"
            f" (dvc commit --force {DATA_POINTER})"
        )
        yield study.make_finding("pointer", path, problem, remedy, study.find_readers([path]))


def check_staleness(
    study: CheckedStudy, plan: AnalysisPlan, jobs: Iterable[str]
) -> Iterator[IntegrityFinding]:
    """Jobs that other code, environments, facts or settings made than those of today."""
    chosen = set(jobs)
    for root in build_stale_report(study.lineage, plan).roots:
        made = [job for job in root.jobs if job in chosen]
        if made:
            rules = ", ".join(dict.fromkeys(study.graph.records[job].rule for job in made))
            count = format_quantity(len(made))
            problem = f"{root.cause.what}; {count} ran before that ({rules})"
            remedy = f"run the study again ({format_run_command(study.graph)}) or undo the change"
            touched = (*root.jobs, *root.downstream)
            yield study.make_finding("stale", root.cause.path, problem, remedy, touched, made[0])
