"""The stages of a released study: from the authors' files to the verdict on every number."""

import json
from dataclasses import dataclass
from typing import Any

from retu.config.analysis import FitSettings
from retu.config.protocols import WEIGHTED, load_protocols
from retu.config.released_study import ReleasedStudy
from retu.config.study import Config
from retu.planning import jobs
from retu.planning.stages import ROOT, AnalysisPlan, Stage

AUDIT_ARTEFACTS = ("table_4", "table_5", "figure_3", "figure_8")


@dataclass(frozen=True)
class ReleasedPlan(AnalysisPlan):
    """All stages of a released study."""

    study: ReleasedStudy
    config: Config

    @property
    def fit(self) -> FitSettings:
        """How the study fits."""
        return self.study.fit

    def fetch_caches(self) -> Stage:
        """Fetch the released files; the place they come from does not enter the stage's key."""
        release = self.study.release
        spec = json.dumps([release.repository, release.commit])
        return self.plan_analysis("fetch_caches", spec, facts=(release.caches,))

    def curves(self) -> Stage:
        """All scores: those of the released files."""
        return self.import_curves()

    def subphases(self) -> Stage:
        """All labels: those of the published losses."""
        return self.label_published()

    def import_curves(self) -> Stage:
        """Turn the released files into curves."""
        job = jobs.ImportJob(
            study=self.study.name,
            model=self.study.model,
            recipe=self.study.recipe,
            seed=self.study.seed,
            rl_steps_per_row=self.study.release.rl_steps_per_row,
            benchmarks=self.study.benchmarks,
        )
        return self.plan_analysis("import_curves", job.model_dump_json(), self.fetch_caches())

    def label_published(self) -> Stage:
        """Label the checkpoints from the digitised losses."""
        job = jobs.LabelJob(**self.study.labels.model_dump(), branching="exhaustive")
        facts = (self.study.release.losses,)
        return self.plan_analysis(
            "label_published", job.model_dump_json(), self.curves(), facts=facts
        )

    def data_quality(self) -> Stage:
        """Look for faults in the released files."""
        facts = (self.study.release.kit_settings, "claims/table_4.csv")
        return self.plan_analysis("data_quality", "", self.curves(), facts=facts)

    def fixed_points(self) -> Stage:
        """Look for the published values among the fixed points of trimming."""
        after = self.fit_curves("paper")
        facts = (*after.facts, "claims/table_4.csv")
        return self.plan_analysis("fixed_points", after.spec, self.curves(), facts=facts)

    def refit_by_recipes(self) -> Stage:
        """Refit under a grid of recipes."""
        job = jobs.SensitivityJob(
            protocol=load_protocols()[WEIGHTED],
            fit=self.fit,
            axes=self.study.sensitivity.axes,
        )
        return self.plan_analysis(
            "sensitivity", job.model_dump_json(), self.curves(), self.subphases()
        )

    def list_published_files(self) -> tuple[str, ...]:
        """The published values, file by file."""
        return tuple(f"claims/{path.name}" for path in sorted((ROOT / "claims").iterdir()))

    def list_fits(self) -> list[Stage]:
        """The fits of every protocol."""
        return [self.fit_curves(protocol) for protocol in self.fit.protocols]

    def plan_artefact(self, name: str) -> Stage:
        """A table or a figure that puts published and refitted values side by side."""
        besides = {
            "table_4": [self.fixed_points()],
            "figure_3": [self.fixed_points()],
            "figure_8": [self.refit_by_recipes()],
        }
        after = [*self.list_fits(), *besides.get(name, [])]
        return self.plan_analysis(f"audit_{name}", "", *after, facts=self.list_published_files())

    def judge_claims(self) -> Stage:
        """The verdict on every published number."""
        return self.plan_analysis(
            "claims_ledger", "", *self.list_fits(), facts=self.list_published_files()
        )

    def make_report(self) -> Stage:
        """The page that shows all of it."""
        shown = [self.plan_artefact(name) for name in AUDIT_ARTEFACTS]
        after = [
            *shown,
            self.judge_claims(),
            self.refit_by_recipes(),
            self.forecast(),
            self.data_quality(),
        ]
        return self.plan_analysis(
            "audit_report", "", *after, self.describe_study(), facts=self.list_templates()
        )

    def summary(self) -> Stage:
        """The text that ends a run."""
        return self.plan_analysis("audit_summary", "", self.make_report())

    def describe(self) -> dict[str, Any]:
        """What the report says of the study, and below `resolved` every fact of it."""
        study = self.study
        return {
            "name": study.name,
            "title": study.title,
            "description": study.description,
            "order": list(study.datasets),
            "seeds": [study.seed],
            "benchmarks": [
                {"name": name, "problems": b.problems, "samples": b.samples}
                for name, b in study.benchmarks.items()
            ],
            "resolved": study.model_dump(),
        }
