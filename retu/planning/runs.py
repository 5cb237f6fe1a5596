"""The runs of a training study: which there are, and what the study says of each."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from retu.config.study import Config, SftRun, Study
from retu.core.run_paths import NO_DATASET, Run


@dataclass(frozen=True)
class StudyRuns:
    """The runs of a study under a configuration."""

    study: Study
    config: Config

    def find_sft_run(self, model: str, dataset: str) -> SftRun:
        """The SFT run of a model and data set; LookupError if the study has none."""
        runs = [r for r in self.study.sft_runs if (r.model, r.dataset) == (model, dataset)]
        if not runs:
            raise LookupError(f"no SFT run of {model} on {dataset}")
        return runs[0]

    def parse_seed(self, seed: str) -> int:
        """A seed of the study; LookupError if it has none such."""
        if int(seed) not in self.study.seeds:
            raise LookupError(f"no seed {seed}")
        return int(seed)

    def get_branching(self, run: SftRun) -> str:
        """Where RL starts: config.yaml may override the run."""
        return self.config.branching or run.branching

    def list_sft_runs(self) -> list[Run]:
        """Every SFT run, seed by seed."""
        return [
            Run("sft", r.model, r.dataset, seed=s)
            for r in self.study.sft_runs
            for s in self.study.seeds
        ]

    def list_rl_runs(self, chosen: Callable[[Run], Iterable[int]]) -> list[Run]:
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
            for sft in self.list_sft_runs():
                if sft.model in rl.models and (rl.datasets == "all" or sft.dataset in rl.datasets):
                    steps = chosen(sft) if rl.sft_steps is None else rl.sft_steps
                    runs += [replace(sft, kind="rl", sft_step=n, recipe=rl.recipe) for n in steps]
        return runs
