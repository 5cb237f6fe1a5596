"""`retu lineage restore`: put recorded outputs, and all they were made from, back in place.

Only what the present code would make again is restored. Files are fetched, checked and laid ready
before the first is moved in; then Snakemake adopts them (`adopt`). What was made from other bytes
than those now in place stays, and is named.
"""

import argparse
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from retu.core.errors import InputError
from retu.core.hashing import folder_listing, hash_tree
from retu.core.text import counted, listed
from retu.lineage.graph.dvc_lock import FOLDER, LOCK, locked, read_lock
from retu.lineage.graph.record_graph import TREES, Lineage, read_lineage, study_of
from retu.lineage.graph.resolve import chosen_study, output_path, present_plan
from retu.lineage.graph.stale_causes import is_current
from retu.lineage.graph.staleness import why_stale
from retu.lineage.record import Artefact
from retu.lineage.storage.adopt import adopt, refuse_running
from retu.lineage.storage.dvc_cache import Cache, ChangedError, free_name, local_cache, remove
from retu.lineage.storage.dvc_remote import fetch
from retu.lineage.storage.history import absent_records, lineage_from, lock_at
from retu.lineage.storage.stored_outputs import (
    check_links,
    check_paths,
    data_hashes,
    files_in,
    keep_data,
)
from retu.planning.stages import AnalysisPlan

SHOWN = 8
NOTHING = "nothing was put in place"


@dataclass(frozen=True)
class Restored:
    """What a restore did: outputs put in place, outputs that were there, and contents set aside."""

    placed: tuple[Artefact, ...]
    present: int
    set_aside: tuple[str, ...]


def run_restore(options: argparse.Namespace) -> int:
    """Restore an output with its ancestors, or all outputs of a study at a git revision."""
    root: Path = options.root
    path = output_path(root, options.target) if is_output(options.target) else None
    study = study_of(path) if path else chosen_study(root, options.study)
    with locked(root, study):
        refuse_running(root, study)
        return restore_study(root, study, path, options.target)


def restore_study(root: Path, study: str, path: str | None, target: str) -> int:
    """Restore what lies behind a path of a study, or all of it at a revision (`target`).

    Returns the exit status: 1 when something had to stay out, or no longer fits afterwards.
    """
    hashes = lock_at(root, study, None if path else target)
    cache = local_cache(root)
    if cache is None:
        raise InputError(".dvc: is not in this project's folder; restore it from git")
    fetch(root, cache, {md5: name for name, md5 in absent_records(root, cache, hashes).items()})
    lineage = lineage_from(root, study, cache, hashes)
    if lineage.damaged:
        raise InputError(next(iter(lineage.damaged.values())))
    plan = present_plan(root, lineage)
    asked = lineage.ancestors([producer(lineage, path)]) if path else lineage.order
    jobs = closed(lineage, [job for job in asked if is_current(lineage.records[job], plan)])
    stale = tell_stale(lineage, plan, [job for job in asked if job not in jobs])
    if path and stale:
        return 1
    done = restore(root, cache, lineage, hashes, jobs)
    if jobs:
        print("handing the files to Snakemake ...", flush=True)
        whole = not path and not stale and read_lock(root, study) == hashes
        adopt(root, plan, lineage, jobs, [f"{FOLDER}/{study}/{LOCK}"] if whole else [])
    # Without its listing in the cache, `dvc status` calls the study's data changed.
    notes = keep_data(root, cache, data_behind(root, lineage, jobs))
    print(*notes, sep="\n", end="\n" if notes else "")
    tell(done, jobs)
    left = tell_misfits(root, study) if jobs else False
    return 1 if stale or left else 0


def data_behind(root: Path, lineage: Lineage, jobs: Iterable[str]) -> dict[str, str]:
    """Path -> hash of what data.dvc describes and one of the jobs has made."""
    made = [output.path for job in jobs for output in lineage.records[job].outputs]
    described = data_hashes(root)
    return {
        name: md5
        for name, md5 in described.items()
        if any(path == name or path.startswith(f"{name}/") for path in made)
    }


def tell_misfits(root: Path, study: str) -> bool:
    """Name the jobs in the work tree that read something else than what is there now."""
    lineage = read_lineage(root, study)
    found = list(lineage.misfits(lineage.order, root))
    jobs = list(dict.fromkeys(misfit.job for misfit in found))
    for misfit in found[:SHOWN]:
        print(f"does not fit: {misfit.job} read another {misfit.read.path} than is there now")
    if jobs:
        after = [made.path for job in (*jobs, *lineage.descendants(jobs))
                 for made in lineage.records[job].outputs]  # fmt: skip
        print(
            f"{counted(len(jobs))} did not read what is there now; delete their outputs and what"
            f" came of them, and run the workflow again: {listed(after, SHOWN)}"
        )
    return bool(jobs)


def is_output(target: str) -> bool:
    """Whether an argument is the path of an output, here or in the project, and no revision."""
    return target.split("/")[0] in TREES or Path(target).exists()


def producer(lineage: Lineage, path: str) -> str:
    """The job that made an output; InputError when the pointers do not know it."""
    job = lineage.producer(path)
    if job is None:
        raise InputError(
            f"{path}: is not in {FOLDER}/{lineage.study}/{LOCK}; name another output, or a revision"
            " that has it"
        )
    return job


def closed(lineage: Lineage, jobs: Sequence[str]) -> list[str]:
    """The jobs, in the order given, without those that come after a job that is not among them."""
    kept: dict[str, None] = {}
    for job in jobs:
        if all(parent in kept for parent in lineage.parents(job)):
            kept[job] = None
    return list(kept)


