"""The stages of a training study: what each rule is told, and what it comes after.

The graph of files is Snakemake's; this is the graph of identities (`stage.py`).
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from workflow_scripts.grading.settings import PACKAGES, known_graders
from workflow_scripts.study import jobs
from workflow_scripts.study.analysis import Fit
from workflow_scripts.study.layout import NO_DATASET, Run, parse_run
from workflow_scripts.study.schema import Config, Grader, SftRun, Study
from workflow_scripts.study.section import Section
from workflow_scripts.study.stage import AnalysisPlan, Stage

ARTEFACTS = ("table_3", "table_4", "figure_2", "figure_3", "figure_8")
AGAIN = "regrade_"
COMPARED = ("table_4", "figure_2", "figure_8")
"""The artefacts of grades whose numbers are a table."""


@dataclass(frozen=True)
class Plan(AnalysisPlan):
    """All stages of a training study; methods take the wildcards of their rule."""

    study: Study
    config: Config

    @property
    def fit(self) -> Fit:
        """How the study fits."""
        return self.study.fit

    def sft_run(self, model: str, dataset: str) -> SftRun:
        """The SFT run of a model and data set; LookupError if the study has none."""
        runs = [r for r in self.study.sft_runs if (r.model, r.dataset) == (model, dataset)]
        if not runs:
            raise LookupError(f"no SFT run of {model} on {dataset}")
        return runs[0]

    def seed(self, seed: str) -> int:
        """A seed of the study; LookupError if it has none such."""
        if int(seed) not in self.study.seeds:
            raise LookupError(f"no seed {seed}")
        return int(seed)

    def branching(self, run: SftRun) -> str:
        """Where RL starts: config.yaml may override the run."""
        return self.config.branching or run.branching

    @cached_property
    def samples(self) -> dict[str, int]:
        """Samples per problem of each benchmark."""
        return {name: b.samples for name, b in self.study.benchmarks.items()}

    def trained(self, module: str, job: Section, *after: Stage) -> Stage:
        """A stage in the training environment, where only RL uses a grader."""
        ignored = () if module == "train_rl" else tuple(f"-{name}" for name in PACKAGES)
        return Stage(module, job.model_dump_json(), "lab", after, packages=ignored)

    def make_data(self) -> Stage:
        """Draw the data."""
        drawn = {name: b.drawing for name, b in self.study.benchmarks.items()}
        return self.trained("make_data", jobs.DataJob(data=self.study.data, benchmarks=drawn))

    def pretrain_base(self, model: str) -> Stage:
        """Make a base model."""
        job = jobs.PretrainJob(model=self.study.models[model], execution=self.study.execution)
        return self.trained("pretrain_base", job, self.make_data())

    def train_reference(self) -> Stage:
        """Fine-tune the reference model."""
        reference = self.study.reference
        job = jobs.SftJob(
            recipe=self.study.recipes.sft[reference.recipe],
            checkpoints=[reference.steps],
            seed=0,
            execution=self.study.execution,
        )
        return self.trained("train_sft", job, self.pretrain_base(reference.model))

    def generate_reference(self) -> Stage:
        """Let the reference model attempt the pool."""
        reference = self.study.reference
        job = jobs.GenerateJob(
            samples={"pool": reference.attempts},
            sampling=reference.sampling,
            execution=self.study.execution,
        )
        return self.trained("generate", job, self.train_reference())

    def select_sft_set(self, dataset: str) -> Stage:
        """Draw an SFT set."""
        job = jobs.SelectJob(name=dataset, dataset=self.study.datasets[dataset])
        return self.trained("select_sft_set", job, self.grade("reference"))

    def train_sft(self, model: str, dataset: str, seed: str) -> Stage:
        """Fine-tune on an SFT set."""
        run = self.sft_run(model, dataset)
        job = jobs.SftJob(
            recipe=self.study.recipes.sft[run.recipe],
            checkpoints=run.checkpoints,
            seed=self.seed(seed),
            execution=self.study.execution,
        )
        return self.trained(
            "train_sft", job, self.pretrain_base(model), self.select_sft_set(dataset)
        )

    def generations(self, of: Stage) -> Stage:
        """Answer the benchmarks with the checkpoints of a stage."""
        job = jobs.GenerateJob(
            samples=self.samples,
            sampling=self.study.evaluation.sampling,
            execution=self.study.execution,
        )
        return self.trained("generate", job, of, self.make_data())

    def generate_base(self, model: str) -> Stage:
        """Answer the benchmarks with a base model."""
        return self.generations(self.pretrain_base(model))

    def generate_sft(self, model: str, dataset: str, seed: str) -> Stage:
        """Answer the benchmarks with the checkpoints of an SFT run."""
        return self.generations(self.train_sft(model, dataset, seed))

    def grades(self, of: Stage, grader: Grader) -> Stage:
        """Grade the generations of a stage."""
        return Stage("grade", grader.model_dump_json(), "lab", (of,), packages=PACKAGES)

    def scored(self, run: Run) -> Stage:
        """Grade the answers of a run."""
        return self.grades(self.answered(run), self.study.evaluation.grader)

    def label_subphases(self, model: str, dataset: str, seed: str) -> Stage:
        """Label the checkpoints of an SFT run."""
        run = self.sft_run(model, dataset)
        job = jobs.LabelJob(
            delta=self.study.labels.delta,
            delta2=self.study.labels.delta2,
            branching=self.branching(run),
            max_stable=run.max_stable,
        )
        return self.analysed(
            "label_subphases", job.model_dump_json(), self.train_sft(model, dataset, seed)
        )

    def train_rl(self, model: str, dataset: str, sft_step: str, recipe: str, seed: str) -> Stage:
        """One RL run; `dataset` none and `sft_step` 0 is Pure RL."""
        job = jobs.RlJob(
            sft_step=int(sft_step),
            recipe=self.study.recipes.rl[recipe],
            seed=self.seed(seed),
            evaluation=self.study.evaluation.sampling,
            samples=self.samples,
            execution=self.study.execution,
        )
        start = (
            self.pretrain_base(model)
            if dataset == NO_DATASET
            else self.train_sft(model, dataset, seed)
        )
        return self.trained("train_rl", job, start)

    def grade(self, run: str) -> Stage:
        """The grades of a run, given its path below results/STUDY."""
        if run == "reference":
            return self.grades(self.generate_reference(), self.study.reference.grader)
        return self.scored(parse_run(run))

    def answered(self, run: Run) -> Stage:
        """The stage that stores the generations of a run."""
        if run.kind == "base":
            return self.generate_base(run.model)
        if run.kind == "sft":
            return self.generate_sft(run.model, run.dataset, str(run.seed))
        return self.train_rl(run.model, run.dataset, str(run.sft_step), run.recipe, str(run.seed))

    def sft_runs(self) -> list[Run]:
        """Every SFT run, seed by seed."""
        return [
            Run("sft", r.model, r.dataset, seed=s)
            for r in self.study.sft_runs
            for s in self.study.seeds
        ]

    def rl_runs(self, chosen: Callable[[Run], Iterable[int]]) -> list[Run]:
        """Every RL branch, Pure RL first; `chosen` gives the SFT steps at which a run branches."""
        runs = []
        for rl in sorted(self.study.rl_runs, key=lambda rl: rl.start):
            if rl.start == "base":
                runs += [
                    Run("rl", m, NO_DATASET, 0, rl.recipe, s)
                    for m in rl.models
                    for s in self.study.seeds
                ]
                continue
            for sft in self.sft_runs():
                if sft.model in rl.models and (rl.datasets == "all" or sft.dataset in rl.datasets):
                    steps = chosen(sft)
                    runs += [replace(sft, kind="rl", sft_step=n, recipe=rl.recipe) for n in steps]
        return runs

    def evaluated(self) -> list[Stage]:
        """Grades of everything that may enter the curves: every possible branch, chosen or not."""
        bases = [Run("base", model) for model in self.study.models]
        branches = self.rl_runs(lambda run: self.sft_run(run.model, run.dataset).checkpoints)
        return [self.scored(run) for run in [*bases, *self.sft_runs(), *branches]]

    def dataset_stats(self) -> Stage:
        """Measure the data sets."""
        after = [self.select_sft_set(dataset) for dataset in self.study.datasets]
        job = jobs.StatsJob(datasets=self.study.datasets)
        return self.analysed("dataset_stats", job.model_dump_json(), *after)

    def subphases(self) -> Stage:
        """Gather the sub-phases of all SFT runs."""
        runs = [
            self.label_subphases(run.model, run.dataset, str(run.seed)) for run in self.sft_runs()
        ]
        return self.analysed("concatenate", "", *runs)

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
