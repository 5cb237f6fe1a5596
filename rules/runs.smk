"""The runs of a training study: which there are, and the files they leave for the curves."""

import re

import pandas as pd

from retu.config.imported_runs import ImportedSet
from retu.config.lab_study import DrawnSet
from retu.config.study import ImportedSftRun
from retu.core.run_paths import NO_DATASET, Run
from retu.planning.artefact_parts import PARTS

DRAWN = [name for name, made in study.datasets.items() if isinstance(made, DrawnSet)]

NAMED_ONLY = [name for name, made in study.datasets.items() if isinstance(made, ImportedSet)]
IMPORTED_RUNS = [run for run in study.sft_runs if isinstance(run, ImportedSftRun)]
SCORED_RUNS = [run for run in IMPORTED_RUNS if run.imported.scores is not None]


def one_of(names):
    """A pattern that matches these names and nothing else."""
    return "|".join(map(re.escape, names)) or "(?!)"


def pairs_of(runs):
    """A pattern that matches the data sets of SFT runs, each after its model in a path only."""
    pairs = [(re.escape(run.model), re.escape(run.dataset)) for run in runs]
    return "|".join(f"(?<=/{model}/){dataset}" for model, dataset in pairs) or "(?!)"


def none_of(runs):
    """What goes before a pattern of data sets that is not to match those of some SFT runs."""
    return f"(?!(?:{pairs_of(runs)})/)"


def set_of(wildcards):
    """The stored SFT set of an imported run, if more than its name is known."""
    known = wildcards.dataset not in NAMED_ONLY
    return [f"{RESULTS}/sft_sets/{wildcards.dataset}.parquet"] if known else []


wildcard_constraints:
    model=one_of(study.models),
    dataset=one_of([*study.datasets, NO_DATASET]),
    recipe=one_of(study.recipes.rl),
    sft_step=r"\d+",
    seed="|".join(map(str, plan.list_all_seeds())),


def branch_steps(run):
    """SFT steps at which RL branches off from an SFT run: known once its labels are."""
    sft_run = plan.find_sft_run(run.model, run.dataset)
    if plan.get_branching(sft_run) in ("exhaustive", "adaptive"):
        return sft_run.checkpoints
    output = checkpoints.label_subphases.get(
        model=run.model, dataset=run.dataset, seed=run.seed
    ).output
    frame = pd.read_csv(output.out)
    return frame.loc[frame["branch"], "sft_step"].tolist()


def evaluated_runs(of=plan):
    """Every run that enters the curves: SFT runs and the chosen RL branches."""
    rungs = last_rungs() if of.list_pools() else None
    return [*of.list_sft_runs(), *of.list_rl_runs(branch_steps, rungs)]


def start_folder(wildcards):
    """The folder that holds the model RL starts from."""
    run = Run("rl", wildcards.model, wildcards.dataset, seed=int(wildcards.seed))
    return f"{RESULTS}/{run.parent.path}"


def prompts_of(wildcards):
    """Where the prompts of an RL recipe are, without the suffix."""
    return f"data/{study.name}/{study.recipes.rl[wildcards.recipe].prompts}"


def with_parents(runs):
    """The paths of runs and of what they start from."""
    return sorted({run.path for run in runs} | {run.parent.path for run in runs})


def of_runs(file, runs=lambda wildcards: evaluated_runs()):
    """An input function: `file` of every run, those that they start from included."""
    return lambda wildcards: [
        file.format(run=run, **wildcards) for run in with_parents(runs(wildcards))
    ]


def compute_of_runs(wildcards):
    """The compute of every run that enters the curves, in their order."""
    return list_compute(evaluated_runs())


def list_compute(runs):
    """The tables of compute of runs."""
    names = {"sft": "losses.csv", "rl": "compute.csv"}
    return [f"{RESULTS}/{run.path}/{names[run.kind]}" for run in runs]


def shown(artefact, file):
    """Where an artefact finds a table of runs: that of all, or that of the few that it shows."""
    part = PARTS.get(artefact)
    return f"<results>/parts/{part}/{file}" if part in plan.parts else f"<results>/{file}"


def decisions(wildcards):
    """What is decided about branches that compete."""
    return all_decisions() if plan.list_pools() else []
