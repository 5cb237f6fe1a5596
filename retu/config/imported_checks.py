"""Facts of imported SFT runs that are wrong only together, or not there on this machine."""

from pathlib import Path

from retu.config.files_study import FilesData
from retu.config.imported_runs import SEED, ImportedSet, find_step_folders
from retu.config.model_folder_checks import check_model_files, check_no_adapter, has_weights
from retu.config.study import ImportedSftRun, Study
from retu.core.errors import InputError
from retu.core.text import join_names
from retu.core.yaml_files import check_reference

MAX_NAMED_STEPS = 8


def list_imported(study: Study) -> list[tuple[int, ImportedSftRun]]:
    """The imported runs of a study with their places in `sft_runs`."""
    return [(i, run) for i, run in enumerate(study.sft_runs) if isinstance(run, ImportedSftRun)]


def complete_imported(study: Study, path: Path) -> Study:
    """The study with the checkpoints that are found, for imported runs that name none.

    Raises:
        InputError: there is no folder, or no checkpoint in it.
    """
    runs = list(study.sft_runs)
    for i, run in list_imported(study):
        where = f"{path}: sft_runs.{i}.imported.folder"
        found = [list_found_steps(run, seed, where) for seed in study.list_seeds(run.model)]
        if not run.checkpoints:
            runs[i] = run.model_copy(update={"checkpoints": found[0]})
    return study.model_copy(update={"sft_runs": runs})


def list_found_steps(run: ImportedSftRun, seed: int, where: str) -> list[int]:
    """The steps of the checkpoints in the folder of a run.

    Raises:
        InputError: there is no folder, or no checkpoint in it.
    """
    folder = run.imported.locate_folder(seed)
    if not folder.is_dir():
        raise InputError(
            f"{where}: there is no folder {folder}; paths count from where snakemake runs"
            f" ({Path.cwd()})"
        )
    steps = list(find_step_folders(folder))
    if not steps:
        raise InputError(
            f"{where}: {folder} has no folders of checkpoints (checkpoint-200, step-200); name the"
            " trainer's output folder"
        )
    return steps


def check_imported(study: Study, path: Path) -> None:
    """Everything that imported runs must keep; InputError names the first that they do not."""
    check_imported_sets(study, path)
    for i, run in list_imported(study):
        where = f"{path}: sft_runs.{i}"
        check_seeds(run, study, where)
        metric = run.imported.metric
        for key, told in (("tasks", run.imported.tasks), ("metric", metric)):
            for name in told if isinstance(told, dict) else ():
                check_reference(f"{where}.imported.{key}", "benchmark", name, study.benchmarks)
        for seed in study.list_seeds(run.model):
            check_imported_folder(run, seed, where)


def check_imported_sets(study: Study, path: Path) -> None:
    """Sets of which only the name is known: in studies of files, and nothing trains on them."""
    only_named = [name for name, made in study.datasets.items() if isinstance(made, ImportedSet)]
    if only_named and not isinstance(study.data, FilesData):
        raise InputError(
            f"{path}: datasets.{only_named[0]}.imported: is for studies with data.kind files; give"
            " the set itself"
        )
    for i, run in enumerate(study.sft_runs):
        if run.dataset in only_named and not isinstance(run, ImportedSftRun):
            raise InputError(
                f"{path}: sft_runs.{i}.dataset: of {run.dataset} only the name is known"
                " (imported: true); give its file, or import the run"
            )
    if len(only_named) == len(study.datasets):
        raise InputError(
            f"{path}: datasets: of all of them only names are known; give the file of one, or add"
            " one that you have"
        )


def check_seeds(run: ImportedSftRun, study: Study, where: str) -> None:
    """InputError if several seeds would be one and the same folder."""
    seeds = study.list_seeds(run.model)
    if len(seeds) > 1 and SEED not in run.imported.folder:
        raise InputError(
            f"{where}.imported.folder: is one run, and the study has {len(seeds)} seeds;"
            f" write {SEED} where the paths differ, or leave one seed"
        )


def check_imported_folder(run: ImportedSftRun, seed: int, where: str) -> None:
    """InputError unless every checkpoint is there and is a model with tokenizer."""
    folder = run.imported.locate_folder(seed)
    found = find_step_folders(folder)
    missing = [step for step in run.checkpoints if step not in found]
    if missing:
        has = join_names([*map(str, found)], MAX_NAMED_STEPS)
        raise InputError(
            f"{where}.checkpoints: {folder} has no checkpoint of step {missing[0]}, only of {has};"
            " correct the list, or leave it out to take all"
        )
    for step in run.checkpoints:
        check_checkpoint_files(found[step], f"{where}.imported.folder")


def check_checkpoint_files(folder: Path, where: str) -> None:
    """InputError unless a folder holds a model in safetensors and its tokenizer."""
    if not has_weights(folder):
        # Beside weights of its own an adapter is a remnant: only the weights are taken.
        check_no_adapter(folder, where)
    check_model_files(folder, where)
