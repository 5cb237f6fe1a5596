"""The stages that make the models of a training study, their generations and their grades."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property

from retu.config.graders import ENGINE_PACKAGES, GraderSettings
from retu.config.hub_study import HubData
from retu.config.imported_runs import ImportedSet
from retu.config.lab_study import ArithmeticData, DrawnSet
from retu.config.study import ImportedSftRun, ReferenceModel
from retu.core.run_paths import NO_DATASET, Run, parse_run
from retu.core.sections import Section
from retu.planning import jobs
from retu.planning.imported_files import find_run_source
from retu.planning.imported_jobs import ImportScoresJob, ImportSftJob, ScoredFile
from retu.planning.local_sources import LocalSource
from retu.planning.runs import StudyRuns
from retu.planning.score_files import list_score_files
from retu.planning.stages import Stage, cache_stage


@dataclass(frozen=True)
class RunPlan(StudyRuns, ABC):
    """The stages that make models and their grades; methods take the wildcards of their rule."""

    @cached_property
    def samples(self) -> dict[str, int]:
        """Samples per problem of each benchmark."""
        return {name: b.samples for name, b in self.study.benchmarks.items()}

    @property
    def out_of_distribution(self) -> tuple[str, ...]:
        """The benchmarks that do not enter the overall score."""
        return tuple(name for name, b in self.study.benchmarks.items() if b.out_of_distribution)

    @property
    def own_graders(self) -> dict[str, GraderSettings]:
        """The benchmarks that have a grader of their own."""
        return {name: b.grader for name, b in self.study.benchmarks.items() if b.grader}

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
        # Drawn data are disjoint; of other data, what is held out is left out here.
        overlap = "error" if isinstance(self.study.data, ArithmeticData) else "leave_out"
        job = jobs.SelectJob(name=dataset, dataset=drawn, overlap=overlap)
        rated = (self.grade("reference"),) if self.study.reference else ()
        used = (self.plan_split(name) for name in ("pool", "benchmarks", "validation"))
        return self.plan_cpu_job("select_sft_set", job, *used, *rated)

    @cache_stage
    def train_sft(self, model: str, dataset: str, seed: str) -> Stage:
        """Fine-tune on an SFT set."""
        run = self.find_sft_run(model, dataset)
        if isinstance(run, ImportedSftRun):
            return self.import_sft(model, dataset, seed)
        job = jobs.SftJob(
            recipe=self.study.recipes.sft[run.recipe],
            checkpoints=run.checkpoints,
            steps=run.length,
            evaluate_every=run.evaluate_every,
            seed=self.parse_seed(model, seed),
            execution=self.study.execution.select_parts("sft"),
        )
        after = (self.plan_base(model), self.plan_sft_set(dataset), self.plan_split("validation"))
        return self.plan_training_job("train_sft", job, *after)

    @cache_stage
    def import_sft(self, model: str, dataset: str, seed: str) -> Stage:
        """Take an SFT run that was trained elsewhere; LookupError if it is none."""
        run, made = self.find_imported_run(model, dataset), self.study.datasets[dataset]
        named = isinstance(made, ImportedSet)
        recipe = self.study.recipes.sft[run.recipe] if run.recipe else None
        job = ImportSftJob(
            checkpoints=run.checkpoints,
            eval_loss=run.imported.eval_loss,
            system=getattr(self.study.data, "system", None),
            system_in_data=run.imported.system_in_data,
            batch_size=recipe.batch_size if recipe else None,
            max_length=recipe.max_length if recipe else None,
            rows=made.rows if isinstance(made, ImportedSet) else None,
            mean_tokens=made.mean_tokens if isinstance(made, ImportedSet) else None,
        )
        after = (self.plan_base(model), *([] if named else [self.plan_sft_set(dataset)]))
        source = find_run_source(run, self.parse_seed(model, seed))
        return replace(self.plan_cpu_job("import_sft", job, *after), sources=(source,))

    @cache_stage
    def import_scores(self, model: str, dataset: str, seed: str) -> Stage:
        """Take the scores of an imported run; LookupError if it has none."""
        run = self.find_imported_run(model, dataset)
        if run.imported.scores is None:
            raise LookupError(f"the SFT run of {model} on {dataset} brings no scores")
        files = list_score_files(
            run, self.parse_seed(model, seed), self.study.benchmarks, run.dataset
        )
        told = [
            ScoredFile(
                step=file.step,
                benchmark=file.benchmark,
                metric=run.imported.choose_metric(file.benchmark),
            )
            for file in files
        ]
        job = ImportScoresJob(files=told)
        source = LocalSource("scores", tuple(str(file.path) for file in files))
        stage = self.plan_cpu_job("import_scores", job, self.plan_split("benchmarks"))
        return replace(stage, sources=(source,))

    def has_scores(self, run: Run) -> bool:
        """Whether a run is an imported one that brings its scores."""
        found = self.find_sft_run(run.model, run.dataset) if run.kind == "sft" else None
        return isinstance(found, ImportedSftRun) and found.imported.scores is not None

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
        return self.plan_run_generation(Run("base", model))

    def generate_sft(self, model: str, dataset: str, seed: str) -> Stage:
        """Answer the benchmarks with the checkpoints of an SFT run."""
        return self.plan_generation(self.train_sft(model, dataset, seed))

    def plan_grading(self, of: Stage, job: jobs.GradeJob) -> Stage:
        """Grade the generations of a stage."""
        return Stage("grade", job.model_dump_json(), "lab", (of,), packages=ENGINE_PACKAGES)

    @cache_stage
    def plan_run_grading(self, run: Run) -> Stage:
        """Grade the answers of a run."""
        if self.has_scores(run):
            return self.import_scores(run.model, run.dataset, str(run.seed))
        job = jobs.GradeJob(grader=self.study.evaluation.grader, own=self.own_graders)
        return self.plan_grading(self.plan_run_generation(run), job)

    @cache_stage
    def train_rl(self, model: str, dataset: str, sft_step: str, recipe: str, seed: str) -> Stage:
        """One RL run; `dataset` none and `sft_step` 0 is Pure RL."""
        chosen = self.study.recipes.rl[recipe]
        data = self.study.data
        job = jobs.RlJob(
            sft_step=int(sft_step),
            recipe=chosen,
            seed=self.parse_seed(model, seed),
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

    @cache_stage
    def train_rl_rung(
        self, model: str, dataset: str, sft_step: str, recipe: str, seed: str, rung: str
    ) -> Stage:
        """A branch that competes, up to the end of a rung; it goes on from the one before."""
        steps = self.list_rung_steps(recipe)[: int(rung)]
        if not 1 <= int(rung) == len(steps):
            raise LookupError(f"{recipe} has no rung {rung}")
        branch = (model, dataset, sft_step, recipe, seed)
        whole = self.train_rl(*branch)
        job = jobs.RlJob.model_validate_json(whole.spec).model_copy(update={"stops": tuple(steps)})
        before = [self.train_rl_rung(*branch, str(int(rung) - 1))] if int(rung) > 1 else []
        return self.plan_training_job("train_rl", job, *whole.after, *before)

    def grade(self, run: str) -> Stage:
        """The grades of a run, given its path below results/STUDY."""
        if run == "reference":
            job = jobs.GradeJob(grader=self.reference.grader)
            return self.plan_grading(self.generate_reference(), job)
        return self.plan_run_grading(parse_run(run))

    def plan_run_training(self, run: Run) -> Stage:
        """The stage that makes the model of a run."""
        if run.kind == "base":
            return self.plan_base(run.model)
        if run.kind == "sft":
            return self.train_sft(run.model, run.dataset, str(run.seed))
        branch = (run.model, run.dataset, str(run.sft_step), run.recipe, str(run.seed))
        return self.train_rl_rung(*branch, str(run.rung)) if run.rung else self.train_rl(*branch)

    def plan_run_generation(self, run: Run) -> Stage:
        """The stage that stores the generations of a run; RL answers on the way."""
        trained = self.plan_run_training(run)
        return trained if run.kind == "rl" else self.plan_generation(trained)

    @cached_property
    def possible_runs(self) -> list[Run]:
        """Every run that may enter the curves: SFT runs and all possible branches."""
        branches = self.list_rl_runs(
            lambda run: self.find_sft_run(run.model, run.dataset).checkpoints
        )
        return [*self.list_sft_runs(), *branches]

    def list_trainings(self) -> list[Stage]:
        """The training of everything that may enter the curves."""
        return [self.plan_run_training(run) for run in self.possible_runs]

    @property
    def answered_runs(self) -> list[Run]:
        """Every run that may enter the curves, after the base models that they start from."""
        # A reference or an embedder may be a model of the study that no run starts from.
        bases = dict.fromkeys(Run("base", run.model) for run in self.possible_runs)
        return [*bases, *self.possible_runs]

    def list_gradings(self) -> list[Stage]:
        """Grades of everything that may enter the curves, and of what it starts from."""
        return [self.plan_run_grading(run) for run in self.answered_runs]
