"""The stages of a training study: what each rule is told, and what it comes after.

Snakemake holds the graph of files; this module holds the graph of stage keys
(`retu/planning/stages.py`).
"""

import json
from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from retu.config.analysis import FitSettings
from retu.config.graders import ENGINE_PACKAGES, GraderSettings, load_graders
from retu.config.hub_study import HubData
from retu.config.lab_study import DrawnSet
from retu.config.study import ReferenceModel
from retu.core.run_paths import NO_DATASET, Run, parse_run
from retu.core.sections import Section
from retu.planning import jobs
from retu.planning.runs import StudyRuns
from retu.planning.stages import AnalysisPlan, Stage, cache_stage

TRAINING_ARTEFACTS = ("table_3", "table_4", "figure_2", "figure_3", "figure_8")
REGRADE_PREFIX = "regrade_"
COMPARED_ARTEFACTS = ("table_4", "figure_2", "figure_8")
"""The artefacts of grades whose numbers are a table."""


@dataclass(frozen=True)
class Plan(StudyRuns, AnalysisPlan):
    """All stages of a training study; methods take the wildcards of their rule."""

    @property
    def fit(self) -> FitSettings:
        """How the study fits."""
        return self.study.fit

    @cached_property
    def samples(self) -> dict[str, int]:
        """Samples per problem of each benchmark."""
        return {name: b.samples for name, b in self.study.benchmarks.items()}

    @property
    def training_environment(self) -> str:
        """The environment of jobs that train or generate, by name of its lock."""
        return "gpu" if self.study.execution.device == "cuda" else "lab"

    def plan_cpu_job(self, module: str, job: Section, *after: Stage) -> Stage:
        """A stage that makes data or models on a CPU, without a grader."""
        ignored = tuple(f"-{name}" for name in ENGINE_PACKAGES)
        return Stage(module, job.model_dump_json(), "lab", after, packages=ignored)

    def plan_training_job(self, module: str, job: Section, *after: Stage) -> Stage:
        """A stage in the training environment, where only RL uses a grader."""
        ignored = () if module == "train_rl" else tuple(f"-{name}" for name in ENGINE_PACKAGES)
        spec, environment = job.model_dump_json(), self.training_environment
        return Stage(module, spec, environment, after, packages=ignored)

    @abstractmethod
    def plan_base(self, model: str) -> Stage:
        """Make a base model, or bring it here."""

    @abstractmethod
    def plan_split(self, name: str) -> Stage:
        """Make data/STUDY/NAME.parquet."""

    @property
    def measured_splits(self) -> list[str]:
        """The splits in the table of data sets."""
        data = self.study.data
        prompts = data.prompts if isinstance(data, HubData) else ["rl_prompts"]
        return ["validation", *prompts, "benchmarks"]

    @abstractmethod
    def plan_sft_set(self, dataset: str) -> Stage:
        """Make an SFT set."""

    @property
    def reference(self) -> ReferenceModel:
        """The reference model; LookupError if the study has none."""
        if self.study.reference is None:
            raise LookupError("the study has no reference model")
        return self.study.reference

    @cache_stage
    def train_reference(self) -> Stage:
        """Fine-tune the reference model; LookupError if it is a base model as it is."""
        if self.reference.recipe is None or self.reference.steps is None:
            raise LookupError("the reference model is not trained")
        job = jobs.SftJob(
            recipe=self.study.recipes.sft[self.reference.recipe],
            checkpoints=[self.reference.steps],
            steps=self.reference.steps,
            seed=0,
            execution=self.study.execution.select_parts("sft"),
        )
        after = (
            self.plan_base(self.reference.model),
            self.plan_split("reference"),
            self.plan_split("validation"),
        )
        return self.plan_training_job("train_sft", job, *after)

    @cache_stage
    def generate_reference(self) -> Stage:
        """Let the reference model attempt the pool."""
        reference = self.reference
        job = jobs.GenerateJob(
            samples={"pool": reference.attempts},
            sampling=reference.sampling,
            execution=self.study.execution.select_parts("generation"),
        )
        model = self.train_reference() if reference.recipe else self.plan_base(reference.model)
        return self.plan_training_job("generate", job, model, self.plan_split("pool"))

    def select_sft_set(self, dataset: str) -> Stage:
        """Draw an SFT set from the pool; LookupError if it is none that is drawn."""
        drawn = self.study.datasets[dataset]
        if not isinstance(drawn, DrawnSet):
            raise LookupError(f"{dataset} is not drawn")
        job = jobs.SelectJob(name=dataset, dataset=drawn)
        rated = (self.grade("reference"),) if self.study.reference else ()
        used = (self.plan_split(name) for name in ("pool", "benchmarks", "validation"))
        return self.plan_cpu_job("select_sft_set", job, *used, *rated)

    @cache_stage
    def train_sft(self, model: str, dataset: str, seed: str) -> Stage:
        """Fine-tune on an SFT set."""
        run = self.find_sft_run(model, dataset)
        job = jobs.SftJob(
            recipe=self.study.recipes.sft[run.recipe],
            checkpoints=run.checkpoints,
            steps=run.length,
            evaluate_every=run.evaluate_every,
            seed=self.parse_seed(seed),
            execution=self.study.execution.select_parts("sft"),
        )
        after = (self.plan_base(model), self.plan_sft_set(dataset), self.plan_split("validation"))
        return self.plan_training_job("train_sft", job, *after)

    def plan_generation(self, of: Stage) -> Stage:
        """Answer the benchmarks with the checkpoints of a stage."""
        job = jobs.GenerateJob(
            samples=self.samples,
            sampling=self.study.evaluation.sampling,
            execution=self.study.execution.select_parts("generation"),
        )
        return self.plan_training_job("generate", job, of, self.plan_split("benchmarks"))

    def generate_base(self, model: str) -> Stage:
        """Answer the benchmarks with a base model."""
        return self.plan_generation(self.plan_base(model))

    def generate_sft(self, model: str, dataset: str, seed: str) -> Stage:
        """Answer the benchmarks with the checkpoints of an SFT run."""
        return self.plan_generation(self.train_sft(model, dataset, seed))

    def plan_grading(self, of: Stage, grader: GraderSettings) -> Stage:
        """Grade the generations of a stage."""
        return Stage("grade", grader.model_dump_json(), "lab", (of,), packages=ENGINE_PACKAGES)

    @cache_stage
    def plan_run_grading(self, run: Run) -> Stage:
        """Grade the answers of a run."""
        return self.plan_grading(self.plan_run_generation(run), self.study.evaluation.grader)

    @cache_stage
    def label_subphases(self, model: str, dataset: str, seed: str) -> Stage:
        """Label the checkpoints of an SFT run."""
        run = self.find_sft_run(model, dataset)
        job = jobs.LabelJob(
            delta=self.study.labels.delta,
            delta2=self.study.labels.delta2,
            branching=self.get_branching(run),
            max_stable=run.max_stable,
            checkpoints=run.checkpoints,
        )
        return self.plan_analysis(
            "label_subphases", job.model_dump_json(), self.train_sft(model, dataset, seed)
        )

    @cache_stage
    def train_rl(self, model: str, dataset: str, sft_step: str, recipe: str, seed: str) -> Stage:
        """One RL run; `dataset` none and `sft_step` 0 is Pure RL."""
        chosen = self.study.recipes.rl[recipe]
        data = self.study.data
        job = jobs.RlJob(
            sft_step=int(sft_step),
            recipe=chosen,
            seed=self.parse_seed(seed),
            evaluation=self.study.evaluation.sampling,
            samples=self.samples,
            execution=self.study.execution.select_parts("rl"),
            overlap=data.overlap if isinstance(data, HubData) else "error",
        )
        start = (
            self.plan_base(model) if dataset == NO_DATASET else self.train_sft(model, dataset, seed)
        )
        used = (self.plan_split(chosen.prompts), self.plan_split("benchmarks"))
        return self.plan_training_job("train_rl", job, start, *used)

    def grade(self, run: str) -> Stage:
        """The grades of a run, given its path below results/STUDY."""
        if run == "reference":
            return self.plan_grading(self.generate_reference(), self.reference.grader)
        return self.plan_run_grading(parse_run(run))

    def plan_run_generation(self, run: Run) -> Stage:
        """The stage that stores the generations of a run."""
        if run.kind == "base":
            return self.generate_base(run.model)
        if run.kind == "sft":
            return self.generate_sft(run.model, run.dataset, str(run.seed))
        return self.train_rl(run.model, run.dataset, str(run.sft_step), run.recipe, str(run.seed))

    def list_gradings(self) -> list[Stage]:
        """Grades of everything that may enter the curves: every possible branch, chosen or not."""
        branches = self.list_rl_runs(
            lambda run: self.find_sft_run(run.model, run.dataset).checkpoints
        )
        runs = [*self.list_sft_runs(), *branches]
        # A reference or an embedder may be a model of the study that no run starts from.
        bases = dict.fromkeys(Run("base", run.model) for run in runs)
        return [self.plan_run_grading(run) for run in [*bases, *runs]]

    @cache_stage
    def dataset_stats(self) -> Stage:
        """Measure the data sets."""
        sets = [self.plan_sft_set(dataset) for dataset in self.study.datasets]
        after = [*sets, *(self.plan_split(name) for name in self.measured_splits)]
        job = jobs.StatsJob(datasets=self.study.datasets)
        return self.plan_analysis("dataset_stats", job.model_dump_json(), *after)

    @cache_stage
    def subphases(self) -> Stage:
        """Gather the sub-phases of all SFT runs."""
        runs = [
            self.label_subphases(run.model, run.dataset, str(run.seed))
            for run in self.list_sft_runs()
        ]
        return self.plan_analysis("concatenate", "", *runs)

    @cache_stage
    def curves(self) -> Stage:
        """Gather all scores."""
        titles = {name: recipe.title for name, recipe in self.study.recipes.rl.items()}
        job = jobs.CurvesJob(study=self.study.name, titles=titles)
        return self.plan_analysis(
            "curves", job.model_dump_json(), self.subphases(), *self.list_gradings()
        )

    def plan_artefact(self, module: str) -> Stage:
        """A table or a figure, drawn from the fits or the statistics, or the summary."""
        source = (
            self.dataset_stats() if module == "table_3" else self.fit_curves(self.fit.protocols[0])
        )
        return self.plan_analysis(module, json.dumps(list(self.study.datasets)), source)

    def make_report(self) -> Stage:
        """The report: it shows every table and figure."""
        shown = [self.plan_artefact(module) for module in TRAINING_ARTEFACTS]
        return self.plan_analysis(
            "report", "", self.describe_study(), *shown, facts=self.list_templates()
        )

    def summary(self) -> Stage:
        """The table that ends a run on the terminal."""
        return self.plan_artefact("summary")

    @cache_stage
    def replace_grader(self, grader: str) -> "Plan":
        """The plan if another grader, with its own settings, scored the checkpoints.

        Raises:
            LookupError: there is no such grader.
        """
        if grader not in load_graders():
            raise LookupError(f"no grader {grader}")
        settings = GraderSettings(name=grader)
        evaluation = self.study.evaluation.model_copy(update={"grader": settings})
        return replace(self, study=self.study.model_copy(update={"evaluation": evaluation}))

    def get_stage(self, rule: str, **wildcards: str) -> Stage:
        """The stage of a rule's job; `regrade_RULE` does that of RULE with another grader's grades.

        Raises:
            LookupError: the study has no such rule, or no such data set, run, protocol or grader.
        """
        if not rule.startswith(REGRADE_PREFIX):
            return super().get_stage(rule, **wildcards)
        other = self.replace_grader(wildcards.pop("grader"))
        return other.get_stage(rule.removeprefix(REGRADE_PREFIX), **wildcards)

    def compare_graders(self, grader: str) -> Stage:
        """Say what another grader changes."""
        other = self.replace_grader(grader)
        job = jobs.CompareJob(
            study=self.study.name,
            before=self.study.evaluation.grader,
            after=other.study.evaluation.grader,
        )
        shown = [plan.plan_artefact(name) for plan in (self, other) for name in COMPARED_ARTEFACTS]
        graded = [*self.list_gradings(), *other.list_gradings()]
        return self.plan_analysis("compare_graders", job.model_dump_json(), *graded, *shown)

    def describe(self) -> dict[str, Any]:
        """What the report says of the study, and below `resolved` every fact of it."""
        study = self.study
        return {
            "name": study.name,
            "title": study.title,
            "description": study.description,
            "order": list(study.datasets),
            "seeds": list(study.seeds),
            "benchmarks": [
                {"name": name, "problems": b.problems, "samples": b.samples}
                for name, b in study.benchmarks.items()
            ],
            # The other settings of config.yaml change no result.
            "resolved": {**study.model_dump(), "config": {"branching": self.config.branching}},
        }
