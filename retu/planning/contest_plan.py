"""The stages that say where RL starts: labels of checkpoints, and decisions about branches."""

from abc import ABC
from dataclasses import dataclass, replace

from retu.core.run_paths import Run
from retu.planning import jobs
from retu.planning.analysis_plan import AnalysisPlan
from retu.planning.run_plan import RunPlan
from retu.planning.runs import Pool
from retu.planning.stages import Stage, cache_stage


@dataclass(frozen=True)
class ContestPlan(RunPlan, AnalysisPlan, ABC):
    """Where RL starts, and where branches compete, which of them go on."""

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
            "label_subphases",
            job.model_dump_json(),
            self.train_sft(model, dataset, seed),
            study=self.study.name,
            model=model,
            dataset=dataset,
            seed=seed,
        )

    @cache_stage
    def choose_branches(self, model: str, recipe: str, seed: str, rung: str) -> Stage:
        """Decide after a rung which branches of a pool go on; after rung 0, which start."""
        pool, steps = self.find_pool(model, recipe, seed), self.list_rung_steps(recipe)
        if not 0 <= int(rung) <= len(steps):
            raise LookupError(f"{recipe} has no rung {rung}")
        chosen = self.study.recipes.rl[recipe]
        job = jobs.CompeteJob(
            study=self.study.name,
            settings=self.study.adaptive,
            last_step=chosen.steps,
            evaluate_every=chosen.evaluate_every,
            titles={recipe: chosen.title},
            out_of_distribution=self.out_of_distribution,
        )
        labels = [self.label_subphases(r.model, r.dataset, seed) for r in pool.sft_runs]
        before = []
        runs = [*dict.fromkeys(run.parent for run in pool.sft_runs), *pool.sft_runs]
        if int(rung):
            before.append(self.choose_branches(model, recipe, seed, str(int(rung) - 1)))
            # A branch that was dropped counts by its last rung.
            runs += [r for n in range(1, int(rung) + 1) for r in self.list_pool_branches(pool, n)]
        trained = [self.plan_run_training(run) for run in runs if run.kind != "base"]
        graded = [self.plan_run_grading(run) for run in runs]
        after = (*labels, *before, *trained, *graded)
        return self.plan_analysis("choose_branches", job.model_dump_json(), *after)

    def list_pool_branches(self, pool: Pool, rung: int) -> list[Run]:
        """Every branch of a pool that could reach a rung, up to its end."""
        return [
            replace(run, kind="rl", sft_step=step, recipe=pool.recipe, rung=rung)
            for run in pool.sft_runs
            for step in self.find_sft_run(run.model, run.dataset).checkpoints
        ]

    def list_last_decisions(self) -> list[Stage]:
        """The decisions after the last rung of every pool; a search may end before."""
        lasts = {p: str(len(self.list_rung_steps(p.recipe))) for p in self.list_pools()}
        return [
            self.choose_branches(pool.model, pool.recipe, str(pool.seed), last)
            for pool, last in lasts.items()
        ]
