"""Why a job itself is stale: its code, environment, facts or specification have changed."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from retu.core.errors import InputError
from retu.lineage.graph.config_sources import ABSENT, ConfigSources, shorten_value
from retu.lineage.record import JobRecord
from retu.planning import code_identity
from retu.planning.analysis_plan import AnalysisPlan
from retu.planning.local_sources import hash_local_files
from retu.planning.stages import ROOT, Stage, digest_lock

GONE_TEXT = "is gone"


@dataclass(frozen=True)
class StaleCause:
    """One reason: the project's file (or the record) to look at, and what differs in it."""

    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


def find_planned_stage(record: JobRecord, plan: AnalysisPlan) -> Stage | str:
    """The stage that the project now has for a record's job; or why it has none such."""
    try:
        return plan.get_stage(record.rule, **record.wildcards)
    except LookupError as error:
        return str(error.args[0])
    except (TypeError, ValueError, InputError):
        # The rule takes other wildcards now, or they name nothing that a study can have.
        return f"no {record.rule} for {record.wildcards}"


def get_stage_key(stage: Stage | str) -> str | None:
    """The key of a stage; None without one, or if a file it depends on is missing or broken."""
    try:
        return stage.key if isinstance(stage, Stage) else None
    except (OSError, SyntaxError, ValueError):
        # A lock, fact or module is gone, or code does not parse: nothing can be made by it now.
        return None


def is_record_current(record: JobRecord, plan: AnalysisPlan) -> bool:
    """Whether the plan would make the job of a record in the same way."""
    return get_stage_key(find_planned_stage(record, plan)) == record.key


def find_own_causes(
    record: JobRecord, stage: Stage | str, origins: ConfigSources
) -> list[StaleCause]:
    """The reasons that lie in the job itself, not in what it was made from.

    `stage` is that of `find_planned_stage`, `origins` are the files of the plan's study.
    """
    if isinstance(stage, str):
        return [StaleCause(origins.study, f"asks for this job no longer ({stage})")]
    return [
        *find_code_causes(record, stage),
        *find_option_causes(record, stage, origins),
        *find_environment_causes(record, stage),
        *find_fact_causes(record, stage),
        *find_source_causes(record, stage),
        *find_spec_causes(record, stage, origins),
    ]


def find_code_causes(record: JobRecord, stage: Stage) -> Iterator[StaleCause]:
    """Modules whose code is another, that are used no longer, or that are used now."""
    module = f"{code_identity.SCRIPTS}.{stage.module}"
    if record.code.module != module:
        ran = locate_module(record.code.module)
        yield StaleCause(locate_module(module), f"is what the rule runs now; it ran {ran}")
        return
    if code_identity.find_module_file(module) is None:
        yield StaleCause(locate_module(module), GONE_TEXT)
        return
    then, now = record.code.modules, digest_usable_modules(module)
    for name in sorted(then.keys() & now.keys()):
        if then[name] != now[name]:
            yield StaleCause(locate_module(name), "its code has changed")
    for name in sorted(then.keys() - now.keys()):
        state = "is used no longer" if code_identity.find_module_file(name) else GONE_TEXT
        yield StaleCause(locate_module(name), state)
    for name in sorted(now.keys() - then.keys()):
        yield StaleCause(locate_module(name), "is used now and was not")


def find_option_causes(
    record: JobRecord, stage: Stage, origins: ConfigSources
) -> Iterator[StaleCause]:
    """Options of the plan that the job was not told, or told otherwise."""
    told = dict(zip(record.command, record.command[1:], strict=False))
    for name, now in stage.options:
        option = f"--{name.replace('_', '-')}"
        if told.get(option) != now:
            then = told.get(option, ABSENT)
            yield StaleCause(
                origins.study, f"tells {record.rule} {option} {now} now; it was {then}"
            )


def digest_usable_modules(module: str) -> dict[str, str]:
    """Digests of the modules that a script can use now, as records hold them.

    Raises:
        InputError: one of them is not valid Python.
    """
    try:
        return {
            name: code_identity.parse_module(name)[0][:16]
            for name in code_identity.list_used_modules(module)
        }
    except SyntaxError as error:
        raise InputError(
            f"{locate_module(module)}: it or what it imports is not valid Python"
            f" (line {error.lineno}: {error.msg}); correct it"
        ) from error


def locate_module(module: str) -> str:
    """The file of a module, from the project's root: `a.b` -> `a/b.py`."""
    path = code_identity.find_module_file(module)
    if path is None:
        return module.replace(".", "/") + ".py"
    return path.relative_to(code_identity.PROJECT_ROOT).as_posix()


