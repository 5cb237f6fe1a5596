"""`retu lineage restore`: put recorded outputs, and all they were made from, back in place.

Only what the present code would make again is restored. Files are fetched, checked and laid ready
before the first is moved in; then Snakemake adopts them (`adopt`). Existing outputs that were made
from other bytes than those now in place are kept and reported.
"""

import argparse
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from retu.core.atomic_files import make_temporary_path
from retu.core.errors import InputError
from retu.core.hashing import hash_tree
from retu.core.text import format_quantity, print_lines
from retu.lineage.graph.dvc_lock import (
    DVC_LOCK_FILE,
    POINTERS_FOLDER,
    lock_pointers,
    read_dvc_lock,
)
from retu.lineage.graph.record_graph import RECORDED_FOLDERS, Lineage, read_lineage
from retu.lineage.graph.remedies import format_remake_command, format_run_command
from retu.lineage.graph.resolve import load_current_plan, resolve_subject
from retu.lineage.graph.stale_causes import is_record_current
from retu.lineage.graph.staleness import build_stale_report
from retu.lineage.record import Artefact
from retu.lineage.storage.adopt import adopt_outputs, check_not_running
from retu.lineage.storage.dvc_cache import (
    ChangedFileError,
    DvcCache,
    find_local_cache,
    remove_path,
)
from retu.lineage.storage.dvc_remote import fetch_objects
from retu.lineage.storage.history import find_absent_records, read_locked_lineage, read_past_lock
from retu.lineage.storage.stored_outputs import (
    add_copies,
    cache_data,
    check_output_paths,
    check_record_links,
    list_files,
    read_data_hashes,
    select_made_data,
)
from retu.planning.analysis_plan import AnalysisPlan

MAX_SHOWN_JOBS = 8
UNKNOWN_SIZE = -1


@dataclass(frozen=True)
class RestoreResult:
    """What a restore did: outputs put in place, outputs that were there, and contents set aside."""

    placed: tuple[Artefact, ...]
    present: int
    set_aside: tuple[str, ...]


def run_restore(options: argparse.Namespace) -> int:
    """Restore an output with its ancestors, or all outputs of a study at a git revision."""
    root, target = options.root, options.target
    # The path of an output, here or in the project, or else a revision.
    named = target.split("/")[0] in RECORDED_FOLDERS or Path(target).exists()
    path, study = resolve_subject(root, target if named else None, options.study)
    with lock_pointers(root, study):
        check_not_running(root, study)
        return restore_study(root, study, path, target)


def restore_study(root: Path, study: str, path: str | None, target: str) -> int:
    """Restore what lies behind a path of a study, or all of it at a revision (`target`).

    Returns the exit status: 1 when something had to stay out, or no longer fits afterwards.
    """
    hashes = read_past_lock(root, study, None if path else target)
    cache = find_local_cache(root)
    if cache is None:
        raise InputError(".dvc: is not in this project's folder; restore it from git")
    fetch_objects(
        root, cache, {md5: name for name, md5 in find_absent_records(root, cache, hashes).items()}
    )
    lineage = read_locked_lineage(root, study, cache, hashes)
    if lineage.damaged:
        raise InputError(next(iter(lineage.damaged.values())))
    plan = load_current_plan(root, lineage)
    asked = lineage.list_ancestors([require_producer(lineage, path)]) if path else lineage.order
    jobs = select_complete_jobs(
        lineage, [job for job in asked if is_record_current(lineage.records[job], plan)]
    )
    stale = [job for job in asked if job not in jobs]
    print_excluded_jobs(lineage, plan, stale)
    if path and stale:
        return 1
    done = restore_outputs(root, cache, lineage, hashes, jobs)
    if jobs:
        print("handing the files to Snakemake ...", flush=True)
        whole = not path and not stale and read_dvc_lock(root, study) == hashes
        also = [f"{POINTERS_FOLDER}/{study}/{DVC_LOCK_FILE}"] if whole else []
        adopt_outputs(root, plan, lineage, jobs, also)
    # Without its listing in the cache, `dvc status` calls the study's data changed.
    made = select_made_data(read_data_hashes(root), [lineage.records[job] for job in jobs])
    print_lines(cache_data(root, cache, made))
    print_restored(done, jobs)
    left = print_mismatches(root, study) if jobs else False
    return 1 if stale or left else 0


def print_mismatches(root: Path, study: str) -> bool:
    """Name the jobs in the work tree that read something else than what is there now."""
    lineage = read_lineage(root, study)
    found = list(lineage.find_mismatches(lineage.order, root))
    jobs = list(dict.fromkeys(misfit.job for misfit in found))
    for misfit in found[:MAX_SHOWN_JOBS]:
        print(f"does not fit: {misfit.job} read another {misfit.read.path} than is there now")
    if jobs:
        made = [lineage.records[job].outputs[0].path for job in jobs]
        print(
            f"{format_quantity(len(jobs))} did not read what is there now; make again what is"
            f" theirs ({format_remake_command(lineage, made)}) and then what came of it"
            f" ({format_run_command(lineage)})"
        )
    return bool(jobs)


def require_producer(lineage: Lineage, path: str) -> str:
    """The job that made an output; InputError when the pointers do not know it."""
    job = lineage.find_producer(path)
    if job is None:
        raise InputError(
            f"{path}: is not in {POINTERS_FOLDER}/{lineage.study}/{DVC_LOCK_FILE}; name another"
            " output, or a revision that has it"
        )
    return job


def select_complete_jobs(lineage: Lineage, jobs: Sequence[str]) -> list[str]:
    """The jobs, in the order given, without those that come after a job that is not among them."""
    kept: dict[str, None] = {}
    for job in jobs:
        if all(parent in kept for parent in lineage.list_parents(job)):
            kept[job] = None
    return list(kept)


