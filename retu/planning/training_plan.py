"""All stages of a training study: those of its runs, and what is made of their scores.

Snakemake holds the graph of files; this module holds the graph of stage keys
(`retu/planning/stages.py`).
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

from retu.config.analysis import FitSettings
from retu.config.files_study import FileSet
from retu.config.graders import GraderSettings, load_graders
from retu.config.imported_runs import ImportedSet
from retu.config.lab_study import ArithmeticData
from retu.config.published_values import list_published_facts
from retu.planning import jobs
from retu.planning.analysis_plan import describe_facts
from retu.planning.artefact_choice import (
    ALWAYS_SHOWN,
    choose_artefact_options,
    explain_missing_artefact,
    list_further_artefacts,
)
from retu.planning.artefact_parts import MOST_SHOWN, PARTS, narrow_study
from retu.planning.claims_job import make_claims_job
from retu.planning.contest_plan import ContestPlan
from retu.planning.hypotheses_job import HYPOTHESES_FILE, HypothesesJob
from retu.planning.published_choice import choose_published_options
from retu.planning.stages import Stage, cache_stage

READ = {
    **{"table_1": "cs", "table_3": "d", "table_4": "fc", "table_5": "fsd", "table_6": "fcs"},
    **{"per_benchmark": "c", "figure_2": "fc", "figure_3": "fcs", "figure_4": "c"},
    **{"figure_7": "cfsd", "figure_8": "fs"},
}
"""What each artefact is drawn from: curves (c), fits (f), sub-phases (s), data sets (d)."""
REGRADE_PREFIX = "regrade_"
COMPARED_ARTEFACTS = ("table_4", "figure_2", "figure_8")
"""The artefacts of grades whose numbers are a table."""


@dataclass(frozen=True)
class Plan(ContestPlan):
    """All stages of a training study; methods take the wildcards of their rule."""

    @property
    def fit(self) -> FitSettings:
        """How the study fits."""
        return self.study.fit

    @property
    def measured_splits(self) -> list[str]:
        """The splits in the table of data sets."""
        data = self.study.data
        prompts = ["rl_prompts"] if isinstance(data, ArithmeticData) else list(data.prompts)
        return ["validation", *prompts, "benchmarks"]

    @cache_stage
    def dataset_stats(self) -> Stage:
        """Measure the data sets."""
        own = {n: s for n, s in self.study.datasets.items() if not isinstance(s, ImportedSet)}
        sets = [self.plan_sft_set(dataset) for dataset in own]
        after = [*sets, *(self.plan_split(name) for name in self.measured_splits)]
        # Where a user's file is decides nothing.
        job = jobs.StatsJob(
            datasets={
                name: made.model_copy(update={"file": None}) if isinstance(made, FileSet) else made
                for name, made in own.items()
            }
        )
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
        job = jobs.CurvesJob(
            study=self.study.name, titles=titles, out_of_distribution=self.out_of_distribution
        )
        # Labels say which branches there are, where not all are run; compute comes from training.
        labels = [
            self.label_subphases(run.model, run.dataset, str(run.seed))
            for run in self.list_sft_runs()
            if self.get_branching(self.find_sft_run(run.model, run.dataset)) != "exhaustive"
        ]
        after = (*labels, *self.list_trainings(), *self.list_gradings())
        after += tuple(self.list_last_decisions())
        return self.plan_analysis("curves", job.model_dump_json(), *after)

    @cached_property
    def parts(self) -> dict[str, Self]:
        """The plans of the parts of the study that get tables of their own, by name (`PARTS`)."""
        if self.list_pools() or self.config.branching is not None:
            # Branches compete with all others, and a part is one of the study as it is written.
            return {}
        narrowed = {part: narrow_study(self.study, part) for part in dict.fromkeys(PARTS.values())}
        plans = {part: replace(self, study=study) for part, study in narrowed.items() if study}
        most = MOST_SHOWN * len(self.possible_runs)
        return {part: plan for part, plan in plans.items() if len(plan.possible_runs) <= most}

    def get_part(self, part: str) -> Self:
        """The plan of a part of the study; LookupError if it has no tables of its own."""
        if part not in self.parts:
            raise LookupError(f"no part {part}")
        return self.parts[part]

    def part_curves(self, part: str) -> Stage:
        """Gather the scores of the runs of a part."""
        return self.get_part(part).curves()

    def part_subphases(self, part: str) -> Stage:
        """Gather the sub-phases of the SFT runs of a part."""
        return self.get_part(part).subphases()

    def part_fit_curves(self, part: str, protocol: str) -> Stage:
        """Fit the branches of a part."""
        return self.get_part(part).fit_curves(protocol)

    def plan_artefact(self, name: str) -> Stage:
        """A table or a figure.

        Raises:
            InputError: the study lacks the runs or benchmarks that it is about.
        """
        shown = self.parts.get(PARTS.get(name, ""), self)
        read = {"c": shown.curves, "s": shown.subphases, "d": self.dataset_stats}
        read["f"] = lambda: shown.fit_curves(self.fit.protocols[0])
        options = choose_artefact_options(name, self.study)
        published = choose_published_options(name, self.study)
        facts = list_published_facts(name) if published else ()
        after = [read[kind]() for kind in READ[name]]
        return self.plan_analysis(name, "", *after, facts=facts, **options, **published)

    def explain_missing_artefact(self, name: str) -> str | None:
        """What the study would need for a table or figure; None where it has it all."""
        return explain_missing_artefact(name, self.study)

    @cache_stage
    def answer(self) -> Stage:
        """Say what the data allow: where to stop SFT, where to start RL, what to run next."""
        graded = [self.plan_run_grading(run) for run in self.list_sft_runs()]
        fits = self.fit_curves(self.fit.protocols[0])
        return self.plan_analysis("answer", "", self.curves(), self.subphases(), fits, *graded)

    def judge_claims(self) -> Stage:
        """Judge the paper's sentences and numbers, and those of others, on the study's own."""
        graded = [self.plan_run_grading(run) for run in self.list_sft_runs()]
        fits = self.fit_curves(self.fit.protocols[0])
        read = (self.curves(), self.subphases(), fits, self.dataset_stats(), *graded)
        return self.plan_analysis(
            "study_claims",
            make_claims_job(self.study).model_dump_json(),
            *read,
            facts=self.list_published_files(),
            claims_dir="claims",
        )

    def judge_hypotheses(self) -> Stage:
        """Judge what was registered before the runs, over models that are replicates.

        Raises:
            LookupError: the study has no hypotheses.
        """
        settings = self.study.hypotheses
        if settings is None:
            raise LookupError("no hypotheses")
        job = HypothesesJob(
            study=self.study.name,
            settings=settings,
            out_of_distribution=list(self.out_of_distribution),
        )
        runs = [run for run in self.answered_runs if run.model in settings.replicates]
        graded = [self.plan_run_grading(run) for run in runs if run.kind in ("sft", "rl")]
        fits = self.fit_curves(self.fit.protocols[0])
        read = (self.subphases(), fits, self.dataset_stats(), *graded, *self.list_last_decisions())
        return self.plan_analysis(
            "judge_hypotheses",
            job.model_dump_json(),
            *read,
            facts=(HYPOTHESES_FILE,),
            registered=HYPOTHESES_FILE,
        )

    def make_collapses(self) -> Stage:
        """Show what was logged of branches that collapsed."""
        trained = [self.plan_run_training(run) for run in self.possible_runs if run.kind == "rl"]
        fits = self.fit_curves(self.fit.protocols[0])
        decided = self.list_last_decisions()
        return self.plan_analysis("collapses", "", self.curves(), fits, *trained, *decided)

    def make_report(self) -> Stage:
        """The report: the answer, every table and figure, and the branches that collapsed."""
        shown = [
            self.plan_artefact(name)
            for name in (*ALWAYS_SHOWN, *list_further_artefacts(self.study))
        ]
        fits = self.fit_curves(self.fit.protocols[0])
        read = (self.describe_study(), self.answer(), self.curves(), fits, self.subphases())
        logged = [self.plan_run_training(run) for run in self.possible_runs if run.kind == "rl"]
        answered = [run for run in self.list_sft_runs() if not self.has_scores(run)]
        graded = [
            find(run)
            for run in answered
            for find in (self.plan_run_generation, self.plan_run_grading)
        ]
        judged = [self.judge_hypotheses()] if self.study.hypotheses else []
        after = (*read, *shown, self.make_collapses(), *logged, *graded, *judged)
        decided = self.list_last_decisions()
        return self.plan_analysis("report", "", *after, *decided, facts=self.list_templates())

    def summary(self) -> Stage:
        """The table that ends a run on the terminal."""
        fits = self.fit_curves(self.fit.protocols[0])
        after = (fits, self.curves(), self.answer(), self.make_report())
        return self.plan_analysis("summary", "", *after)

    @cache_stage
    def replace_grader(self, grader: str) -> "Plan":
        """The plan if another grader, with its own settings, scored the checkpoints.

        Benchmarks that have a grader of their own keep it.

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
            own=self.own_graders,
        )
        after = [self.plan_run_generation(run) for run in self.answered_runs]
        for plan in (self, other):
            after += [plan.curves(), *plan.list_gradings()]
            after += [plan.plan_artefact(name) for name in COMPARED_ARTEFACTS]
        return self.plan_analysis("compare_graders", job.model_dump_json(), *after)

    def describe(self) -> dict[str, Any]:
        """What the report says of the study, and below `resolved` every fact of it."""
        # The other settings of config.yaml change no result.
        chosen = {"branching": self.config.branching}
        return describe_facts(self.study, self.list_all_seeds(), config=chosen)
