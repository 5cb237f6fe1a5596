"""What the judgement of sentences is told of a training study."""

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from retu.config.study import Study
from retu.planning.claims_facts import PromptUse, StudyClaimsJob, TrainedSet

NAMES = frozenset({"title"})
SIZES = frozenset({"title", "rows", "limit", "seed"})
"""Parts of a data set in which half of it and all of it differ."""


def make_claims_job(study: Study) -> StudyClaimsJob:
    """The facts of a study that tests of sentences need."""
    sets = study.datasets
    return StudyClaimsJob(
        study=study.name,
        models=list(study.models),
        titles={name: made.title or name for name, made in sets.items()},
        trained=[describe_training(study, run) for run in study.sft_runs],
        prompts={
            name: PromptUse(prompts=recipe.prompts, prompts_per_step=recipe.prompts_per_step)
            for name, recipe in study.recipes.rl.items()
        },
        alike=group_sets(sets, NAMES),
        drawn_alike=group_sets(sets, SIZES),
    )


def describe_training(study: Study, run: Any) -> TrainedSet:
    """An SFT run, its batch and reduction by its recipe; an imported one may have none."""
    recipe = study.recipes.sft.get(run.recipe) if run.recipe else None
    return TrainedSet(
        model=run.model,
        dataset=run.dataset,
        batch_size=recipe.batch_size if recipe else None,
        reduction=recipe.reduction if recipe else None,
    )


def group_sets(sets: Mapping[str, Any], apart: frozenset[str]) -> list[list[str]]:
    """Data sets that differ in nothing but the parts `apart`, in groups of two or more."""
    told = {name: made.model_dump_json(exclude=apart) for name, made in sets.items()}
    ordered = sorted(told, key=lambda name: told[name])
    groups = [sorted(group) for _, group in groupby(ordered, key=lambda name: told[name])]
    return sorted(group for group in groups if len(group) > 1)
