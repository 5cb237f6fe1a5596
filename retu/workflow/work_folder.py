"""A work folder as a run finds it: the lock and the leftovers of a killed run are cleared first.

Nothing is cleared while it is in doubt: not the lock of a run on another host, nor one that no run
accounts for, nor one whose jobs wait in SLURM's queue.
"""

import atexit
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from retu.cluster.controller import Liveness, read_controllers, read_process_start
from retu.cluster.orphans import ORPHAN_REMEDIES, join_job_ids, survey_jobs
from retu.core.atomic_files import TEMPORARY
from retu.core.errors import InputError
from retu.core.text import format_quantity, join_names
from retu.workflow.active_runs import (
    RUN_VARIABLE,
    SnakemakeRun,
    describe_run,
    get_run_file,
    read_runs,
    remove_run,
    write_run,
)
from retu.workflow.run_processes import describe_work, end_processes, find_processes

LOCKS = Path(".snakemake", "locks")
SWEPT_FOLDERS = ("results", "data", "lineage", ".dvc/cache")
MAX_NAMED_PROCESSES = 4


def enter_folder(root: Path, study: str) -> str | None:
    """Register this process as a run and clear what killed runs left behind.

    Returns:
        The reason, to show to the user, why a remaining lock is kept; None if the folder is free.

    Raises:
        InputError: jobs of a killed run do not end.
    """
    own = describe_run(study)
    os.environ[RUN_VARIABLE] = own.tag
    # Written before the others are read: of two that start at once, one at least sees the other.
    write_run(root, own)
    atexit.register(leave_folder, root, own)
    others = read_runs(root)
    living = [run for run in others if run.liveness is not Liveness.DEAD]
    dead = [run for run in others if run.liveness is Liveness.DEAD]
    if living:
        return describe_living_runs(living)
    if waiting := describe_queue(root):
        return waiting
    end_orphans(dead)
    locks = list((root / LOCKS).glob("*.lock"))
    if locks and not dead:
        return describe_unowned_lock(study)
    if locks:
        shutil.rmtree(root / LOCKS)
        print_notice(
            f"cleared the lock of a run that was killed ({dead[-1].name}); going on from there"
        )
    sweep_temporaries(root)
    for run in dead:
        remove_run(root, run)
    return None


def leave_folder(root: Path, own: SnakemakeRun) -> None:
    """Forget this run as it ends; a process that was forked from it leaves its file alone."""
    if os.getpid() == own.pid and get_run_file(root, own).parent.is_dir():
        remove_run(root, own)


def describe_living_runs(living: Sequence[SnakemakeRun]) -> str:
    """Whose the lock may be, what those runs do, and how to go on."""
    here = [run for run in living if run.liveness is Liveness.ALIVE]
    if here:
        work = describe_work(find_processes(here))
        return (
            f"another Snakemake works in this folder ({here[-1].name}), busy with {work}; wait for"
            " its end or stop it with Ctrl-C, then run the same command again"
        )
    return (
        f"a Snakemake that cannot be seen from here may work in this folder ({living[-1].name});"
        f" look there, and if it has ended: snakemake --unlock --config study={living[-1].study}"
    )


def describe_unowned_lock(study: str) -> str:
    """What to do about a lock that no run accounts for."""
    return (
        "the folder is locked, and nothing tells by whom; if no Snakemake works in it, here or on"
        f" another host: snakemake --unlock --config study={study}"
    )


def describe_queue(root: Path) -> str | None:
    """Jobs of this folder in SLURM's queue, if any were ever submitted from it."""
    if not read_controllers(root):
        return None
    try:
        claims = survey_jobs(root)
    except InputError as error:
        return f"jobs of this folder may be in SLURM's queue ({error})"
    if not claims:
        return None
    return (
        f"{format_quantity(len(claims))} of this folder in SLURM's queue ("
        f"{join_job_ids(claims)}); {ORPHAN_REMEDIES}"
    )


def end_orphans(dead: Sequence[SnakemakeRun]) -> None:
    """End the jobs that killed runs left: Snakemake would start each of them again beside itself.

    Raises:
        InputError: some do not end.
    """
    left = find_processes(dead)
    if not left:
        return
    print_notice(
        f"ending what a killed run left running ({describe_work(left)}): training saves first"
    )
    end_processes(left)
    stuck = find_processes(dead)
    if stuck:
        numbers = join_names([str(process.pid) for process in stuck], MAX_NAMED_PROCESSES)
        raise InputError(
            f"processes of a killed run do not end ({numbers}: {describe_work(stuck)}); wait until"
            " they have, then run the same command again"
        )


def sweep_temporaries(root: Path) -> None:
    """Remove what killed processes were still writing; the work folder is otherwise idle."""
    state = os.environ.get("RETU_STATE", ".state")
    left = [path for name in (*SWEPT_FOLDERS, state) for path in find_temporaries(root / name)]
    for path in left:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    if left:
        names = join_names(
            [str(path.relative_to(root)) for path in left[:MAX_NAMED_PROCESSES]],
            MAX_NAMED_PROCESSES,
        )
        print_notice(
            f"swept {format_quantity(len(left), 'unfinished file')} of a killed run: {names}"
        )


def find_temporaries(folder: Path) -> Iterable[Path]:
    """Temporary files and folders below a folder whose process has ended."""
    for place, folders, files in os.walk(folder):
        found = [name for name in (*folders, *files) if is_leftover(name)]
        folders[:] = [name for name in folders if name not in found]
        yield from (Path(place, name) for name in found)


def is_leftover(name: str) -> bool:
    """Whether a name is that of a temporary file whose process runs no more."""
    match = TEMPORARY.match(name)
    return match is not None and read_process_start(int(match["pid"])) is None


def claim_outputs(root: Path, study: str, outputs: Iterable[str]) -> None:
    """Write down what this run makes, and refuse it if a living run is making some of it.

    Snakemake's lock alone does not do: the end of any run removes the locks of all.

    Raises:
        InputError: names the run and what it is busy with.
    """
    own = describe_run(study, sorted(outputs))
    write_run(root, own)
    for run in read_runs(root):
        shared = sorted({*run.outputs} & {*own.outputs})
        if shared and run.liveness is Liveness.ALIVE:
            raise InputError(f"{shared[0]} is being made already: {describe_living_runs([run])}")


def forget_runs(root: Path) -> None:
    """What `snakemake --unlock` says: no run is left here, those on other hosts included."""
    for run in read_runs(root):
        if run.liveness is not Liveness.ALIVE:
            remove_run(root, run)


def print_notice(text: str) -> None:
    """Tell of something that was done without being asked."""
    print(f"note: {text}", file=sys.stderr, flush=True)
