"""The record of a job before it has run: all of it but what only its end can tell.

Whatever can be wrong with a job is found here. Afterwards it would be too late: hours later the
project may be another, and the state that a failed job resumes from is gone.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

from retu.core.errors import InputError
from retu.core.hashing import hash_tree
from retu.core.validation import explained
from retu.lineage.record import (
    Artefact,
    Code,
    Environment,
    Planned,
    Record,
    Usage,
    seeds_in,
)
from retu.lineage.recording.host import checkout
from retu.lineage.recording.input_checks import check_made
from retu.lineage.recording.run_snapshot import check_snapshot
from retu.planning.code_identity import SCRIPTS, code_digest, file_digest, parsed, used_modules
from retu.planning.stages import ROOT, lock_identity

UNUSED = Usage(
    started="",
    ended="",
    seconds=0.0,
    recording_seconds=0.0,
    cpu_seconds=0.0,
    peak_memory_mb=0.0,
)
"""The cost of a job that has not run yet."""


def drafted(given: argparse.Namespace, command: list[str]) -> Record:
    """The record of a job but for what only its end can tell.

    Raises:
        InputError: something is not as the workflow was planned, cannot be read, or is malformed.
    """
    stage = given.stage
    code = current_code(given.module, stage)
    locked = environment(stage)
    facts = fact_digests(stage)
    check_snapshot(given.module, stage, locked.digest, facts)
    spec, options = split_spec(command)
    with explained("--outputs"):
        # Their hashes are not known yet, but their paths are.
        empty = [Artefact(path=path, md5="", size=0) for path in given.outputs]
    inputs = [artefact(path, listed=False) for path in given.inputs]
    check_made(inputs)
    with explained(f"job of {given.rule}"):
        return Record(
            path=empty[-1].path,
            rule=given.rule,
            wildcards=given.wildcards,
            key=stage.key,
            config=chosen(),
            spec=spec,
            command=options,
            seeds=seeds_of(spec, given.wildcards),
            code=code,
            environment=locked,
            facts=facts,
            inputs=inputs,
            outputs=empty[:-1],
            git=checkout(ROOT),
            host={},
            slurm_job=os.environ.get("SLURM_JOB_ID"),
            usage=UNUSED,
        )


def current_code(module: str, stage: Planned) -> Code:
    """The code as it is now.

    Raises:
        InputError: it is no longer what the workflow was planned with.
    """
    name = f"{SCRIPTS}.{module}"
    digest = code_digest(name)
    if digest != stage.code:
        raise InputError(
            f"{name}: its code has changed since the workflow started; run the same command again"
        )
    modules = {used: parsed(used)[0][:16] for used in used_modules(name)}
    return Code(module=name, digest=digest, modules=modules, options=stage.options)


def artefact(path: str, listed: bool) -> Artefact:
    """Hash an input or output, with its files if `listed`."""
    try:
        with explained(path or "--inputs"):
            return Artefact.from_tree(path, hash_tree(Path(path)), listed)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); run again") from error


def environment(stage: Planned) -> Environment:
    """The locked environment; what is loaded of it is known only after the job."""
    try:
        digest = lock_identity(ROOT / stage.lock, tuple(stage.packages))
    except OSError as error:
        raise InputError(f"{stage.lock}: cannot be read ({error.strerror}); restore it") from error
    return Environment(lock=stage.lock, packages=stage.packages, digest=digest, versions={})


def fact_digests(stage: Planned) -> dict[str, str]:
    """The digests of the facts that a job reads."""
    try:
        return {name: file_digest(ROOT / name) for name in stage.facts}
    except OSError as error:
        raise InputError(
            f"{error.filename}: cannot be read ({error.strerror}); restore it"
        ) from error


def chosen() -> Any:
    """The choices of config.yaml, from `RETU_CONFIG`."""
    return from_json(os.environ.get("RETU_CONFIG", "{}"), "RETU_CONFIG")


def split_spec(command: list[str]) -> tuple[Any, list[str]]:
    """What the job was told with `--spec` (None if nothing), and its other options."""
    if "--spec" not in command:
        return None, command
    at = command.index("--spec")
    return from_json("".join(command[at + 1 : at + 2]), "--spec"), command[:at] + command[at + 2 :]


def from_json(text: str, where: str) -> Any:
    """Parse JSON; InputError for anything else."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise InputError(f"{where}: not JSON ({error}); let Snakemake run the job") from error


def seeds_of(*told: Any) -> list[int]:
    """All seeds that a job was told, sorted."""
    try:
        return sorted(seeds_in(list(told)))
    except (TypeError, ValueError) as error:
        raise InputError(f"seed: not a whole number ({error}); correct the study") from error
