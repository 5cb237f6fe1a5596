"""The stages of a released study: from the authors' files to the verdict on every number."""

from dataclasses import dataclass
from typing import Any

from retu.config.analysis import FitSettings
from retu.config.protocols import WEIGHTED, load_protocols
from retu.config.released_study import ReleasedStudy
from retu.config.study import Config
from retu.planning import jobs
from retu.planning.analysis_plan import AnalysisPlan, describe_facts
from retu.planning.stages import Stage

AUDIT_ARTEFACTS = ("table_4", "table_5", "figure_3", "figure_8")
UNRELEASED_ARTEFACTS = ("table_1", "table_3", "table_6", "figure_2", "figure_4", "figure_7")
UNRELEASED = "studies/released/unreleased.yaml"
TABLE_4 = "claims/table_4.csv"


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
        return self.plan_analysis(
            "fetch_caches",
            "",
            facts=(release.caches,),
            caches=release.caches,
            repository=release.repository,
            commit=release.commit,
        )

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
        caches = self.study.release.caches
        return self.plan_analysis(
            "import_curves",
            job.model_dump_json(),
            self.fetch_caches(),
            facts=(caches,),
            caches=caches,
        )

    def label_published(self) -> Stage:
        """Label the checkpoints from the digitised losses."""
        job = jobs.LabelJob(**self.study.labels.model_dump(), branching="exhaustive")
        study, losses = self.study, self.study.release.losses
        return self.plan_analysis(
            "label_published",
            job.model_dump_json(),
            self.curves(),
            facts=(losses,),
            losses=losses,
            study=study.name,
            model=study.model,
            seed=str(study.seed),
        )

    def data_quality(self) -> Stage:
        """Look for faults in the released files."""
        release = self.study.release
        return self.plan_analysis(
            "data_quality",
            "",
            self.curves(),
            self.fetch_caches(),
            facts=(release.caches, release.kit_settings, TABLE_4),
            caches=release.caches,
            settings=release.kit_settings,
            table_4=TABLE_4,
        )

    def fixed_points(self) -> Stage:
        """Look for the published values among the fixed points of trimming."""
        listed = self.fit.listed["paper"]
        return self.plan_analysis(
            "fixed_points",
            self.fit_curves("paper").spec,
            self.curves(),
            facts=(listed, TABLE_4),
            listed=listed,
            table_4=TABLE_4,
        )

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

    def list_fits(self) -> list[Stage]:
        """The fits of every protocol."""
        return [self.fit_curves(protocol) for protocol in self.fit.protocols]

    def plan_artefact(self, name: str) -> Stage:
        """A table or a figure that puts published and refitted values side by side, or the former
        alone where no data are released."""
        if name in UNRELEASED_ARTEFACTS:
            facts = {"unreleased": UNRELEASED, "artefact": name}
            return self.plan_analysis(
                "published_artefact", "", self.judge_claims(), facts=(UNRELEASED,), **facts
            )
        if name == "per_benchmark":
            order, benchmarks = map(",".join, (self.study.datasets, self.study.benchmarks))
            return self.plan_analysis(name, "", self.curves(), order=order, benchmarks=benchmarks)
        after = {
            "table_4": lambda: [*self.list_fits(), self.fixed_points()],
            "table_5": lambda: [*self.list_fits(), self.subphases()],
            "figure_3": lambda: [
                *(self.curves(), self.subphases(), self.plan_artefact("table_4")),
                self.fit_curves(self.fit.protocols[0]),
            ],
            "figure_8": lambda: [*self.list_fits(), self.subphases(), self.refit_by_recipes()],
        }[name]()
        options = {"order": ",".join(self.study.datasets)} if name != "table_5" else {}
        if name != "figure_3":
            options["published"] = f"claims/{name}.csv"
        return self.plan_analysis(
            f"audit_{name}", "", *after, facts=self.list_published_files(), **options
        )

    def judge_claims(self) -> Stage:
        """The verdict on every published number."""
        return self.plan_analysis(
            "claims_ledger",
            "",
            *(self.curves(), self.subphases(), *self.list_fits()),
            facts=(*self.list_published_files(), self.study.release.kit_settings),
            claims_dir="claims",
            settings=self.study.release.kit_settings,
        )

    def make_report(self) -> Stage:
        """The page that shows all of it."""
        shown = [self.plan_artefact(name) for name in AUDIT_ARTEFACTS]
        after = [
            *(self.curves(), self.subphases(), self.fit_curves(self.fit.protocols[0])),
            *shown,
            self.judge_claims(),
            self.refit_by_recipes(),
            self.forecast(),
            self.data_quality(),
            self.label_published(),
        ]
        return self.plan_analysis(
            "audit_report",
            "",
            *after,
            self.describe_study(),
            facts=(*self.list_templates(), self.study.release.caches),
            caches=self.study.release.caches,
        )

    def summary(self) -> Stage:
        """The text that ends a run."""
        after = (self.judge_claims(), self.plan_artefact("table_4"), self.plan_artefact("figure_8"))
        return self.plan_analysis(
            "audit_summary", "", *after, self.make_report(), study=self.study.name
        )

    def describe(self) -> dict[str, Any]:
        """What the report says of the study, and below `resolved` every fact of it."""
        return describe_facts(self.study, [self.study.seed])
