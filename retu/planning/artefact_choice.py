"""Which runs of a study each table and figure of the paper shows, and what to add if it has none.

What is chosen becomes options of the artefact's script. An artefact without the runs or benchmarks
that it is about is refused in a line that says, as YAML, what the study would need.
"""

from collections.abc import Callable, Sequence
from typing import NoReturn

from retu.config.hub_study import HubModel
from retu.config.lab_study import DrawnSet, LabModel
from retu.config.study import ImportedSftRun, RlRun, SftRun, Study
from retu.core.errors import InputError

ARTEFACT_TITLES = {
    "table_1": "the highest score of every model, data set and paradigm",
    "table_3": "the data sets",
    "table_4": "the fitted curve of every branch",
    "table_5": "ceilings and minimum losses over sets of growing size",
    "table_6": "RL of a larger model, from step 0 on",
    "per_benchmark": "every run's scores, benchmark by benchmark",
    "figure_2": "the paradigms",
    "figure_3": "RL from every branch point",
    "figure_4": "out of distribution",
    "figure_7": "RL from sets of growing size",
    "figure_8": "ceiling against minimum validation loss",
}
"""The paper's tables and figures, and one that it does not have, by the names of their targets."""
ALWAYS_SHOWN = ("table_3", "table_4", "figure_2", "figure_3", "figure_8")
"""What the report of every study shows."""
PLAIN_TITLE = "RL"
"""The title of recipes whose runs are Pure RL and SFT-then-RL: these artefacts show no others."""
Options = dict[str, str]


def choose_artefact_options(name: str, study: Study) -> Options:
    """What the script of an artefact is told about the study, by option.

    Raises:
        InputError: the study lacks what the artefact is about; the line says what to add.
    """
    choose = CHOICES.get(name)
    return choose(study) if choose else {}


def explain_missing_artefact(name: str, study: Study) -> str | None:
    """What a study would need for an artefact; None where it has it all."""
    try:
        choose_artefact_options(name, study)
    except InputError as error:
        return str(error)
    return None


def list_possible_artefacts(study: Study) -> list[str]:
    """The artefacts that a study has all it takes for."""
    return [name for name in ARTEFACT_TITLES if explain_missing_artefact(name, study) is None]


def list_further_artefacts(study: Study) -> list[str]:
    """Those that only some studies have, and whose report then shows them."""
    return [name for name in list_possible_artefacts(study) if name not in ALWAYS_SHOWN]


def choose_table_1(study: Study) -> Options:
    """The models compared, and the RL steps within which a score counts."""
    chosen = study.artefacts.table_1
    options = {"order": order_datasets(study), "models": ",".join(chosen.models or study.models)}
    return options | ({"rl_steps": str(chosen.rl_steps)} if chosen.rl_steps else {})


def choose_data_scale(study: Study) -> Options:
    """The sets of growing size of the models with RL from SFT checkpoints on two or more of them.

    Raises:
        InputError: there is no such model.
    """
    known = study.artefacts.data_scale or [
        name for name, made in study.datasets.items() if is_size_alone(made)
    ]
    by_model = find_compared_sets(study, known)
    scale = [name for name in known if any(name in compared for compared in by_model.values())]
    if not scale:
        model, recipe = next((run.model, run.recipe) for run in study.sft_runs)
        refuse(
            study,
            "SFT sets of two or more sizes, with RL from their checkpoints by a recipe titled"
            f" {PLAIN_TITLE}",
            "datasets: {Half: {title: Half, rows: 100, seed: 1}}, sft_runs: "
            f"[{{model: {model}, dataset: Half, recipe: {recipe}, checkpoints: [10, 20]}}], "
            f"artefacts: {{data_scale: [Half, {next(iter(study.datasets))}]}}",
        )
    return {"order": ",".join(scale)}


def find_compared_sets(study: Study, known: Sequence[str]) -> dict[str, set[str]]:
    """Of every model with plain RL from checkpoints on two or more of some sets, those of them."""
    found = {model: {*list_branched_sets(study, model)} & {*known} for model in study.models}
    return {model: sets for model, sets in found.items() if len(sets) >= 2}


def is_size_alone(made: object) -> bool:
    """Whether a set is drawn at random: its size, not its difficulty, makes it another."""
    return isinstance(made, DrawnSet) and made.win_rate is None


def choose_table_6(study: Study) -> Options:
    """The larger model, which RL starts from at step 0 and at checkpoints.

    Raises:
        InputError: no model is larger than another, or RL does not start from both.
    """
    first, recipe = next(iter(study.models)), find_plain_recipe(study)
    model = study.artefacts.table_6.model or find_larger_model(study)
    if model is None or not has_whole_rl(study, model):
        name = model or "Large"
        refuse(
            study,
            "a model larger than another with an SFT run, RL from it and from its base model by one"
            f" recipe titled {PLAIN_TITLE}",
            (f"models: {{Large: ...}} (more parameters than {first}), " if model is None else "")
            + f"sft_runs: [{{model: {name}, dataset: {next(iter(study.datasets))}, ...}}], "
            f"rl_runs: [{{start: base, recipe: {recipe}, models: [{name}]}}, "
            f"{{start: sft, recipe: {recipe}, models: [{name}]}}], "
            f"artefacts: {{table_6: {{model: {name}}}}}",
        )
    return {"order": order_datasets(study), "model": model}