def print_excluded_jobs(lineage: Lineage, plan: AnalysisPlan, jobs: Sequence[str]) -> None:
    """Name the jobs that other code, settings or inputs made, with the reasons; they stay out."""
    found = build_stale_report(lineage, plan).reasons if jobs else {}
    for job in jobs[:MAX_SHOWN_JOBS]:
        reasons = "; ".join(map(str, found.get(job, ())[:2]))
        print(f"not restored, made otherwise than now: {job} ({reasons})")
    if len(jobs) > MAX_SHOWN_JOBS:
        print(f"not restored, made otherwise than now: {len(jobs) - MAX_SHOWN_JOBS} more")
    if jobs:
        commit = lineage.records[jobs[0]].git.commit
        how = f" (git worktree add --detach ../{commit[:12]} {commit})" if commit else ""
        print(f"To have them as they were, check out the revision that made them{how}.")


def restore_outputs(
    root: Path, cache: DvcCache, lineage: Lineage, hashes: dict[str, str], jobs: Sequence[str]
) -> RestoreResult:
    """Fetch, check and lay ready the outputs and records of jobs, then move all of them in.

    Raises:
        InputError: something cannot be had whole, then nothing was moved; or as `place_outputs`.
    """
    # The size of a record is not known before it is there.
    outputs = [
        made
        for job in jobs
        for made in (
            *lineage.records[job].outputs,
            Artefact(path=job, md5=hashes[job], size=UNKNOWN_SIZE),
        )
    ]
    check_output_paths(lineage.study, outputs)
    check_record_links(lineage, jobs)
    wanted = [made for made in outputs if not is_in_place(root, made)]
    ensure_files_cached(root, cache, wanted)
    aside = place_outputs(root, cache, wanted)
    return RestoreResult(tuple(wanted), len(outputs) - len(wanted), tuple(aside))


def place_outputs(root: Path, cache: DvcCache, wanted: Sequence[Artefact]) -> list[str]:
    """Lay outputs ready, keep what they replace, and move all of them in.

    Returns:
        A line on everything that was replaced.

    Raises:
        InputError: something changed or failed meanwhile; says how far it came.
    """
    ready: list[tuple[Path, Path]] = []
    aside: list[str] = []
    moved = 0
    try:
        for made in wanted:
            ready.append((prepare_output(root, cache, made), root / made.path))
        for _, target in ready:
            aside += back_up_output(root, cache, target)
        for temporary, target in ready:
            swap_into_place(temporary, target)
            moved += 1
    except ChangedFileError as error:
        raise InputError(
            f"{cache.folder}: an object, or an output that it was to replace, has just changed;"
            " nothing was put in place; run again"
        ) from error
    except OSError as error:
        count = f"{moved} of {format_quantity(len(wanted), 'output')}"
        some = f"{count} were put in place, the others are as they were"
        state = some if moved else "nothing was put in place"
        raise InputError(
            f"{error.filename or root}: {error.strerror}; {state}; mend that and run again"
        ) from error
    finally:
        for temporary, _ in ready:
            remove_path(temporary)
    return aside


def is_in_place(root: Path, made: Artefact) -> bool:
    """Whether an output is there with the recorded content; reads it when the size is right."""
    path = root / made.path
    if path.is_file() and made.size not in (UNKNOWN_SIZE, path.stat().st_size):
        return False
    return path.exists() and hash_tree(path).md5 == made.md5


def ensure_files_cached(root: Path, cache: DvcCache, wanted: Iterable[Artefact]) -> None:
    """Have every file of the outputs whole in the cache; damaged objects are fetched again."""
    lacking = {}
    for made in wanted:
        for path, file in list_files(made):
            if not cache.is_intact(file.md5):
                lacking[file.md5] = path
        if made.is_folder:
            cache.add_listing(made.files, made.md5)
    fetch_objects(root, cache, lacking)


def prepare_output(root: Path, cache: DvcCache, made: Artefact) -> Path:
    """Put an output beside its place under another name."""
    target = root / made.path
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = make_temporary_path(target)
    try:
        if made.is_folder:
            temporary.mkdir()
        for _, file in list_files(made):
            inside = temporary / file.path if made.is_folder else temporary
            inside.parent.mkdir(parents=True, exist_ok=True)
            cache.place_object(file.md5, inside, link=made.is_folder)
    except BaseException:
        remove_path(temporary)
        raise
    return temporary


def swap_into_place(temporary: Path, target: Path) -> None:
    """Put a file or folder in the place of what is there; a folder changes places with it."""
    if not target.is_dir():
        temporary.replace(target)
        return
    old = make_temporary_path(target)
    target.rename(old)
    try:
        temporary.rename(target)
    except OSError:
        old.rename(target)
        raise
    old.rename(temporary)


def back_up_output(root: Path, cache: DvcCache, target: Path) -> list[str]:
    """Keep the content of an output that is about to be replaced in the cache; a line on it."""
    if not target.exists():
        return []
    name = target.relative_to(root).as_posix()
    found = Artefact.from_tree(name, hash_tree(target), listed=True)
    # The old output must not be deleted unless the copy in the cache is intact.
    add_copies(root, cache, found)
    kept = os.path.relpath(cache.get_object_path(found.md5), root)
    return [f"{name}: was different; what it was is kept as {kept}"]


def print_restored(done: RestoreResult, jobs: Sequence[str]) -> None:
    """Say what was done."""
    print_lines(done.set_aside)
    size = sum(made.size for made in done.placed if made.size > 0)
    print(
        f"{len(jobs)} jobs: {len(done.placed)} outputs restored ({size / 1e6:.1f} MB),"
        f" {done.present} were in place"
    )
