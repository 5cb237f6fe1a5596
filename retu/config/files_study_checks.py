"""Facts of a study of your own files that are wrong only together, or not there on this machine."""

import json
from pathlib import Path

from retu.config.files_study import (
    WORD_PROBLEM_FILES,
    FileBenchmark,
    FileRows,
    FilesData,
    FileSet,
    FolderModel,
    HeldOut,
    PackagedModel,
)
from retu.config.hub_study import HubModel
from retu.config.imported_runs import ImportedSet
from retu.config.lab_study import DrawnSet
from retu.config.model_folder_checks import check_model_files, check_no_adapter
from retu.config.study import Study
from retu.core.errors import InputError
from retu.core.model_files import CHAT_TEMPLATE_FILE, TOKENIZER_CONFIG
from retu.core.yaml_files import check_reference

ROOT = Path(__file__).resolve().parents[2]
POOL = "pool"
TAKEN_NAMES = {"pool", "reference", "validation", "benchmarks"}
"""Splits of the data that are no sets of prompts."""


def check_files(study: Study, path: Path) -> None:
    """Everything that a study of files must keep; InputError names the first that it does not."""
    data = study.data
    if not isinstance(data, FilesData):
        return
    check_file_kinds(study, path)
    for where, rows in list_rows(study, data, path):
        check_rows(rows, where, study, data)
    check_held_out(study, data, path)
    check_pool(study, data, path)
    for name, model in study.models.items():
        where = f"{path}: models.{name}"
        if isinstance(model, FolderModel):
            check_model_folder(model, where)
        elif isinstance(model, HubModel) and data.lock is None:
            raise InputError(f"{where}: is of a hub, and data.lock names no file to pin it in")


def check_file_kinds(study: Study, path: Path) -> None:
    """InputError if a section is of another kind of study."""
    kinds: dict[str, tuple[type, ...]] = {
        "models": (FolderModel, PackagedModel, HubModel),
        "datasets": (FileSet, DrawnSet, ImportedSet),
        "benchmarks": (FileBenchmark,),
    }
    for section, wanted in kinds.items():
        for name, entry in getattr(study, section).items():
            if not isinstance(entry, wanted):
                raise InputError(
                    f"{path}: {section}.{name}: is not of data.kind files; give it a"
                    f" {'folder' if section == 'models' else 'file'}"
                )


def list_rows(study: Study, data: FilesData, path: Path) -> list[tuple[str, FileRows]]:
    """Every part of the study that is read from a file, with its place there."""
    found: list[tuple[str, object]] = [(f"{path}: data.validation", data.validation)]
    found += [(f"{path}: data.prompts.{n}", rows) for n, rows in data.prompts.items()]
    found += [(f"{path}: data.pool", data.pool), (f"{path}: data.reference", data.reference)]
    found += [(f"{path}: datasets.{n}", made) for n, made in study.datasets.items()]
    found += [(f"{path}: benchmarks.{n}", made) for n, made in study.benchmarks.items()]
    return [(where, rows) for where, rows in found if isinstance(rows, FileRows)]


def check_rows(rows: FileRows, where: str, study: Study, data: FilesData) -> None:
    """InputError unless rows have one source, which is there."""
    if (rows.file is None) == (rows.repository is None):
        raise InputError(f"{where}: needs a file or a repository of a hub, and not both")
    if rows.repository and data.lock is None:
        raise InputError(f"{where}: is of a hub, and data.lock names no file to pin it in")
    if rows.file is None:
        return
    folder = f"data/{study.name}/word_problems"
    made = [f"{folder}/{name}.jsonl" for name in WORD_PROBLEM_FILES] if data.word_problems else []
    if Path(rows.file).is_dir():
        raise InputError(f"{where}.file: {rows.file} is a folder; name a file in it")
    if rows.file not in made and not Path(rows.file).is_file():
        raise InputError(
            f"{where}.file: there is no file {rows.file}; paths count from where snakemake runs"
            f" ({Path.cwd()})"
        )


def check_held_out(study: Study, data: FilesData, path: Path) -> None:
    """A validation set is taken out of a set that is read from a file."""
    wanted = data.validation
    if not isinstance(wanted, HeldOut):
        return
    own = [name for name, made in study.datasets.items() if isinstance(made, FileSet)]
    known = [*own, *([POOL] if data.pool else [])]
    check_reference(f"{path}: data.validation.dataset", "set of a file", wanted.dataset, known)


def check_pool(study: Study, data: FilesData, path: Path) -> None:
    """Sets are drawn from a pool, by the win rate of a reference model."""
    for taken in TAKEN_NAMES & data.prompts.keys():
        raise InputError(f"{path}: data.prompts.{taken}: the name is taken; rename the prompt set")
    trained = study.reference is not None and study.reference.recipe is not None
    if trained != (data.reference is not None):
        raise InputError(
            f"{path}: reference.recipe and data.reference go together (what trains the reference"
            " model); give both, or neither"
        )
    for name, made in study.datasets.items():
        if isinstance(made, DrawnSet) and data.pool is None:
            raise InputError(f"{path}: datasets.{name}: is drawn from data.pool, which is not set")
        if isinstance(made, DrawnSet) and made.win_rate and study.reference is None:
            raise InputError(f"{path}: datasets.{name}.win_rate: needs a reference model; name one")
    if study.reference and data.pool is None:
        raise InputError(f"{path}: reference: has nothing to try; set data.pool or leave it out")


def check_model_folder(model: FolderModel, where: str) -> None:
    """InputError unless a folder holds a model with tokenizer and chat template."""
    folder = Path(model.folder)
    if not folder.is_dir():
        raise InputError(
            f"{where}.folder: there is no folder {folder}; paths count from where snakemake runs"
            f" ({Path.cwd()})"
        )
    check_no_adapter(folder, f"{where}.folder")
    check_model_files(folder, f"{where}.folder")
    check_chat_template(model, folder, where)


def check_chat_template(model: FolderModel, folder: Path, where: str) -> None:
    """InputError unless a model has a chat template, of its own or of the project."""
    known = sorted(file.stem for file in (ROOT / "chat_templates").glob("*.jinja"))
    if model.template:
        check_reference(f"{where}.template", "template", model.template, known)
        return
    settings = folder / TOKENIZER_CONFIG
    try:
        content = json.loads(settings.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{where}.folder: {settings} is not JSON ({error}); mend it") from error
    if not isinstance(content, dict):
        raise InputError(f"{where}.folder: {settings} is no JSON object; mend it")
    if not (folder / CHAT_TEMPLATE_FILE).is_file() and not content.get("chat_template"):
        raise InputError(
            f"{where}.folder: the tokenizer of {folder} has no chat template; name one of"
            f" {', '.join(known)} (template: {known[0]}; --template {known[0]} of retu new-study)"
        )
