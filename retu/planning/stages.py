"""A stage is one rule's work, with a key that changes with anything the work depends on.

The key is a hash over the stage's specification, the code it runs, the options that its rule gives
it, its environment, the facts it reads from the project and the keys of the stages before it. Rules
carry it as a parameter, so a result is stale if and only if something that went into it has
changed, even when a run was interrupted between two stages, and without any use of modification
times.
"""

import functools
import hashlib
import inspect
import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, cast
from weakref import WeakSet

from retu.config.analysis import Fit
from retu.config.protocols import fit_job
from retu.config.study import Config
from retu.planning.code_identity import code_digest, file_digest, options_digest

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ROOT / "envs"
PAGE_TEMPLATES = "retu/reporting/page_templates"
TEMPLATES = ROOT / PAGE_TEMPLATES
Asked = ParamSpec("Asked")
Owner = TypeVar("Owner")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Stage:
    """One rule's work: module, specification (JSON), environment and what it comes after.

    `environment` is the name of a lock in envs/. Where `packages` are named, only their lines of it
    matter; written `-NAME`, all lines but theirs. `facts` are the project's files that it reads.
    """

    module: str
    spec: str
    environment: str
    after: tuple["Stage", ...] = ()
    facts: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()

    @property
    def lock(self) -> str:
        """The file that pins the environment, from the project's root."""
        return f"{ENVIRONMENTS.name}/{self.environment}.txt"

    @cached_property
    def key(self) -> str:
        """16 hexadecimal digits that change with anything the stage depends on."""
        parts = [
            code_digest(f"workflow_scripts.{self.module}"),
            options_digest(self.module),
            self.spec,
            lock_identity(ROOT / self.lock, self.packages),
            *(file_digest(ROOT / name) for name in self.facts),
            *(stage.key for stage in self.after),
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    @property
    def job(self) -> str:
        """What a job must know of its stage to record it, as JSON (`lineage.record.Planned`)."""
        planned = {
            "key": self.key,
            "code": code_digest(f"workflow_scripts.{self.module}"),
            "options": options_digest(self.module),
            "lock": self.lock,
            "packages": self.packages,
            "facts": self.facts,
        }
        return json.dumps(planned)


@functools.cache
def lock_identity(lock: Path, packages: tuple[str, ...] = ()) -> str:
    """Digest of a lock file, whole or without `-NAME`; or the locked versions of `packages`."""
    if not packages:
        return file_digest(lock)
    lines = lock.read_text(encoding="utf-8").splitlines()
    names = {name.removeprefix("-") for name in packages}
    if any(name.startswith("-") for name in packages):
        others = "\n".join(line for line in lines if line.split("==")[0] not in names)
        return hashlib.sha256(others.encode()).hexdigest()[:16]
    return ",".join(line for line in lines if line.split("==")[0] in names)


def once(
    method: Callable[Concatenate[Owner, Asked], Made],
) -> Callable[Concatenate[Owner, Asked], Made]:
    """A plan's method that makes each of its stages once, however often it is asked for them.

    Rules ask for every parameter of every job, and a stage knows its key only once it has those of
    all before it: made anew each time, large studies would spend most of a dry run here.
    """
    names = list(inspect.signature(method).parameters)[1:]

    @functools.wraps(method)
    def found(plan: Owner, /, *given: Asked.args, **named: Asked.kwargs) -> Made:
        rest = names[len(given) :]
        if set(named) != set(rest):
            return method(plan, *given, **named)
        # Rules name their wildcards and other methods do not; both mean the same stage.
        made = stages_of(plan)
        asked = (method.__name__, *given, *(named[name] for name in rest))
        if asked not in made:
            made[asked] = method(plan, *given, **named)
        return cast(Made, made[asked])

    return found


class Memory:
    """What a plan has made so far: method and wildcards -> stage."""

    def __init__(self) -> None:
        self.made: dict[object, object] = {}


MEMORIES: "WeakSet[Memory]" = WeakSet()


def stages_of(plan: object) -> dict[object, object]:
    """What a plan has made so far."""
    memory = plan.__dict__.get("_memory")
    if memory is None:
        memory = plan.__dict__["_memory"] = Memory()
        MEMORIES.add(memory)
    made: dict[object, object] = memory.made
    return made


def forget_stages() -> None:
    """Let all plans make their stages anew: for a process in which the code changes."""
    for memory in MEMORIES:
        memory.made.clear()


class AnalysisPlan(ABC):
    """What every kind of study does with its curves; a study's plan says where they come from.

    A rule's stage is the method of the rule's name and takes its wildcards; the rules that draw
    tables and figures (`make_table_4`) share `artefact`.
    """

    config: Config

    @property
    @abstractmethod
    def fit(self) -> Fit:
        """How the study fits."""

    @abstractmethod
    def curves(self) -> Stage:
        """Gather all scores."""

    @abstractmethod
    def subphases(self) -> Stage:
        """Label all checkpoints."""

    @abstractmethod
    def artefact(self, name: str) -> Stage:
        """Draw a table or a figure."""

    @abstractmethod
    def make_report(self) -> Stage:
        """Show all of it on one page."""

    @abstractmethod
    def described(self) -> dict[str, Any]:
        """What the report says of the study, and below `resolved` every fact of it."""

    def stage(self, rule: str, **wildcards: str) -> Stage:
        """The stage of a rule's job.

        Raises:
            LookupError: the study has no such rule, or no such data set, run or protocol.
        """
        kind, _, name = rule.partition("_")
        if kind == "make" and name.startswith(("table_", "figure_")):
            return self.artefact(name)
        method = getattr(self, rule, None)
        if method is None:
            raise LookupError(f"no rule {rule}")
        found: Stage = method(**wildcards)
        return found

    def analysed(self, module: str, spec: str, *after: Stage, facts: tuple[str, ...] = ()) -> Stage:
        """A stage in the analysis environment."""
        return Stage(module, spec, "analysis", after, facts)

    @once
    def fit_curves(self, protocol: str) -> Stage:
        """Fit every branch by one protocol."""
        job = fit_job(protocol, self.fit).model_dump_json()
        facts = (self.fit.listed[protocol],) if protocol in self.fit.listed else ()
        return self.analysed("fit_curves", job, self.curves(), self.subphases(), facts=facts)

    def forecast(self) -> Stage:
        """Replay every branch: forecast its later part from its first."""
        return self.analysed("forecast", "{}", self.curves())

    def describe_study(self) -> Stage:
        """The resolved study and the versions that ran it."""
        return self.analysed("describe_study", json.dumps(self.described()))

    def templates(self) -> tuple[str, ...]:
        """The files that a report page is made from."""
        return tuple(f"{PAGE_TEMPLATES}/{path.name}" for path in sorted(TEMPLATES.iterdir()))
