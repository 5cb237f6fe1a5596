"""Run a rule's script and leave a record of it beside its outputs.

    python -m retu.cli.run_job train_sft --rule train_sft --stage JSON --spec JSON \
        --wildcards JSON --names JSON --inputs FILE... --outputs FILE... -- MORE OPTIONS

The options of the script are the inputs and outputs that have a name in their rule, what the plan
tells it, and those after `--`. The last output is the record; `RETU_CONFIG` holds the choices of
config.yaml. Scripts know nothing of records: `python -m workflow_scripts.train_sft OPTIONS` does
the same work without one. With `--processes N --nodes M` this starts itself again, N times on each
node; the first process records.
"""

import argparse
import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from pydantic import TypeAdapter

from retu.core.errors import InputError, JobInterrupted
from retu.core.hashing import hash_tree
from retu.core.validation import explain_mistakes
from retu.lineage.numerics import read_variables
from retu.lineage.record import (
    LockedEnvironment,
    MirrorFile,
    ResourceUsage,
    write_record,
)
from retu.lineage.recording.host import (
    compare_with_lock,
    describe_host,
    get_peak_gpu_megabytes,
    list_loaded_versions,
)
from retu.lineage.recording.pending_record import draft_record, hash_artefact
from retu.lineage.recording.run_snapshot import PlannedStage
from retu.planning.code_identity import SCRIPTS
from retu.planning.local_sources import PlannedSource
from retu.planning.stages import ROOT
from retu.runtime.interruption import listen_for_sigterm, requeue_job
from retu.runtime.launch import is_launcher, join_processes, launch_processes, report_error
from retu.runtime.mirror_files import OWN, READ, note_source
from retu.runtime.processes import is_main_process
from retu.runtime.script import exit_process, make_parser, run_main
from retu.runtime.training_folders import get_state_folder
from retu.runtime.usage import IGNORED_SETTINGS, JOB_FACTS, measure_cpu_seconds, measure_peak_memory

Names = list[tuple[str, int]]
RECORD = "record"


def main() -> None:
    """Do the job, or start the processes that do it together."""
    given, command = split_options(sys.argv[1:])
    processes = given.processes * given.nodes
    with listen_for_sigterm():
        if is_launcher(processes):
            talk = get_state_folder(Path(given.outputs[-1])).with_suffix(".processes")
            work: Callable[[], None] = partial(
                launch_processes, given.processes, given.nodes, sys.argv[1:], talk
            )
        else:
            work = partial(run_process, processes, given, command)
        try:
            work()
        except JobInterrupted as interruption:
            requeue_job(interruption)
            raise


def run_process(processes: int, given: argparse.Namespace, command: list[str]) -> None:
    """Do the job as one of so many processes, of which the first records it."""
    try:
        join_processes(processes)
        if is_main_process():
            run_and_record(given, command)
        else:
            run_script(given.module, command)
    except (InputError, JobInterrupted) as error:
        if processes == 1:
            raise
        exit_process(report_error(error))


def run_and_record(given: argparse.Namespace, command: list[str]) -> None:
    """Hash what comes in, run the script, hash what came out, write the record."""
    started, clock = datetime.now(UTC), time.monotonic()
    # What the job starts from is noted, and all that can be wrong with it found, before it runs:
    # hours later it may be another, and the state that a failed job resumes from is gone.
    draft = draft_record(given, command)
    lock = (ROOT / given.stage.lock).read_text(encoding="utf-8")
    had_state = any(get_state_folder(Path(path)).exists() for path in given.outputs)
    before = time.monotonic()
    check_sources(given.sources)
    run_script(given.module, command)
    check_sources(given.sources)
    script_seconds = time.monotonic() - before
    resumed = had_state or "first_step" in JOB_FACTS
    record = draft.model_copy(
        update={
            "environment": describe_loaded_environment(draft.environment, lock),
            "outputs": [hash_artefact(path, listed=True) for path in given.outputs[:-1]],
            "sources": list_local_sources(),
            "host": describe_host(),
            "ignored": dict(IGNORED_SETTINGS),
            "usage": measure_usage(started, clock, script_seconds, resumed),
        }
    )
    write_record(Path(record.path), record)


def run_script(module: str, command: list[str]) -> None:
    """Run a script of workflow_scripts/ in this process."""
    sys.argv = [module, *command]
    importlib.import_module(f"{SCRIPTS}.{module}").main()


