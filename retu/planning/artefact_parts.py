"""The part of a study that an artefact shows, where it is small: nothing else is trained for it.

A part is the same study with fewer runs. Its curves, sub-phases and fits are tables of their own,
so that `snakemake table_6` trains the larger model alone.
"""

from collections.abc import Callable, Mapping

from retu.config.study import ImportedSftRun, RlRun, SftRun, Study
from retu.core.errors import InputError
from retu.planning.artefact_choice import (
    Options,
    choose_artefact_options,
    find_compared_sets,
    is_plain,
    list_start_recipes,
    starts_from,
)

PARTS = {
    "table_1": "compared_models",
    "table_5": "data_scale",
    "table_6": "larger_model",
    "figure_4": "distribution",
    "figure_7": "data_scale",
}
"""The part that each artefact shows; the others show every run."""
MOST_SHOWN = 0.5
"""Share of the trainings up to which a part gets tables of its own: more would save too little."""


def narrow_study(study: Study, part: str) -> Study | None:
    """The study with the runs of one part alone; None where it lacks what the part is about."""
    artefact = next(name for name, shown in PARTS.items() if shown == part)
    try:
        options = choose_artefact_options(artefact, study)
    except InputError:
        return None
    return CHOSEN_RUNS[part](study, options)


def keep_runs(
    study: Study,
    has_sft: Callable[[SftRun | ImportedSftRun], bool],
    models: list[str],
    has_rl: Callable[[RlRun], bool],
) -> Study:
    """The study with some of its runs.

    Args:
        study: all of it.
        has_sft: whether an SFT run is kept.
        models: those whose runs are kept.
        has_rl: whether an entry of RL runs is kept.
    """
    entries = [
        run.model_copy(update={"models": [name for name in run.models if name in models]})
        for run in study.rl_runs
        if has_rl(run)
    ]
    trained = [run for run in study.sft_runs if run.model in models and has_sft(run)]
    rl_runs = [run for run in entries if run.models]
    return study.model_copy(update={"sft_runs": trained, "rl_runs": rl_runs})


def keep_compared_models(study: Study, options: Options) -> Study:
    """Table 1: all runs of the models that it compares."""
    return keep_runs(study, lambda run: True, options["models"].split(","), lambda run: True)


def keep_larger_model(study: Study, options: Options) -> Study:
    """Table 6: SFT and RL of one model."""
    return keep_runs(study, lambda run: True, [options["model"]], lambda run: is_plain(study, run))


def keep_data_scale(study: Study, options: Options) -> Study:
    """Table 5 and figure 7: sets of growing size, of models with RL from two or more of them."""
    sets = options["order"].split(",")
    models = [*find_compared_sets(study, sets)]
    return keep_runs(
        study, lambda run: run.dataset in sets, models, lambda run: is_plain(study, run)
    )


def keep_distribution(study: Study, options: Options) -> Study:
    """Figure 4: one SFT run, and RL from it by the recipe that starts from most of its checkpoints.

    Where the study names the checkpoints and all of them are run, RL from these alone.
    """
    model, dataset = options["model"], options["dataset"]
    run = next(r for r in study.sft_runs if (r.model, r.dataset) == (model, dataset))
    named = {int(step) for step in options.get("sft_steps", "").split(",") if step}
    starts = {
        recipe: list_starts(study, run, recipe) for recipe in sorted(list_start_recipes(study, run))
    }
    chosen = max(starts, key=lambda name: (len(starts[name] & named), len(starts[name])))
    steps = sorted(starts[chosen] & named)
    kept = keep_runs(
        study,
        lambda one: one is run,
        [model],
        lambda rl: rl.start == "sft" and rl.recipe == chosen,
    )
    if not steps or run.branching != "exhaustive":
        return kept
    narrowed = [rl.model_copy(update={"sft_steps": steps}) for rl in kept.rl_runs[:1]]
    return kept.model_copy(update={"rl_runs": narrowed})


def list_starts(study: Study, run: SftRun | ImportedSftRun, recipe: str) -> set[int]:
    """The checkpoints of an SFT run from which RL by a recipe may start."""
    return {
        step
        for rl in study.rl_runs
        if rl.recipe == recipe and starts_from(rl, run)
        for step in rl.sft_steps or run.checkpoints
    }


CHOSEN_RUNS: Mapping[str, Callable[[Study, Options], Study]] = {
    "compared_models": keep_compared_models,
    "data_scale": keep_data_scale,
    "larger_model": keep_larger_model,
    "distribution": keep_distribution,
}
