"""Facts of a study of real models that are wrong only together, found before anything is loaded."""

from pathlib import Path
from typing import Any

from retu.config.files_study import FilesData
from retu.config.hub_study import (
    HubBenchmark,
    HubData,
    HubModel,
    MatchedSet,
    PromptSet,
    ReleasedSet,
)
from retu.config.lab_study import DrawnSet
from retu.config.study import Study
from retu.core.errors import InputError
from retu.core.yaml_files import check_reference, read_yaml

ROOT = Path(__file__).resolve().parents[2]
RESERVED_NAMES = ("benchmarks", "all_benchmarks", "validation", "pool", "reference")
"""Splits of the data that are no sets of prompts."""


def check_kinds(study: Study, path: Path) -> None:
    """InputError if a study draws data but takes models from a hub, or the other way round."""
    if isinstance(study.data, FilesData):
        return
    hub = isinstance(study.data, HubData)
    sections: dict[str, tuple[dict[str, Any], type]] = {
        "models": (study.models, HubModel),
        "benchmarks": (study.benchmarks, HubBenchmark),
    }
    for section, (entries, kind) in sections.items():
        for name, entry in entries.items():
            if isinstance(entry, kind) != hub:
                raise InputError(
                    f"{path}: {section}.{name}: is not of the kind of data.kind, which is"
                    f" {study.data.kind}; make both of one kind"
                )
    if hub:
        shapeless = [n for n, m in study.models.items() if isinstance(m, HubModel) and not m.shape]
        if shapeless:
            raise InputError(
                f"{path}: models.{shapeless[0]}.shape: is missing; its sizes price the study"
            )
        return
    released = [n for n, entry in study.datasets.items() if isinstance(entry, ReleasedSet)]
    if released:
        raise InputError(f"{path}: datasets.{released[0]}: is released; the lab draws its sets")
    if study.reference is None or study.reference.recipe is None:
        raise InputError(f"{path}: reference: a model, recipe and steps are missing; add them")


def check_hub(study: Study, path: Path) -> None:
    """Every source, model and set that the data section names exists."""
    data = study.data
    if not isinstance(data, HubData):
        return
    for key in ("sources", "benchmarks"):
        if not (ROOT / getattr(data, key)).is_file():
            raise InputError(f"{path}: data.{key}: there is no file {getattr(data, key)}")
    known = read_yaml(ROOT / data.sources)
    check_reference(f"{path}: data.tokenizer", "model", data.tokenizer, study.models)
    check_source(f"{path}: data.validation", data.validation, known, "sft")
    check_sets(study, data, known, path)
    check_drawn_sets(study, data, path)
    check_measurer(study, data, path)
    check_decontamination(study, data, path)
    check_originals(study, data, path)
    check_templates(study, path)


def check_sets(study: Study, data: HubData, known: dict[str, Any], path: Path) -> None:
    """Every set is in the list of sources, or made of sets that are there."""
    for name, made in data.prompts.items():
        where = f"{path}: data.prompts.{name}"
        if name in RESERVED_NAMES:
            raise InputError(f"{where}: the name is taken; rename the prompt set")
        if isinstance(made, MatchedSet):
            check_reference(f"{where}.experts", "data set", made.experts, study.datasets)
            if made.prompts:
                released = [n for n, p in data.prompts.items() if not isinstance(p, MatchedSet)]
                check_reference(f"{where}.prompts", "released set", made.prompts, released)
        else:
            check_source(f"{where}.source", made.source, known, "rl")
    for name, dataset in study.datasets.items():
        if isinstance(dataset, ReleasedSet):
            check_source(f"{path}: datasets.{name}.source", dataset.source, known, "sft")
    for source in data.pool.sources if data.pool else []:
        check_source(f"{path}: data.pool.sources", source, known, "sft")


def check_source(where: str, name: str, known: dict[str, Any], form: str) -> None:
    """InputError unless the list of sources has such a set of this form."""
    check_reference(where, "source", name, known)
    if known[name].get("form") != form:
        raise InputError(f"{where}: {name} is of the form {known[name].get('form')}, not {form}")


def check_decontamination(study: Study, data: HubData, path: Path) -> None:
    """The embedder is a model of the study, and what it compares with are sets of it."""
    if data.decontamination:
        where = f"{path}: data.decontamination"
        check_reference(f"{where}.embedder", "model", data.decontamination.embedder, study.models)
        # Drawn and matched sets leave the benchmarks out themselves, so they come after this.
        sets: dict[str, Any] = {**study.datasets, **data.prompts}
        fixed = [n for n, made in sets.items() if isinstance(made, ReleasedSet | PromptSet)]
        for name in data.decontamination.against:
            check_reference(f"{where}.against", "released set", name, fixed)


def check_drawn_sets(study: Study, data: HubData, path: Path) -> None:
    """InputError if a set is drawn without a pool, or by a win rate that nobody measures."""
    for name, dataset in study.datasets.items():
        if isinstance(dataset, DrawnSet) and data.pool is None:
            raise InputError(f"{path}: datasets.{name}: is drawn from data.pool, which is not set")
        rated = isinstance(dataset, DrawnSet) and dataset.win_rate is not None
        if rated and study.reference is None:
            raise InputError(f"{path}: datasets.{name}.win_rate: needs a reference model; name one")


def check_measurer(study: Study, data: HubData, path: Path) -> None:
    """A reference model tries the pool as it is: there are no trajectories to train it on."""
    if study.reference and study.reference.recipe:
        raise InputError(f"{path}: reference.recipe: is the lab's; leave recipe and steps out")
    if study.reference and data.pool is None:
        raise InputError(f"{path}: reference: has nothing to try; set data.pool or leave it out")


def check_originals(study: Study, data: HubData, path: Path) -> None:
    """Original benchmarks must be in their list."""
    listed = read_yaml(ROOT / data.benchmarks)
    for name, benchmark in study.benchmarks.items():
        if isinstance(benchmark, HubBenchmark):
            where = f"{path}: benchmarks.{name}"
            check_reference(where, "benchmark", name, listed["original"])


def check_templates(study: Study, path: Path) -> None:
    """Named chat templates must be files of the project."""
    known = sorted(file.stem for file in (ROOT / "chat_templates").glob("*.jinja"))
    for name, model in study.models.items():
        if isinstance(model, HubModel) and model.template:
            where = f"{path}: models.{name}.template"
            check_reference(where, "template", model.template, known)
