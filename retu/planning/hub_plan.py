"""The stages at which a study of real models differs: data and base models come from a hub."""

import functools
from pathlib import Path
from typing import Any

from retu.config.hub_study import HubBenchmark, HubData, HubModel, MatchedSet, ReleasedSet
from retu.core.yaml_files import read_yaml
from retu.planning import jobs
from retu.planning.stages import ROOT, Stage, cache_stage
from retu.planning.training_plan import Plan

BENCHMARKS_SPLIT = "benchmarks"
ALL_BENCHMARKS_SPLIT = "all_benchmarks"
VALIDATION_SPLIT = "validation"
POOL_SPLIT = "pool"


@functools.cache
def read_source_list(path: Path) -> dict[str, Any]:
    """A list of sources, read once."""
    return read_yaml(path)


def drop_notes(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry of a list of sources without its notes, which decide nothing."""
    return {key: value for key, value in entry.items() if key != "notes"}


class HubPlan(Plan):
    """All stages of a study whose data and models come from a hub."""

    @property
    def data(self) -> HubData:
        """The data section."""
        data = self.study.data
        if not isinstance(data, HubData):
            raise LookupError("the study takes nothing from a hub")
        return data

    def find_source(self, name: str) -> dict[str, Any]:
        """The entry of a data set in the list of sources."""
        return drop_notes(read_source_list(ROOT / self.data.sources)[name])

    @cache_stage
    def plan_base(self, model: str) -> Stage:
        """See `Plan`."""
        return self.fetch_base(model)

    @cache_stage
    def plan_split(self, name: str) -> Stage:
        """See `Plan`."""
        if name == BENCHMARKS_SPLIT and self.data.decontamination:
            return self.decontaminate()
        if name in (BENCHMARKS_SPLIT, ALL_BENCHMARKS_SPLIT):
            return self.load_benchmarks()
        if name == POOL_SPLIT:
            return self.rebuild_pool()
        matched = isinstance(self.data.prompts.get(name), MatchedSet)
        return self.match_prompts(name) if matched else self.load_prompts(name)

    @cache_stage
    def plan_sft_set(self, dataset: str) -> Stage:
        """See `Plan`."""
        released = isinstance(self.study.datasets[dataset], ReleasedSet)
        return self.load_sft_set(dataset) if released else self.select_sft_set(dataset)

    def fetch_base(self, model: str) -> Stage:
        """Bring a base model here."""
        wanted = self.study.models[model]
        if not isinstance(wanted, HubModel):
            raise LookupError(f"{model} is not a model of a hub")
        facts = (f"chat_templates/{wanted.template}.jinja",) if wanted.template else ()
        job = jobs.FetchBaseJob(model=wanted, lock=self.data.lock)
        stage = self.plan_cpu_job("fetch_base", job)
        return Stage(stage.module, stage.spec, stage.environment, (), facts, stage.packages)

    def load_benchmarks(self) -> Stage:
        """Bring the benchmarks here."""
        entries = read_source_list(ROOT / self.data.benchmarks)
        wanted = {n: b for n, b in self.study.benchmarks.items() if isinstance(b, HubBenchmark)}
        cleaned = [name for name, b in wanted.items() if b.source == "cleaned"]
        # The cleaned set is a single file: all benchmarks in it must be known, even if only some
        # are used.
        originals = {
            name: drop_notes(entry)
            for name, entry in entries["original"].items()
            if name in wanted or (cleaned and entry.get("cleaned"))
        }
        job = jobs.BenchmarksJob(
            counts={name: benchmark.problems for name, benchmark in wanted.items()},
            cleaned=cleaned,
            sources={"original": originals, "cleaned": drop_notes(entries["cleaned"])},
            lock=self.data.lock,
        )
        return self.plan_cpu_job("load_benchmarks", job)

    def plan_released_set(self, name: str, source: str, prompt_tokens: int | None = None) -> Stage:
        """Bring a released set here; lengths are counted with a model's tokenizer."""
        job = jobs.ExpertSetJob(
            name=name,
            source=self.find_source(source),
            lock=self.data.lock,
            prompt_tokens=prompt_tokens,
        )
        return self.plan_cpu_job("load_expert_set", job, self.plan_base(self.data.tokenizer))

    def load_sft_set(self, dataset: str) -> Stage:
        """Bring an SFT set here; LookupError if it is none that was released."""
        wanted = self.study.datasets[dataset]
        if not isinstance(wanted, ReleasedSet):
            raise LookupError(f"{dataset} was not released")
        return self.plan_released_set(dataset, wanted.source)

    def load_prompts(self, split: str) -> Stage:
        """Bring RL prompts or the validation set here."""
        if split == VALIDATION_SPLIT:
            return self.plan_released_set(split, self.data.validation)
        wanted = self.data.prompts.get(split)
        if wanted is None or isinstance(wanted, MatchedSet):
            raise LookupError(f"{split} was not released")
        return self.plan_released_set(split, wanted.source, self.data.prompt_tokens)

    def match_prompts(self, split: str) -> Stage:
        """Match prompts with expert trajectories."""
        wanted = self.data.prompts.get(split)
        if not isinstance(wanted, MatchedSet):
            raise LookupError(f"{split} is not matched")
        job = jobs.MatchJob(name=split, matched=wanted, prompt_tokens=self.data.prompt_tokens)
        prompts = (self.plan_split(wanted.prompts),) if wanted.prompts else ()
        return self.plan_cpu_job("match_prompts", job, self.plan_sft_set(wanted.experts), *prompts)

    def rebuild_pool(self) -> Stage:
        """Gather the trajectories that sets are drawn from."""
        pool = self.data.pool
        if pool is None:
            raise LookupError("the study has no pool")
        entries = {name: self.find_source(name) for name in pool.sources}
        job = jobs.PoolJob(pool=pool, sources=entries, lock=self.data.lock)
        return self.plan_cpu_job("rebuild_pool", job, self.plan_base(self.data.tokenizer))

    def decontaminate(self) -> Stage:
        """Leave out benchmark problems that training has seen."""
        rule = self.data.decontamination
        if rule is None:
            raise LookupError("the study does not decontaminate")
        execution = self.study.execution.select_parts("generation")
        job = jobs.DecontaminateJob(threshold=rule.threshold, execution=execution)
        against = [
            self.plan_sft_set(name) if name in self.study.datasets else self.plan_split(name)
            for name in rule.against
        ]
        return self.plan_training_job(
            "decontaminate", job, self.plan_base(rule.embedder), self.load_benchmarks(), *against
        )