def split_options(given: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """The options before `--`, and those of the script."""
    here = given.index("--") if "--" in given else len(given)
    options = make_parser(__doc__)
    options.add_argument("module", help="script in workflow_scripts/, without .py")
    options.add_argument("--rule", required=True)
    options.add_argument("--stage", type=parse_stage, required=True)
    options.add_argument("--sources", type=parse_sources, default=[], help="the user's files")
    options.add_argument("--wildcards", type=json.loads, required=True)
    options.add_argument("--spec", default="", help="the stage's specification; empty: none")
    options.add_argument("--names", type=parse_names, default=([], []), help="[inputs, outputs]")
    options.add_argument("--inputs", nargs="*", required=True)
    options.add_argument("--outputs", nargs="+", required=True)
    options.add_argument("--processes", type=parse_count, default=1, help="on each node")
    options.add_argument("--nodes", type=parse_count, default=1)
    parsed = options.parse_args(given[:here])
    return parsed, [*tell_script(parsed), *given[here + 1 :]]


def tell_script(given: argparse.Namespace) -> list[str]:
    """The options that follow from the names of files, and from what the plan says.

    A name without files is none, nor is one that begins with `_`; the record is written here.
    """
    inputs, outputs = given.names
    told = [
        *name_files(inputs, given.inputs),
        *name_files(outputs, given.outputs),
        *((source.option, list(source.paths)) for source in given.sources),
        *((name, [value]) for name, value in given.stage.options),
    ]
    if given.spec:
        told.append(("spec", [given.spec]))
    return [word for name, words in told for word in (f"--{name.replace('_', '-')}", *words)]


def name_files(names: Names, paths: list[str]) -> Iterator[tuple[str, list[str]]]:
    """The options of named files; those without a name come first in a rule."""
    at = len(paths) - sum(count for _, count in names)
    for name, count in names:
        if count and name != RECORD and not name.startswith("_"):
            yield name, paths[at : at + count]
        at += count


def parse_names(text: str) -> tuple[Names, Names]:
    """Read `--names`: the names of inputs and of outputs, each with the number of its files."""
    with explain_mistakes("--names"):
        return TypeAdapter(tuple[Names, Names]).validate_json(text)


def parse_stage(text: str) -> PlannedStage:
    """Read `--stage`; InputError names the first wrong key."""
    with explain_mistakes("--stage"):
        return PlannedStage.model_validate_json(text)


def parse_sources(text: str) -> list[PlannedSource]:
    """Read `--sources`: the user's files as the job was planned with them."""
    with explain_mistakes("--sources"):
        return TypeAdapter(list[PlannedSource]).validate_json(text)


def check_sources(sources: list[PlannedSource]) -> None:
    """Note the user's files for the record; InputError if one is not as it was planned."""
    for source in sources:
        for path in source.check_unchanged():
            note_source(path.parent, path, own=True)


def parse_count(text: str) -> int:
    """Read a number of processes or nodes."""
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"job: {text} is no number of processes or nodes; correct the profile")
    return int(text)


def describe_loaded_environment(locked: LockedEnvironment, lock: str) -> LockedEnvironment:
    """The environment with what is loaded now, and how that differs from the text of its lock.

    A job takes libraries from where it runs; that they are the locked ones is only believed until
    it is compared.
    """
    versions = list_loaded_versions()
    differs = compare_with_lock(versions, lock)
    return locked.model_copy(
        update={"versions": versions, "differs": differs, "variables": read_variables()}
    )


def list_local_sources() -> list[MirrorFile]:
    """The files of a mirror, and those of the user, that the script has read."""
    found = []
    for (folder, name), path in sorted(READ.items()):
        tree = hash_tree(path)
        own = (folder, name) in OWN
        found.append(MirrorFile(path=name, folder=folder, md5=tree.md5, size=tree.size, own=own))
    return found


def measure_usage(
    started: datetime, clock: float, script_seconds: float, resumed: bool
) -> ResourceUsage:
    """What the job has cost so far; all but the script's own time went into its record."""
    seconds = time.monotonic() - clock
    return ResourceUsage(
        started=started.isoformat(timespec="seconds"),
        ended=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(seconds, 3),
        recording_seconds=round(seconds - script_seconds, 3),
        cpu_seconds=round(measure_cpu_seconds(), 3),
        peak_memory_mb=round(measure_peak_memory(), 1),
        peak_gpu_memory_mb=get_peak_gpu_megabytes(),
        eflops=JOB_FACTS.get("eflops"),
        resumed=resumed,
    )


if __name__ == "__main__":
    run_main(main)
