"""What every kind of study does with its curves: the stages that its plan shares with others."""

import json
from abc import ABC, abstractmethod
from typing import Any

from retu.config.analysis import FitSettings
from retu.config.protocols import make_fit_job
from retu.config.released_study import ReleasedStudy
from retu.config.study import Config, Study
from retu.planning.artefact_choice import ARTEFACT_TITLES
from retu.planning.hypotheses_job import HYPOTHESES_FILE
from retu.planning.stages import ROOT, Stage, cache_stage

PAGE_TEMPLATES = "retu/reporting/page_templates"
TEMPLATES_FOLDER = ROOT / PAGE_TEMPLATES


class AnalysisPlan(ABC):
    """What every kind of study does with its curves; a study's plan says where they come from.

    A rule's stage is the method of the rule's name and takes its wildcards; the rules that draw
    tables and figures (`make_table_4`) share `plan_artefact`.
    """

    config: Config

    @property
    @abstractmethod
    def fit(self) -> FitSettings:
        """How the study fits."""

    @abstractmethod
    def curves(self) -> Stage:
        """Gather all scores."""

    @abstractmethod
    def subphases(self) -> Stage:
        """Label all checkpoints."""

    @abstractmethod
    def plan_artefact(self, name: str) -> Stage:
        """Draw a table or a figure."""

    def explain_missing_artefact(self, name: str) -> str | None:
        """What the study would need for a table or figure; None where it has it all."""
        return None

    @abstractmethod
    def make_report(self) -> Stage:
        """Show all of it on one page."""

    @abstractmethod
    def describe(self) -> dict[str, Any]:
        """What the report says of the study, and below `resolved` every fact of it."""

    def get_stage(self, rule: str, **wildcards: str) -> Stage:
        """The stage of a rule's job.

        Raises:
            LookupError: the study has no such rule, or no such data set, run or protocol.
        """
        kind, _, name = rule.partition("_")
        if kind == "make" and name in ARTEFACT_TITLES:
            return self.plan_artefact(name)
        method = getattr(self, rule, None)
        if method is None:
            raise LookupError(f"no rule {rule}")
        found: Stage = method(**wildcards)
        return found

    def plan_analysis(
        self, module: str, spec: str, *after: Stage, facts: tuple[str, ...] = (), **options: str
    ) -> Stage:
        """A stage in the analysis environment."""
        return Stage(module, spec, "analysis", after, facts, options=tuple(options.items()))

    @cache_stage
    def fit_curves(self, protocol: str) -> Stage:
        """Fit every branch by one protocol."""
        job = make_fit_job(protocol, self.fit).model_dump_json()
        listed = self.fit.listed.get(protocol)
        after, facts = (self.curves(), self.subphases()), (listed,) if listed else ()
        return self.plan_analysis("fit_curves", job, *after, facts=facts, listed=listed or "none")

    def forecast(self) -> Stage:
        """Replay every branch: forecast its later part from its first."""
        return self.plan_analysis("forecast", "{}", self.curves())

    def describe_study(self) -> Stage:
        """The resolved study and the versions that ran it."""
        return self.plan_analysis("describe_study", json.dumps(self.describe()))

    def list_published_files(self) -> tuple[str, ...]:
        """What the paper and others state, file by file; hypotheses have a rule of their own."""
        names = (f"claims/{path.name}" for path in sorted((ROOT / "claims").iterdir()))
        return tuple(name for name in names if name != HYPOTHESES_FILE)

    def list_templates(self) -> tuple[str, ...]:
        """The files that a report page is made from."""
        return tuple(f"{PAGE_TEMPLATES}/{path.name}" for path in sorted(TEMPLATES_FOLDER.iterdir()))


def describe_facts(
    study: Study | ReleasedStudy, seeds: list[int], **chosen: object
) -> dict[str, Any]:
    """What a report says of a study; below `resolved` all its facts and what was `chosen`."""
    return {
        "name": study.name,
        "title": study.title,
        "description": study.description,
        "order": list(study.datasets),
        "seeds": seeds,
        "benchmarks": [
            {"name": name, "problems": count_problems(made), "samples": made.samples}
            for name, made in study.benchmarks.items()
        ],
        "resolved": {**study.model_dump(), **chosen},
    }


def count_problems(benchmark: Any) -> int | None:
    """Problems of a benchmark as the study says it; of a file, at most its limit (None: all)."""
    known: int | None = getattr(benchmark, "problems", None) or getattr(benchmark, "limit", None)
    return known