def find_larger_model(study: Study) -> str | None:
    """The model with the most parameters, where others are known to have fewer."""
    sizes = {name: measure_model(made) for name, made in study.models.items()}
    known = {name: size for name, size in sizes.items() if size is not None}
    if len(set(known.values())) < 2:
        return None
    return max(known, key=lambda name: known[name])


def measure_model(made: object) -> float | None:
    """The size of a model, comparable within a study; None where only its files tell."""
    if isinstance(made, LabModel):
        per_layer = 4 * made.hidden_size + 3 * made.intermediate_size
        return float(made.layers * made.hidden_size * per_layer)
    if isinstance(made, HubModel) and made.shape:
        return float(made.shape.billions)
    return None


def choose_figure_4(study: Study) -> Options:
    """The benchmarks out of distribution, and the SFT run that RL of the figure starts from.

    Raises:
        InputError: no benchmark is out of distribution, or RL starts from no checkpoint.
    """
    benchmarks = [name for name, made in study.benchmarks.items() if made.out_of_distribution]
    run = find_distribution_run(study)
    if not benchmarks or run is None:
        refuse(
            study,
            "a benchmark of another kind than its training data, and RL from checkpoints by a"
            f" recipe titled {PLAIN_TITLE}",
            "benchmarks: {Other: {..., out_of_distribution: true}}"
            if run
            else f"rl_runs: [{describe_wanted_rl(study)}]",
        )
    options = {"benchmarks": ",".join(benchmarks), "model": run[0], "dataset": run[1]}
    steps = study.artefacts.figure_4.sft_steps
    return options | ({"sft_steps": ",".join(map(str, steps))} if steps else {})


def find_distribution_run(study: Study) -> tuple[str, str] | None:
    """The model and SFT set of figure 4: the first with RL from the checkpoints that it names."""
    chosen = study.artefacts.figure_4
    for model in [chosen.model] if chosen.model else study.models:
        for name in list_branched_sets(study, model, chosen.sft_steps or ()):
            if chosen.dataset in (None, name):
                return model, name
    return None


def describe_wanted_rl(study: Study) -> str:
    """An entry of `rl_runs` with the RL that figure 4 is to show."""
    chosen = study.artefacts.figure_4
    model, recipe = chosen.model or next(iter(study.models)), find_plain_recipe(study)
    entry = f"start: sft, recipe: {recipe}, models: [{model}]"
    entry += f", datasets: [{chosen.dataset}]" if chosen.dataset else ""
    steps = ", ".join(map(str, chosen.sft_steps or []))
    return "{" + entry + (f", sft_steps: [{steps}]" if steps else "") + "}"


def choose_per_benchmark(study: Study) -> Options:
    """The order of data sets and benchmarks."""
    return {"order": order_datasets(study), "benchmarks": ",".join(study.benchmarks)}


def order_datasets(study: Study) -> str:
    """The SFT sets in the study's order, for a command line."""
    return ",".join(study.datasets)


def list_branched_sets(study: Study, model: str, steps: Sequence[int] = ()) -> list[str]:
    """The SFT sets of a model from whose checkpoints, all of `steps`, plain RL may start."""
    return [
        run.dataset
        for run in study.sft_runs
        if run.model == model and list_start_recipes(study, run, steps)
    ]


def list_start_recipes(
    study: Study, run: SftRun | ImportedSftRun, steps: Sequence[int] = ()
) -> set[str]:
    """The plain recipes of RL from an SFT run, each from all of `steps`."""
    return {
        rl.recipe
        for rl in study.rl_runs
        if is_plain(study, rl)
        and starts_from(rl, run)
        and {*steps} <= {*(rl.sft_steps or run.checkpoints)}
    }


def starts_from(rl: RlRun, run: SftRun | ImportedSftRun) -> bool:
    """Whether RL runs start from checkpoints of an SFT run."""
    trained = rl.datasets == "all" or run.dataset in rl.datasets
    return rl.start == "sft" and run.model in rl.models and trained


def has_whole_rl(study: Study, model: str) -> bool:
    """Whether one plain recipe starts from the base model and from checkpoints."""
    runs = [run for run in study.sft_runs if run.model == model]
    later = {recipe for run in runs for recipe in list_start_recipes(study, run)}
    return any(
        rl.start == "base" and model in rl.models and rl.recipe in later for rl in study.rl_runs
    )


def is_plain(study: Study, run: RlRun) -> bool:
    """Whether RL runs are those that tables call RL, of no paradigm with another name."""
    return study.recipes.rl[run.recipe].title == PLAIN_TITLE


def find_plain_recipe(study: Study) -> str:
    """A recipe that tables call RL, for what a study is told to add."""
    return next((n for n, made in study.recipes.rl.items() if made.title == PLAIN_TITLE), "R")


def refuse(study: Study, needed: str, addition: str) -> NoReturn:
    """End with what an artefact needs and what to add to the study."""
    raise InputError(
        f"study {study.name} lacks what this is about: {needed}; add to it, as YAML: {addition}"
    )


def choose_order(study: Study) -> Options:
    """The order of the data sets."""
    return {"order": order_datasets(study)}


CHOICES: dict[str, Callable[[Study], Options]] = {
    "table_1": choose_table_1,
    "table_4": choose_order,
    "table_5": choose_data_scale,
    "table_6": choose_table_6,
    "per_benchmark": choose_per_benchmark,
    "figure_2": choose_order,
    "figure_3": choose_order,
    "figure_4": choose_figure_4,
    "figure_7": choose_data_scale,
    "figure_8": choose_order,
}