def find_environment_causes(record: JobRecord, stage: Stage) -> Iterator[StaleCause]:
    """Another lock file, or other versions in it."""
    then = record.environment
    if then.lock != stage.lock:
        yield StaleCause(stage.lock, f"is the lock of its environment now; it was {then.lock}")
        return
    try:
        now = digest_lock(ROOT / stage.lock, stage.packages)
    except OSError:
        yield StaleCause(stage.lock, GONE_TEXT)
        return
    if now == then.digest:
        return
    if "==" in then.digest:
        locked = parse_pins(then.digest.replace(",", "\n"))
    else:
        locked = {normalise_name(name): version for name, version in then.versions.items()}
        locked.pop("python", None)
    present = parse_pins((ROOT / stage.lock).read_text(encoding="utf-8"))
    without = {normalise_name(name[1:]) for name in stage.packages if name.startswith("-")}
    moved = [
        f"{name} {version} -> {present.get(name, ABSENT)}"
        for name, version in locked.items()
        if present.get(name) != version and name not in without
    ]
    yield StaleCause(stage.lock, f"has changed{': ' if moved else ''}{', '.join(moved)}")


def parse_pins(text: str) -> dict[str, str]:
    """Package -> version of the lines `package==version` of a lock file."""
    lines = (line.split() for line in text.splitlines() if "==" in line)
    pairs = (words[0].rstrip(";\\").split("==") for words in lines if words and "==" in words[0])
    return {normalise_name(name): version for name, version in pairs}


def normalise_name(name: str) -> str:
    """A distribution's name as lock files write it."""
    return name.lower().replace("_", "-")


def find_fact_causes(record: JobRecord, stage: Stage) -> Iterator[StaleCause]:
    """Files of facts that have changed, came in or went."""
    for name in stage.facts:
        if name not in record.facts:
            yield StaleCause(name, "is read now and was not")
        elif not (ROOT / name).is_file():
            yield StaleCause(name, GONE_TEXT)
        elif code_identity.compute_file_digest(ROOT / name) != record.facts[name]:
            yield StaleCause(name, "has changed")
    for name in sorted(record.facts.keys() - set(stage.facts)):
        yield StaleCause(name, "is read no longer")


def find_source_causes(record: JobRecord, stage: Stage) -> Iterator[StaleCause]:
    """The user's files of which the job has not read these bytes, whatever they were called."""
    then = {source.md5: source.path for source in record.sources if source.own}
    paths = [path for source in stage.sources for path in source.read_paths]
    now = dict(zip(hash_local_files(paths), paths, strict=True))
    for digest in now.keys() - then.keys():
        yield StaleCause(str(now[digest]), f"is not what {record.rule} read")
    if not now.keys() - then.keys():
        for digest in then.keys() - now.keys():
            yield StaleCause(then[digest], "is read no longer")


def find_spec_causes(
    record: JobRecord, stage: Stage, origins: ConfigSources
) -> Iterator[StaleCause]:
    """Every value that the job was told and would be told otherwise now."""
    if record.spec is None or not stage.spec:
        return
    for key, then, now in diff_values(record.spec, json.loads(stage.spec)):
        leaf = key.rpartition(".")[2]
        if leaf == "branching" and record.config.get("branching") != origins.config.branching:
            where, key = "config.yaml", "branching"
        else:
            where, key = origins.locate_value(key, now)
        yield StaleCause(where, f"{key}: {shorten_value(then)} -> {shorten_value(now)}")


def diff_values(then: Any, now: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Dotted key, old and new value of everything in which two JSON values differ."""
    if isinstance(then, dict) and isinstance(now, dict):
        for name in [*then, *(name for name in now if name not in then)]:
            inner = f"{key}.{name}" if key else str(name)
            yield from diff_values(then.get(name, ABSENT), now.get(name, ABSENT), inner)
    elif is_section_list(then) and is_section_list(now):
        if len(then) == len(now):
            for number, (one, other) in enumerate(zip(then, now, strict=True)):
                yield from diff_values(one, other, f"{key}[{number}]")
        else:
            yield (
                key,
                [one for one in then if one not in now],
                [other for other in now if other not in then],
            )
    elif then != now:
        yield key or "(all of it)", then, now


def is_section_list(value: Any) -> bool:
    """Whether a value is a list of mappings."""
    return isinstance(value, list) and any(isinstance(item, dict) for item in value)
