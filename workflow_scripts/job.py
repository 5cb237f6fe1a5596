"""Run a rule's script and leave a record of it beside its outputs.

    python -m workflow_scripts.job train_sft --rule train_sft --stage JSON --wildcards JSON \
        --inputs FILE... --outputs FILE... -- OPTIONS OF THE SCRIPT

The last output is the record; `RETU_CONFIG` holds the choices of config.yaml. Scripts know nothing
of records: `python -m workflow_scripts.train_sft OPTIONS` does the same work without one.
"""

import argparse
import importlib
import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workflow_scripts.errors import InputError
from workflow_scripts.hashing import hash_tree
from workflow_scripts.identity import code_digest, file_digest, parsed, used_modules
from workflow_scripts.lineage.host import (
    checkout,
    host_facts,
    loaded_versions,
    peak_gpu_megabytes,
)
from workflow_scripts.lineage.record import (
    Artefact,
    Code,
    Environment,
    Planned,
    Record,
    Usage,
    seeds_in,
    write_record,
)
from workflow_scripts.script import parser, run
from workflow_scripts.study.stage import lock_identity
from workflow_scripts.usage import FACTS, peak_megabytes
from workflow_scripts.validation import explained

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Hash what comes in, run the script, hash what came out, write the record."""
    given, command = split_options(sys.argv[1:])
    started, clock = datetime.now(UTC), time.monotonic()
    # What the job starts from is noted before it runs: hours later it may be another.
    code = current_code(given.module, given.stage)
    locked = environment(given.stage)
    facts = {name: file_digest(ROOT / name) for name in given.stage.facts}
    git = checkout(ROOT)
    inputs = [artefact(path, listed=False) for path in given.inputs]
    sys.argv = [given.module, *command]
    before = time.monotonic()
    importlib.import_module(f"workflow_scripts.{given.module}").main()
    script_seconds = time.monotonic() - before
    spec, options = split_spec(command)
    *outputs, target = given.outputs
    record = Record(
        path=target,
        rule=given.rule,
        wildcards=given.wildcards,
        key=given.stage.key,
        config=json.loads(os.environ.get("RETU_CONFIG", "{}")),
        spec=spec,
        command=options,
        seeds=sorted(seeds_in([spec, given.wildcards])),
        code=code,
        environment=locked.model_copy(update={"versions": loaded_versions()}),
        facts=facts,
        inputs=inputs,
        outputs=[artefact(path, listed=True) for path in outputs],
        git=git,
        host=host_facts(),
        slurm_job=os.environ.get("SLURM_JOB_ID"),
        usage=usage(started, clock, script_seconds),
    )
    write_record(Path(target), record)


def split_options(given: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """The options before `--`, and those of the script after it."""
    here = given.index("--") if "--" in given else len(given)
    options = parser(__doc__)
    options.add_argument("module", help="script in workflow_scripts/, without .py")
    options.add_argument("--rule", required=True)
    options.add_argument("--stage", type=planned, required=True)
    options.add_argument("--wildcards", type=json.loads, required=True)
    options.add_argument("--inputs", nargs="*", required=True)
    options.add_argument("--outputs", nargs="+", required=True)
    return options.parse_args(given[:here]), given[here + 1 :]


def planned(text: str) -> Planned:
    """Read `--stage`; InputError names the first wrong key."""
    with explained("--stage"):
        return Planned.model_validate_json(text)


def current_code(module: str, stage: Planned) -> Code:
    """The code as it is now.

    Raises:
        InputError: it is no longer what the workflow was planned with.
    """
    name = f"workflow_scripts.{module}"
    digest = code_digest(name)
    if digest != stage.code:
        raise InputError(
            f"{name}: its code has changed since the workflow started; run the same command again"
        )
    modules = {used: parsed(used)[0][:16] for used in used_modules(name)}
    return Code(module=name, digest=digest, modules=modules)


def artefact(path: str, listed: bool) -> Artefact:
    """Hash an input or output, with its files if `listed`."""
    try:
        return Artefact.from_tree(path, hash_tree(Path(path)), listed)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); run again") from error


def environment(stage: Planned) -> Environment:
    """The locked environment; what is loaded of it is known only after the job."""
    digest = lock_identity(ROOT / stage.lock, tuple(stage.packages))
    return Environment(lock=stage.lock, packages=stage.packages, digest=digest, versions={})


def split_spec(command: list[str]) -> tuple[Any, list[str]]:
    """What the job was told with `--spec` (None if nothing), and its other options."""
    if "--spec" not in command:
        return None, command
    at = command.index("--spec")
    return json.loads(command[at + 1]), command[:at] + command[at + 2 :]


def usage(started: datetime, clock: float, script_seconds: float) -> Usage:
    """What the job has cost so far; all but the script's own time went into its record."""
    seconds = time.monotonic() - clock
    return Usage(
        started=started.isoformat(timespec="seconds"),
        ended=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(seconds, 3),
        recording_seconds=round(seconds - script_seconds, 3),
        cpu_seconds=round(time.process_time(), 3),
        peak_memory_mb=round(peak_megabytes(), 1),
        peak_gpu_memory_mb=peak_gpu_megabytes(),
        eflops=FACTS.get("eflops"),
    )


if __name__ == "__main__":
    run(main)
