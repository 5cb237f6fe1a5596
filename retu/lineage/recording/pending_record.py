"""The record of a job before it runs: everything but what is known only at its end.

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
from retu.core.validation import explain_mistakes
from retu.lineage.record import (
    Artefact,
    CodeDigests,
    JobRecord,
    LockedEnvironment,
    PlannedStage,
    ResourceUsage,
    find_seeds,
)
from retu.lineage.recording.host import describe_checkout
from retu.lineage.recording.input_checks import check_recorded_inputs
from retu.lineage.recording.run_snapshot import check_snapshot
from retu.planning.code_identity import (
    SCRIPTS,
    compute_code_digest,
    compute_file_digest,
    list_used_modules,
    parse_module,
)
from retu.planning.stages import ROOT, digest_lock

EMPTY_USAGE = ResourceUsage(
    started="",
    ended="",
    seconds=0.0,
    recording_seconds=0.0,
    cpu_seconds=0.0,
    peak_memory_mb=0.0,
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
    check_snapshot(given.module, stage, locked.digest, facts)
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
            config=read_config_choices(),
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
    return CodeDigests(module=name, digest=digest, modules=modules, options=stage.options)


def hash_artefact(path: str, listed: bool) -> Artefact:
    """Hash an input or output, with its files if `listed`."""
    try:
        with explain_mistakes(path or "--inputs"):
            return Artefact.from_tree(path, hash_tree(Path(path)), listed)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); run again") from error


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


def read_config_choices() -> Any:
    """The choices of config.yaml, from `RETU_CONFIG`."""
    return parse_json(os.environ.get("RETU_CONFIG", "{}"), "RETU_CONFIG")


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
