"""The stages of a training study: what each rule is told, and what it comes after.

The graph of files is Snakemake's; this is the graph of identities (`stage.py`).
"""

import json
from abc import abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from retu.config.analysis import Fit
from retu.config.graders import PACKAGES, known_graders
from retu.config.hub_study import HubData
from retu.config.lab_study import Dataset
from retu.config.study import Grader, Reference
from retu.core.run_paths import NO_DATASET, Run, parse_run
from retu.core.sections import Section
from retu.planning import jobs
from retu.planning.runs import Runs
from retu.planning.stages import AnalysisPlan, Stage, once

ARTEFACTS = ("table_3", "table_4", "figure_2", "figure_3", "figure_8")
AGAIN = "regrade_"
COMPARED = ("table_4", "figure_2", "figure_8")
"""The artefacts of grades whose numbers are a table."""


@dataclass(frozen=True)
class Plan(Runs, AnalysisPlan):
    """All stages of a training study; methods take the wildcards of their rule."""

    @property
    def fit(self) -> Fit:
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

    def prepared(self, module: str, job: Section, *after: Stage) -> Stage:
        """A stage that makes data or models on a CPU, without a grader."""
        ignored = tuple(f"-{name}" for name in PACKAGES)
        return Stage(module, job.model_dump_json(), "lab", after, packages=ignored)

    def trained(self, module: str, job: Section, *after: Stage) -> Stage:
        """A stage in the training environment, where only RL uses a grader."""
        ignored = () if module == "train_rl" else tuple(f"-{name}" for name in PACKAGES)
        spec, environment = job.model_dump_json(), self.training_environment
        return Stage(module, spec, environment, after, packages=ignored)

    @abstractmethod
    def base(self, model: str) -> Stage:
        """Make a base model, or bring it here."""

    @abstractmethod
    def split(self, name: str) -> Stage:
        """Make data/STUDY/NAME.parquet."""

    @property
    def measured(self) -> list[str]:
        """The splits in the table of data sets."""
        data = self.study.data
        prompts = data.prompts if isinstance(data, HubData) else ["rl_prompts"]
        return ["validation", *prompts, "benchmarks"]

    @abstractmethod
    def sft_set(self, dataset: str) -> Stage:
        """Make an SFT set."""

    @property
    def reference(self) -> Reference:
        """The reference model; LookupError if the study has none."""
        if self.study.reference is None:
            raise LookupError("the study has no reference model")
        return self.study.reference

    @once
    def train_reference(self) -> Stage:
        """Fine-tune the reference model; LookupError if it is a base model as it is."""
        if self.reference.recipe is None or self.reference.steps is None:
            raise LookupError("the reference model is not trained")
        job = jobs.SftJob(
            recipe=self.study.recipes.sft[self.reference.recipe],
            checkpoints=[self.reference.steps],
            steps=self.reference.steps,
            seed=0,
            execution=self.study.execution.only("sft"),
        )
        after = (self.base(self.reference.model), self.split("reference"), self.split("validation"))
        return self.trained("train_sft", job, *after)

    @once
    def generate_reference(self) -> Stage:
        """Let the reference model attempt the pool."""
        reference = self.reference
        job = jobs.GenerateJob(
            samples={"pool": reference.attempts},
            sampling=reference.sampling,
            execution=self.study.execution.only("generation"),
        )
        model = self.train_reference() if reference.recipe else self.base(reference.model)
        return self.trained("generate", job, model, self.split("pool"))

    def select_sft_set(self, dataset: str) -> Stage:
        """Draw an SFT set from the pool; LookupError if it is none that is drawn."""
        drawn = self.study.datasets[dataset]
        if not isinstance(drawn, Dataset):
            raise LookupError(f"{dataset} is not drawn")
        job = jobs.SelectJob(name=dataset, dataset=drawn)
        rated = (self.grade("reference"),) if self.study.reference else ()
        used = (self.split(name) for name in ("pool", "benchmarks", "validation"))
        return self.prepared("select_sft_set", job, *used, *rated)

    @once
    def train_sft(self, model: str, dataset: str, seed: str) -> Stage:
        """Fine-tune on an SFT set."""
        run = self.sft_run(model, dataset)
        job = jobs.SftJob(
            recipe=self.study.recipes.sft[run.recipe],
            checkpoints=run.checkpoints,
            steps=run.length,
            evaluate_every=run.evaluate_every,
            seed=self.seed(seed),
            execution=self.study.execution.only("sft"),
        )
        after = (self.base(model), self.sft_set(dataset), self.split("validation"))
        return self.trained("train_sft", job, *after)

    def generations(self, of: Stage) -> Stage:
        """Answer the benchmarks with the checkpoints of a stage."""
        job = jobs.GenerateJob(
            samples=self.samples,
            sampling=self.study.evaluation.sampling,
            execution=self.study.execution.only("generation"),
        )
        return self.trained("generate", job, of, self.split("benchmarks"))

    def generate_base(self, model: str) -> Stage:
        """Answer the benchmarks with a base model."""
        return self.generations(self.base(model))

    def generate_sft(self, model: str, dataset: str, seed: str) -> Stage:
        """Answer the benchmarks with the checkpoints of an SFT run."""
        return self.generations(self.train_sft(model, dataset, seed))

    def grades(self, of: Stage, grader: Grader) -> Stage:
        """Grade the generations of a stage."""
        return Stage("grade", grader.model_dump_json(), "lab", (of,), packages=PACKAGES)

    @once
    def scored(self, run: Run) -> Stage:
        """Grade the answers of a run."""
        return self.grades(self.answered(run), self.study.evaluation.grader)

    @once
    def label_subphases(self, model: str, dataset: str, seed: str) -> Stage:
        """Label the checkpoints of an SFT run."""
        run = self.sft_run(model, dataset)
        job = jobs.LabelJob(
            delta=self.study.labels.delta,
            delta2=self.study.labels.delta2,
            branching=self.branching(run),
            max_stable=run.max_stable,
            checkpoints=run.checkpoints,
        )
        return self.analysed(
            "label_subphases", job.model_dump_json(), self.train_sft(model, dataset, seed)
        )

    @once
    def train_rl(self, model: str, dataset: str, sft_step: str, recipe: str, seed: str) -> Stage:
        """One RL run; `dataset` none and `sft_step` 0 is Pure RL."""
        chosen = self.study.recipes.rl[recipe]
        data = self.study.data
        job = jobs.RlJob(
            sft_step=int(sft_step),
            recipe=chosen,
            seed=self.seed(seed),
            evaluation=self.study.evaluation.sampling,
            samples=self.samples,
            execution=self.study.execution.only("rl"),
            overlap=data.overlap if isinstance(data, HubData) else "error",
        )
        start = self.base(model) if dataset == NO_DATASET else self.train_sft(model, dataset, seed)
        used = (self.split(chosen.prompts), self.split("benchmarks"))
        return self.trained("train_rl", job, start, *used)

    def grade(self, run: str) -> Stage:
        """The grades of a run, given its path below results/STUDY."""
        if run == "reference":
            return self.grades(self.generate_reference(), self.reference.grader)
        return self.scored(parse_run(run))

    def answered(self, run: Run) -> Stage:
        """The stage that stores the generations of a run."""
        if run.kind == "base":
            return self.generate_base(run.model)
        if run.kind == "sft":
            return self.generate_sft(run.model, run.dataset, str(run.seed))
        return self.train_rl(run.model, run.dataset, str(run.sft_step), run.recipe, str(run.seed))

    def evaluated(self) -> list[Stage]:
        """Grades of everything that may enter the curves: every possible branch, chosen or not."""
        branches = self.rl_runs(lambda run: self.sft_run(run.model, run.dataset).checkpoints)
        runs = [*self.sft_runs(), *branches]
        # A reference or an embedder may be a model of the study that no run starts from.
        bases = dict.fromkeys(Run("base", run.model) for run in runs)
        return [self.scored(run) for run in [*bases, *runs]]

    @once
    def dataset_stats(self) -> Stage:
        """Measure the data sets."""
        sets = [self.sft_set(dataset) for dataset in self.study.datasets]
        after = [*sets, *(self.split(name) for name in self.measured)]
        job = jobs.StatsJob(datasets=self.study.datasets)
        return self.analysed("dataset_stats", job.model_dump_json(), *after)

    @once
    def subphases(self) -> Stage:
        """Gather the sub-phases of all SFT runs."""
        runs = [
            self.label_subphases(run.model, run.dataset, str(run.seed)) for run in self.sft_runs()
        ]
        return self.analysed("concatenate", "", *runs)

    @once
    def curves(self) -> Stage:
        """Gather all scores."""
        titles = {name: recipe.title for name, recipe in self.study.recipes.rl.items()}
        job = jobs.CurvesJob(study=self.study.name, titles=titles)
        return self.analysed("curves", job.model_dump_json(), self.subphases(), *self.evaluated())

    def artefact(self, module: str) -> Stage:
        """A table or a figure, drawn from the fits or the statistics, or the summary."""
        source = (
            self.dataset_stats() if module == "table_3" else self.fit_curves(self.fit.protocols[0])
        )
        return self.analysed(module, json.dumps(list(self.study.datasets)), source)

    def make_report(self) -> Stage:
        """The report: it shows every table and figure."""
        shown = [self.artefact(module) for module in ARTEFACTS]
        return self.analysed("report", "", self.describe_study(), *shown, facts=self.templates())

    def summary(self) -> Stage:
        """The table that ends a run on the terminal."""
        return self.artefact("summary")

    @once
    def regraded(self, grader: str) -> "Plan":
        """The plan if another grader, with its own settings, scored the checkpoints.

        Raises:
            LookupError: there is no such grader.
        """
        if grader not in known_graders():
            raise LookupError(f"no grader {grader}")
        evaluation = self.study.evaluation.model_copy(update={"grader": Grader(name=grader)})
        return replace(self, study=self.study.model_copy(update={"evaluation": evaluation}))

    def stage(self, rule: str, **wildcards: str) -> Stage:
        """The stage of a rule's job; `regrade_RULE` does that of RULE with another grader's grades.

        Raises:
            LookupError: the study has no such rule, or no such data set, run, protocol or grader.
        """
        if not rule.startswith(AGAIN):
            return super().stage(rule, **wildcards)
        other = self.regraded(wildcards.pop("grader"))
        return other.stage(rule.removeprefix(AGAIN), **wildcards)

    def compare_graders(self, grader: str) -> Stage:
        """Say what another grader changes."""
        other = self.regraded(grader)
        job = jobs.CompareJob(
            study=self.study.name,
            before=self.study.evaluation.grader,
            after=other.study.evaluation.grader,
        )
        shown = [plan.artefact(name) for plan in (self, other) for name in COMPARED]
        graded = [*self.evaluated(), *other.evaluated()]
        return self.analysed("compare_graders", job.model_dump_json(), *graded, *shown)

    def described(self) -> dict[str, Any]:
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
            # The rest of config.yaml makes no result another.
            "resolved": {**study.model_dump(), "config": {"branching": self.config.branching}},
        }
