"""The runs of a training study: which there are, and what the study says of each."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from retu.config.study import Config, ImportedSftRun, RlRun, SftRun, Study
from retu.core.run_paths import NO_DATASET, Run


@dataclass(frozen=True)
class Pool:
    """The SFT runs whose checkpoints compete for RL by one recipe."""

    model: str
    recipe: str
    seed: int
    sft_runs: tuple[Run, ...]

    @property
    def path(self) -> str:
        """The folder of its decisions, relative to results/STUDY."""
        return f"adaptive/{self.model}/{self.recipe}/seed{self.seed}"


@dataclass(frozen=True)
class StudyRuns:
    """The runs of a study under a configuration."""

    study: Study
    config: Config

    def find_sft_run(self, model: str, dataset: str) -> SftRun | ImportedSftRun:
        """The SFT run of a model and data set; LookupError if the study has none."""
        runs = [r for r in self.study.sft_runs if (r.model, r.dataset) == (model, dataset)]
        if not runs:
            raise LookupError(f"no SFT run of {model} on {dataset}")
        return runs[0]

    def find_imported_run(self, model: str, dataset: str) -> ImportedSftRun:
        """The imported SFT run of a model and data set; LookupError if it is none."""
        run = self.find_sft_run(model, dataset)
        if not isinstance(run, ImportedSftRun):
            raise LookupError(f"the SFT run of {model} on {dataset} is not imported")
        return run

    def list_seeds(self, model: str) -> list[int]:
        """The seeds of a model's runs."""
        return self.study.list_seeds(model)

    def list_all_seeds(self) -> list[int]:
        """The seeds of all runs, in order."""
        return sorted({seed for model in self.study.models for seed in self.list_seeds(model)})

    def parse_seed(self, model: str, seed: str) -> int:
        """A seed of a model's runs; LookupError if it has none such."""
        if int(seed) not in self.list_seeds(model):
            raise LookupError(f"no seed {seed}")
        return int(seed)

    def get_branching(self, run: SftRun | ImportedSftRun) -> str:
        """Where RL starts: config.yaml may override the run."""
        return self.config.branching or run.branching

    def list_sft_runs(self) -> list[Run]:
        """Every SFT run, seed by seed."""
        return [
            Run("sft", r.model, r.dataset, seed=s)
            for r in self.study.sft_runs
            for s in self.list_seeds(r.model)
        ]

    def list_rl_runs(
        self,
        chosen: Callable[[Run], Iterable[int]],
        rungs: Callable[[Run], Iterable[int]] | None = None,
    ) -> list[Run]:
        """Every RL branch, Pure RL first.

        Args:
            chosen: gives the SFT steps at which a run branches.
            rungs: gives the rungs of a branch that competes; by default all of them.
        """
        runs = []
        for rl in sorted(self.study.rl_runs, key=lambda rl: rl.start):
            if rl.start == "base":
                runs += [
                    Run("rl", m, NO_DATASET, 0, rl.recipe, s)
                    for m in rl.models
                    for s in self.list_seeds(m)
                ]
                continue
            for sft in self.list_starting_runs(rl):
                steps = chosen(sft) if rl.sft_steps is None else rl.sft_steps
                branches = [replace(sft, kind="rl", sft_step=n, recipe=rl.recipe) for n in steps]
                if self.has_contest(rl, sft):
                    find = rungs or self.list_rungs
                    runs += [replace(branch, rung=n) for branch in branches for n in find(branch)]
                else:
                    runs += branches
        return runs

    def list_starting_runs(self, rl: RlRun) -> list[Run]:
        """The SFT runs from which an RL run starts."""
        sets = {run.dataset for run in self.study.sft_runs} if rl.datasets == "all" else rl.datasets
        return [r for r in self.list_sft_runs() if r.model in rl.models and r.dataset in sets]

    def has_contest(self, rl: RlRun, sft: Run) -> bool:
        """Whether the branches of an SFT run compete: not where the study names their steps."""
        run = self.find_sft_run(sft.model, sft.dataset)
        return rl.sft_steps is None and self.get_branching(run) == "adaptive"

    def list_rung_steps(self, recipe: str) -> list[int]:
        """The RL steps after which branches of a recipe pause."""
        chosen = self.study.recipes.rl[recipe]
        return self.study.adaptive.list_rung_steps(chosen.steps, chosen.evaluate_every)

    def list_rungs(self, branch: Run) -> range:
        """All rungs of a branch."""
        return range(1, len(self.list_rung_steps(branch.recipe)) + 1)

    def get_rl_steps(self, run: Run) -> tuple[int, int]:
        """The RL steps at which a run, or the rung that it is, starts and ends."""
        ends = [0, *self.list_rung_steps(run.recipe)]
        whole = (0, self.study.recipes.rl[run.recipe].steps)
        return (ends[run.rung - 1], ends[run.rung]) if run.rung else whole

    def count_evaluations(self, run: Run) -> int:
        """How often an RL run, or the rung that it is, answers the benchmarks."""
        every = self.study.recipes.rl[run.recipe].evaluate_every
        start, end = self.get_rl_steps(run)
        return -(-end // every) - -(-start // every)

    def list_pools(self) -> list[Pool]:
        """The branches that compete with each other: those of a model, an RL recipe and a seed."""
        pools: dict[tuple[str, str, int], list[Run]] = {}
        for rl in self.study.rl_runs:
            for sft in self.list_starting_runs(rl) if rl.start == "sft" else []:
                if self.has_contest(rl, sft):
                    pools.setdefault((sft.model, rl.recipe, sft.seed), []).append(sft)
        return [Pool(*key, tuple(dict.fromkeys(runs))) for key, runs in pools.items()]

    def find_pool(self, model: str, recipe: str, seed: str) -> Pool:
        """A pool; LookupError if nothing competes there."""
        asked = (model, recipe, self.parse_seed(model, seed))
        for pool in self.list_pools():
            if (pool.model, pool.recipe, pool.seed) == asked:
                return pool
        raise LookupError(f"no branches of {model} by {recipe} compete")
