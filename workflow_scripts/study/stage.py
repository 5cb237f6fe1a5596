"""A stage is one rule's work, with a key that changes with anything the work depends on.

The key is a hash over the stage's specification, the code it runs, its environment, the facts it
reads from the project and the keys of the stages before it. Rules carry it as a parameter, so a
result is stale if and only if something that went into it has changed, even when a run was
interrupted between two stages, and without any use of modification times.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from workflow_scripts.identity import code_digest, file_digest
from workflow_scripts.study.analysis import Fit
from workflow_scripts.study.protocols import fit_job

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ROOT / "envs"
TEMPLATES = ROOT / "report"


@dataclass(frozen=True)
class Stage:
    """One rule's work: module, specification (JSON), environment and what it comes after.

    `facts` are files of the project that it reads.
    """

    module: str
    spec: str
    environment: str
    after: tuple["Stage", ...] = ()
    facts: tuple[str, ...] = ()

    @cached_property
    def key(self) -> str:
        """16 hexadecimal digits that change with anything the stage depends on."""
        parts = [
            code_digest(f"workflow_scripts.{self.module}"),
            self.spec,
            self.environment,
            *(file_digest(ROOT / name) for name in self.facts),
            *(stage.key for stage in self.after),
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


class AnalysisPlan:
    """What every kind of study does with its curves; a study's plan says where they come from."""

    @property
    def fit(self) -> Fit:
        """How the study fits."""
        raise NotImplementedError

    def curves(self) -> Stage:
        """Gather all scores."""
        raise NotImplementedError

    def subphases(self) -> Stage:
        """Label all checkpoints."""
        raise NotImplementedError

    @cached_property
    def analysis(self) -> str:
        """Identity of the analysis environment: the digest of its lock."""
        return file_digest(ENVIRONMENTS / "analysis.txt")

    def analysed(self, module: str, spec: str, *after: Stage, facts: tuple[str, ...] = ()) -> Stage:
        """A stage in the analysis environment."""
        return Stage(module, spec, self.analysis, after, facts)

    def fits(self, protocol: str) -> Stage:
        """Fit every branch by one protocol."""
        job = fit_job(protocol, self.fit).model_dump_json()
        facts = (self.fit.listed[protocol],) if protocol in self.fit.listed else ()
        return self.analysed("fit_curves", job, self.curves(), self.subphases(), facts=facts)

    def forecasts(self) -> Stage:
        """Replay every branch: forecast its later part from its first."""
        return self.analysed("forecast", "{}", self.curves())

    def templates(self) -> tuple[str, ...]:
        """The files that a report page is made from."""
        return tuple(f"{TEMPLATES.name}/{path.name}" for path in sorted(TEMPLATES.iterdir()))
