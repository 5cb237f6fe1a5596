"""The stages of a training study: what each rule is told, and what it comes after.

The graph of files is Snakemake's; this is the graph of identities (`stage.py`).
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from workflow_scripts.identity import file_digest
from workflow_scripts.study import jobs
from workflow_scripts.study.analysis import Fit
from workflow_scripts.study.layout import NO_DATASET, Run, parse_run
from workflow_scripts.study.schema import Config, Grader, SftRun, Study
from workflow_scripts.study.section import Section
from workflow_scripts.study.stage import ENVIRONMENTS, AnalysisPlan, Stage

GRADER_PACKAGES = ("math-verify", "latex2sympy2-extended", "sympy")
ARTEFACTS = ("table_3", "table_4", "figure_2", "figure_3", "figure_8")


@dataclass(frozen=True)
class Plan(AnalysisPlan):
    """All stages of a training study; methods take the wildcards of their rule."""

    study: Study
    config: Config

    @property
    def fit(self) -> Fit:
        """How the study fits."""
        return self.study.fit

    @cached_property
    def training(self) -> str:
        """Identity of the training environment: the digest of its lock."""
        return file_digest(ENVIRONMENTS / "lab.txt")

    @cached_property
    def grading(self) -> str:
        """Identity of the grader: the locked versions that decide a verdict, nothing else."""
        lines = (ENVIRONMENTS / "lab.txt").read_text(encoding="utf-8").splitlines()
        return ",".join(line for line in lines if line.split("==")[0] in GRADER_PACKAGES)

    def sft_run(self, model: str, dataset: str) -> SftRun:
        """The SFT run of a model and data set."""
        return next(r for r in self.study.sft_runs if (r.model, r.dataset) == (model, dataset))

    def branching(self, run: SftRun) -> str:
        """Where RL starts: config.yaml may override the run."""
        return self.config.branching or run.branching

    @cached_property
    def samples(self) -> dict[str, int]:
        """Samples per problem of each benchmark."""
        return {name: b.samples for name, b in self.study.benchmarks.items()}

    def trained(self, module: str, job: Section, *after: Stage) -> Stage:
        """A stage in the training environment."""
        return Stage(module, job.model_dump_json(), self.training, after)

    def data(self) -> Stage:
        """Draw the data."""
        drawn = {name: b.drawing for name, b in self.study.benchmarks.items()}
        return self.trained("make_data", jobs.DataJob(data=self.study.data, benchmarks=drawn))

    def base(self, model: str) -> Stage:
        """Make a base model."""
        job = jobs.PretrainJob(model=self.study.models[model], execution=self.study.execution)
        return self.trained("pretrain_base", job, self.data())

    def reference(self) -> Stage:
        """Fine-tune the reference model."""
        reference = self.study.reference
        job = jobs.SftJob(
            recipe=self.study.recipes.sft[reference.recipe],
            checkpoints=[reference.steps],
            seed=0,
            execution=self.study.execution,
        )
        return self.trained("train_sft", job, self.base(reference.model))

    def reference_generations(self) -> Stage:
        """Let the reference model attempt the pool."""
        reference = self.study.reference
        job = jobs.GenerateJob(
            samples={"pool": reference.attempts},
            sampling=reference.sampling,
            execution=self.study.execution,
        )
        return self.trained("generate", job, self.reference())

    def sft_set(self, dataset: str) -> Stage:
        """Draw an SFT set."""
        job = jobs.SelectJob(name=dataset, dataset=self.study.datasets[dataset])
        return self.trained("select_sft_set", job, self.graded("reference"))

    def sft(self, model: str, dataset: str, seed: str) -> Stage:
        """Fine-tune on an SFT set."""
        run = self.sft_run(model, dataset)
        job = jobs.SftJob(
            recipe=self.study.recipes.sft[run.recipe],
            checkpoints=run.checkpoints,
            seed=int(seed),
            execution=self.study.execution,
        )
        return self.trained("train_sft", job, self.base(model), self.sft_set(dataset))

    def generations(self, of: Stage) -> Stage:
        """Answer the benchmarks with the checkpoints of a stage."""
        job = jobs.GenerateJob(
            samples=self.samples,
            sampling=self.study.evaluation.sampling,
            execution=self.study.execution,
        )
        return self.trained("generate", job, of, self.data())

    def grades(self, of: Stage, grader: Grader) -> Stage:
        """Grade the generations of a stage."""
        return Stage("grade", grader.model_dump_json(), self.grading, (of,))

    def scored(self, run: Run) -> Stage:
        """Grade the answers of a run."""
        return self.grades(self.answered(run), self.study.evaluation.grader)

    def labels(self, model: str, dataset: str, seed: str) -> Stage:
        """Label the checkpoints of an SFT run."""
        run = self.sft_run(model, dataset)
        job = jobs.LabelJob(
            delta=self.study.labels.delta,
            delta2=self.study.labels.delta2,
            branching=self.branching(run),
            max_stable=run.max_stable,
        )
        return self.analysed(
            "label_subphases", job.model_dump_json(), self.sft(model, dataset, seed)
        )

    def rl(self, model: str, dataset: str, sft_step: str, recipe: str, seed: str) -> Stage:
        """One RL run; `dataset` none and `sft_step` 0 is Pure RL."""
        job = jobs.RlJob(
            sft_step=int(sft_step),
            recipe=self.study.recipes.rl[recipe],
            seed=int(seed),
            evaluation=self.study.evaluation,
            samples=self.samples,
            execution=self.study.execution,
        )
        start = self.base(model) if dataset == NO_DATASET else self.sft(model, dataset, seed)
        return self.trained("train_rl", job, start)

    def graded(self, run: str) -> Stage:
        """The grades of a run, given its path below results/STUDY."""
        if run == "reference":
            return self.grades(self.reference_generations(), self.study.reference.grader)
        return self.scored(parse_run(run))

    def answered(self, run: Run) -> Stage:
        """The stage that stores the generations of a run."""
        if run.kind == "base":
            return self.generations(self.base(run.model))
        if run.kind == "sft":
            return self.generations(self.sft(run.model, run.dataset, str(run.seed)))
        return self.rl(run.model, run.dataset, str(run.sft_step), run.recipe, str(run.seed))

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
        after = [self.sft_set(dataset) for dataset in self.study.datasets]
        job = jobs.StatsJob(datasets=self.study.datasets)
        return self.analysed("dataset_stats", job.model_dump_json(), *after)

    def subphases(self) -> Stage:
        """Gather the sub-phases of all SFT runs."""
        runs = [self.labels(run.model, run.dataset, str(run.seed)) for run in self.sft_runs()]
        return self.analysed("concatenate", "", *runs)

    def curves(self) -> Stage:
        """Gather all scores."""
        titles = {name: recipe.title for name, recipe in self.study.recipes.rl.items()}
        job = jobs.CurvesJob(study=self.study.name, titles=titles)
        return self.analysed("curves", job.model_dump_json(), self.subphases(), *self.evaluated())

    def artefact(self, module: str) -> Stage:
        """A table or a figure, drawn from the fits or the statistics, or the summary."""
        source = self.dataset_stats() if module == "table_3" else self.fits(self.fit.protocols[0])
        return self.analysed(module, json.dumps(list(self.study.datasets)), source)

    def report(self) -> Stage:
        """The report: it shows every table and figure."""
        shown = [self.artefact(module) for module in ARTEFACTS]
        return self.analysed("report", "", self.describe(), *shown, facts=self.templates())

    def describe(self) -> Stage:
        """The resolved study and the versions that ran it."""
        return self.analysed("describe_study", json.dumps(self.facts()))

    def facts(self) -> dict[str, object]:
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
            "resolved": {**study.model_dump(), "config": self.config.model_dump()},
        }
