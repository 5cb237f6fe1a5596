"""What a study says about its tables and figures must be in it."""

from pathlib import Path

from retu.config.name_checks import check_no_repeats
from retu.config.published_values import list_published_titles
from retu.config.study import Study
from retu.core.errors import InputError
from retu.core.yaml_files import check_reference


def check_artefacts(study: Study, path: Path) -> None:
    """Models, data sets and checkpoints that tables and figures are to show must exist.

    Raises:
        InputError: one does not, and the line has the nearest name, or it is there twice.
    """
    chosen, where = study.artefacts, f"{path}: artefacts"
    check_no_repeats(f"{where}.table_1.models", chosen.table_1.models or [])
    check_no_repeats(f"{where}.data_scale", chosen.data_scale or [])
    steps = [*map(str, chosen.figure_4.sft_steps or [])]
    check_no_repeats(f"{where}.figure_4.sft_steps", steps)
    for model in chosen.table_1.models or []:
        check_reference(f"{where}.table_1.models", "model", model, study.models)
    for name, named in (("table_6", chosen.table_6.model), ("figure_4", chosen.figure_4.model)):
        if named is not None:
            check_reference(f"{where}.{name}.model", "model", named, study.models)
    for dataset in chosen.data_scale or []:
        check_reference(f"{where}.data_scale", "data set", dataset, study.datasets)
    check_distribution_run(study, where)
    check_published(study, where)


def check_published(study: Study, where: str) -> None:
    """Something of the study must stand beside what the paper prints."""
    if not study.artefacts.published:
        return
    known = list_published_titles()
    if not any((made.title or name) in known for name, made in study.datasets.items()):
        raise InputError(
            f"{where}.published: no data set has the title of one of the paper's"
            f" ({', '.join(known)}); give one such a title, or set it to false"
        )


def check_distribution_run(study: Study, where: str) -> None:
    """The SFT run of figure 4 must be one of the study, with those checkpoints."""
    chosen = study.artefacts.figure_4
    if chosen.dataset is not None:
        check_reference(f"{where}.figure_4.dataset", "data set", chosen.dataset, study.datasets)
    runs = [
        run
        for run in study.sft_runs
        if chosen.model in (None, run.model) and chosen.dataset in (None, run.dataset)
    ]
    if not runs:
        raise InputError(
            f"{where}.figure_4: there is no SFT run of {chosen.model} on {chosen.dataset}; name one"
            " of sft_runs"
        )
    known = {step for run in runs for step in run.checkpoints}
    for step in chosen.sft_steps or []:
        check_reference(
            f"{where}.figure_4.sft_steps", "checkpoint", str(step), [*map(str, sorted(known))]
        )