def tell_stale(lineage: Lineage, plan: AnalysisPlan, jobs: Sequence[str]) -> list[str]:
    """Name the jobs that other code, settings or inputs made, with the reasons; they stay out."""
    for job in jobs[:SHOWN]:
        reasons = why_stale(lineage.records[job], plan, lineage)
        print(f"not restored, made otherwise than now: {job} ({'; '.join(reasons[:2])})")
    if len(jobs) > SHOWN:
        print(f"not restored, made otherwise than now: {len(jobs) - SHOWN} more")
    if jobs:
        commit = lineage.records[jobs[0]].git.commit
        how = f" (git worktree add --detach ../{commit[:12]} {commit})" if commit else ""
        print(f"To have them as they were, check out the revision that made them{how}.")
    return list(jobs)


def restore(
    root: Path, cache: Cache, lineage: Lineage, hashes: dict[str, str], jobs: Sequence[str]
) -> Restored:
    """Fetch, check and lay ready the outputs and records of jobs, then move all of them in.

    Raises:
        InputError: something cannot be had whole, then nothing was moved; or moving failed, and
            how far it came.
    """
    outputs = [
        made for job in jobs for made in (*lineage.records[job].outputs, record_file(job, hashes))
    ]
    check_paths(lineage.study, outputs)
    check_links(lineage, jobs)
    wanted = [made for made in outputs if not in_place(root, made)]
    obtain(root, cache, wanted)
    ready: list[tuple[Path, Path]] = []
    aside: list[str] = []
    moved = 0
    try:
        for made in wanted:
            ready.append((lay_ready(root, cache, made), root / made.path))
        for _, target in ready:
            aside += set_aside(root, cache, target)
        for temporary, target in ready:
            move_in(temporary, target)
            moved += 1
    except ChangedError as error:
        raise InputError(
            f"{cache.folder}: an object, or an output that it was to replace, has just changed;"
            " nothing was put in place; run again"
        ) from error
    except OSError as error:
        count = f"{moved} of {counted(len(wanted), 'output')}"
        state = f"{count} were put in place, the others are as they were" if moved else NOTHING
        raise InputError(
            f"{error.filename or root}: {error.strerror}; {state}; mend that and run again"
        ) from error
    finally:
        for temporary, _ in ready:
            remove(temporary)
    return Restored(tuple(wanted), len(outputs) - len(wanted), tuple(aside))


def record_file(job: str, hashes: dict[str, str]) -> Artefact:
    """The record of a job as a file; its size is not known before it is there."""
    return Artefact(path=job, md5=hashes[job], size=-1)


def in_place(root: Path, made: Artefact) -> bool:
    """Whether an output is there with the recorded content; reads it when the size is right."""
    path = root / made.path
    if not path.exists() or (
        made.size >= 0 and path.is_file() and path.stat().st_size != made.size
    ):
        return False
    return hash_tree(path).md5 == made.md5


def obtain(root: Path, cache: Cache, wanted: Iterable[Artefact]) -> None:
    """Have every file of the outputs whole in the cache; damaged objects are fetched again."""
    lacking = {}
    for made in wanted:
        for path, file in files_in(made):
            if not cache.intact(file.md5):
                lacking[file.md5] = path
        if made.md5.endswith(".dir"):
            cache.keep_bytes(folder_listing(made.files), made.md5)
    fetch(root, cache, lacking)


def lay_ready(root: Path, cache: Cache, made: Artefact) -> Path:
    """Put an output beside its place under another name."""
    target = root / made.path
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary, folder = free_name(target), made.md5.endswith(".dir")
    try:
        if folder:
            temporary.mkdir()
        for _, file in files_in(made):
            inside = temporary / file.path if folder else temporary
            inside.parent.mkdir(parents=True, exist_ok=True)
            cache.give(file.md5, inside, link=folder)
    except BaseException:
        remove(temporary)
        raise
    return temporary


def move_in(temporary: Path, target: Path) -> None:
    """Put a file or folder in the place of what is there; a folder changes places with it."""
    if not target.is_dir():
        temporary.replace(target)
        return
    old = free_name(target)
    target.rename(old)
    try:
        temporary.rename(target)
    except OSError:
        old.rename(target)
        raise
    old.rename(temporary)


def set_aside(root: Path, cache: Cache, target: Path) -> list[str]:
    """Keep the content of an output that is about to be replaced in the cache; a line on it."""
    if not target.exists():
        return []
    found = hash_tree(target)
    for file in found.files:
        source = target / file.path if found.is_folder else target
        # Hashed a moment ago, and not read again: it must not go if what is kept is not whole.
        cache.keep(source, file.md5, file.size, since=0.0, link=False)
    if found.is_folder:
        cache.keep_bytes(folder_listing(found.files), found.md5)
    name, kept = target.relative_to(root), os.path.relpath(cache.path(found.md5), root)
    return [f"{name}: was different; what it was is kept as {kept}"]


def tell(done: Restored, jobs: Sequence[str]) -> None:
    """Say what was done."""
    print(*done.set_aside, sep="\n", end="\n" if done.set_aside else "")
    size = sum(made.size for made in done.placed if made.size > 0)
    print(
        f"{len(jobs)} jobs: {len(done.placed)} outputs restored ({size / 1e6:.1f} MB),"
        f" {done.present} were in place"
    )
