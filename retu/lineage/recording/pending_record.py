"""The record of a job before it runs: everything but what is known only at its end.

Whatever can be wrong with a job is found here. Afterwards it would be too late: hours later the
project may be another, and the state that a failed job resumes from is gone.
"""

import argparse
import functools
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from retu.core.errors import InputError
from retu.core.hashing import hash_tree
from retu.core.validation import explain_mistakes
from retu.lineage.graph.record_graph import relocate_record
from retu.lineage.graph.remedies import format_restore_command, make_command
from retu.lineage.record import (
    RECORD_SUFFIX,
    Artefact,
    CodeDigests,
    JobRecord,
    LockedEnvironment,
    ResourceUsage,
    find_seeds,
    read_record,
)
from retu.lineage.recording.host import describe_checkout
from retu.lineage.recording.run_snapshot import PlannedStage, check_snapshot
from retu.planning.code_identity import (
    SCRIPTS,
    compute_code_digest,
    compute_file_digest,
    list_used_modules,
    parse_module,
)
from retu.planning.stages import ROOT, digest_lock

EMPTY_USAGE = ResourceUsage(
    started="", ended="", seconds=0, recording_seconds=0, cpu_seconds=0, peak_memory_mb=0
)
"""The cost of a job that has not run yet."""


def draft_record(given: argparse.Namespace, command: list[str]) -> JobRecord:
    """The record of a job but for what only its end can tell.

    Raises:
        InputError: something is not as the workflow was planned, cannot be read, or is malformed.
    """
    stage = given.stage
    code = digest_code(given.module, stage)
    locked = describe_environment(stage)
    facts = digest_facts(stage)
    check_snapshot(given.module, given.rule, stage, locked.digest, facts)
    spec, options = split_spec(command)
    with explain_mistakes("--outputs"):
        # Their hashes are not known yet, but their paths are.
        empty = [Artefact(path=path, md5="", size=0) for path in given.outputs]
    inputs = [hash_artefact(path, listed=False) for path in given.inputs]
    check_recorded_inputs(inputs)
    with explain_mistakes(f"job of {given.rule}"):
        return JobRecord(
            path=empty[-1].path,
            rule=given.rule,
            wildcards=given.wildcards,
            key=stage.key,
            config=parse_json(os.environ.get("RETU_CONFIG", "{}"), "RETU_CONFIG"),
            spec=spec,
            command=options,
            seeds=collect_seeds(spec, given.wildcards),
            code=code,
            environment=locked,
            facts=facts,
            inputs=inputs,
            outputs=empty[:-1],
            git=describe_checkout(ROOT),
            host={},
            slurm_job=os.environ.get("SLURM_JOB_ID"),
            usage=EMPTY_USAGE,
        )


def digest_code(module: str, stage: PlannedStage) -> CodeDigests:
    """The code as it is now.

    Raises:
        InputError: it is no longer what the workflow was planned with.
    """
    name = f"{SCRIPTS}.{module}"
    digest = compute_code_digest(name)
    if digest != stage.code:
        raise InputError(
            f"{name}: its code has changed since the workflow started; run the same command again"
        )
    modules = {used: parse_module(used)[0][:16] for used in list_used_modules(name)}
    return CodeDigests(module=name, digest=digest, modules=modules)


def hash_artefact(path: str, listed: bool) -> Artefact:
    """Hash an input or output, with its files if `listed`."""
    try:
        with explain_mistakes(path or "--inputs"):
            return Artefact.from_tree(path, hash_tree(Path(path)), listed)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); run again") from error


def check_recorded_inputs(inputs: Iterable[Artefact]) -> None:
    """Hold inputs against the records beside them; what has no record is not looked at.

    Raises:
        InputError: an input is not what its job wrote, or a record beside it is damaged: a result
            that was edited by hand, or came from elsewhere, must not enter what is made from it.
    """
    for read in inputs:
        for record in read_folder_records(Path(read.path).parent):
            made = next((output for output in record.outputs if output.path == read.path), None)
            if made and made.md5 != read.md5:
                raise InputError(
                    f"{find_first_change(made)}: is not what {record.rule} wrote (md5 of"
                    f" {read.path} {read.md5[:8]}, recorded {made.md5[:8]}); put it back"
                    f" ({format_restore_command(read.path)}), or make it again"
                    f" ({make_command(read.path)})"
                )


def find_first_change(made: Artefact) -> str:
    """The first file of an output that is new, gone or not as recorded; or the output itself."""
    changed = made.list_changes(hash_tree(Path(made.path))) if made.files else []
    return f"{made.path}/{changed[0]}" if changed else made.path


@functools.cache
def read_folder_records(folder: Path) -> tuple[JobRecord, ...]:
    """The records in a folder, and the one of the folder as a whole beside it."""
    whole = folder.with_name(folder.name + RECORD_SUFFIX) if folder.name else folder / RECORD_SUFFIX
    found = [*sorted(folder.glob(f"*{RECORD_SUFFIX}")), *([whole] if whole.is_file() else [])]
    return tuple(relocate_record(read_record(path), path.as_posix()) for path in found)


def describe_environment(stage: PlannedStage) -> LockedEnvironment:
    """The locked environment; what is loaded of it is known only after the job."""
    try:
        digest = digest_lock(ROOT / stage.lock, tuple(stage.packages))
    except OSError as error:
        raise InputError(f"{stage.lock}: cannot be read ({error.strerror}); restore it") from error
    return LockedEnvironment(lock=stage.lock, packages=stage.packages, digest=digest, versions={})


def digest_facts(stage: PlannedStage) -> dict[str, str]:
    """The digests of the facts that a job reads."""
    try:
        return {name: compute_file_digest(ROOT / name) for name in stage.facts}
    except OSError as error:
        raise InputError(
            f"{error.filename}: cannot be read ({error.strerror}); restore it"
        ) from error


def split_spec(command: list[str]) -> tuple[Any, list[str]]:
    """What the job was told with `--spec` (None if nothing), and its other options."""
    if "--spec" not in command:
        return None, command
    at = command.index("--spec")
    return parse_json("".join(command[at + 1 : at + 2]), "--spec"), command[:at] + command[at + 2 :]


def parse_json(text: str, where: str) -> Any:
    """Parse JSON; InputError for anything else."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"{where}: not JSON ({error}); let Snakemake run the job") from error


def collect_seeds(*told: Any) -> list[int]:
    """All seeds that a job was told, sorted."""
    try:
        return sorted(find_seeds(list(told)))
    except (TypeError, ValueError) as error:
        raise InputError(f"seed: not a whole number ({error}); correct the study") from error
