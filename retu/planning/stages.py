"""A stage is one rule's work, with a key that changes with anything the work depends on.

The key is a hash over the stage's specification and options, the code it runs, its environment, the
facts it reads from the project and the keys of the stages before it. Rules carry it as a parameter,
so a result is stale if and only if something that went into it has changed, even when a run was
interrupted between two stages, and without any use of modification times.
"""

import functools
import hashlib
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar, cast
from weakref import WeakSet

from retu.planning.code_identity import compute_code_digest, compute_file_digest
from retu.planning.local_sources import LocalSource

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS_FOLDER = ROOT / "envs"
Wildcards = ParamSpec("Wildcards")
Owner = TypeVar("Owner")
Returned = TypeVar("Returned")


@dataclass(frozen=True)
class Stage:
    """One rule's work: module, specification (JSON), environment and what it comes after.

    `environment` is the name of a lock in envs/. Where `packages` are named, only their lines of it
    matter; written `-NAME`, all lines but theirs. `facts` are the project's files that it reads.
    `options` are what its script is told beside the specification and its rule's files, by name;
    `sources` are files of the user, which count by their bytes.
    """

    module: str
    spec: str
    environment: str
    after: tuple["Stage", ...] = ()
    facts: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    sources: tuple[LocalSource, ...] = ()

    @property
    def lock(self) -> str:
        """The file that pins the environment, from the project's root."""
        return f"{ENVIRONMENTS_FOLDER.name}/{self.environment}.txt"

    @cached_property
    def key(self) -> str:
        """16 hexadecimal digits that change with anything the stage depends on."""
        parts: list[object] = [
            compute_code_digest(f"workflow_scripts.{self.module}"),
            self.spec,
            self.options,
            digest_lock(ROOT / self.lock, self.packages),
            *(compute_file_digest(ROOT / name) for name in self.facts),
            *(source.digest for source in self.sources),
            *(stage.key for stage in self.after),
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    @property
    def job_json(self) -> str:
        """What a job must know of its stage to record it, as JSON (`PlannedStage`)."""
        planned = {
            "key": self.key,
            "code": compute_code_digest(f"workflow_scripts.{self.module}"),
            "options": self.options,
            "lock": self.lock,
            "packages": self.packages,
            "facts": self.facts,
        }
        return json.dumps(planned)

    @property
    def sources_json(self) -> str:
        """The user's files that a job reads, as JSON: where they are now decides no key."""
        return json.dumps([source.plan().model_dump() for source in self.sources])


@functools.cache
def digest_lock(lock: Path, packages: tuple[str, ...] = ()) -> str:
    """Digest of a lock file, whole or without `-NAME`; or the locked versions of `packages`."""
    if not packages:
        return compute_file_digest(lock)
    lines = lock.read_text(encoding="utf-8").splitlines()
    names = {name.removeprefix("-") for name in packages}
    if any(name.startswith("-") for name in packages):
        others = "\n".join(line for line in lines if line.split("==")[0] not in names)
        return hashlib.sha256(others.encode()).hexdigest()[:16]
    return ",".join(line for line in lines if line.split("==")[0] in names)


def cache_stage(
    method: Callable[Concatenate[Owner, Wildcards], Returned],
) -> Callable[Concatenate[Owner, Wildcards], Returned]:
    """A plan's method that makes each of its stages once, however often it is asked for them.

    Rules ask for every parameter of every job, and a stage knows its key only once it has those of
    all before it: made anew each time, large studies would spend most of a dry run here.
    """
    names = list(inspect.signature(method).parameters)[1:]

    @functools.wraps(method)
    def get_stage_once(
        plan: Owner, /, *given: Wildcards.args, **named: Wildcards.kwargs
    ) -> Returned:
        rest = names[len(given) :]
        if set(named) != set(rest):
            return method(plan, *given, **named)
        # Rules name their wildcards and other methods do not; both mean the same stage.
        made = get_cached_stages(plan)
        asked = (method.__name__, *given, *(named[name] for name in rest))
        if asked not in made:
            made[asked] = method(plan, *given, **named)
        return cast(Returned, made[asked])

    return get_stage_once


class StageCache:
    """What a plan has made so far: method and wildcards -> stage."""

    def __init__(self) -> None:
        self.made: dict[object, object] = {}


STAGE_CACHES: "WeakSet[StageCache]" = WeakSet()


def get_cached_stages(plan: object) -> dict[object, object]:
    """What a plan has made so far."""
    memory = plan.__dict__.get("_memory")
    if memory is None:
        memory = plan.__dict__["_memory"] = StageCache()
        STAGE_CACHES.add(memory)
    made: dict[object, object] = memory.made
    return made


def forget_stages() -> None:
    """Let all plans make their stages anew: for a process in which the code changes."""
    for memory in STAGE_CACHES:
        memory.made.clear()
