"""Reading `config.yaml` and study files: every mistake is found before any rule exists."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from retu.config.imported_checks import complete_imported
from retu.config.released_study import ReleasedStudy
from retu.config.study import Config, Study
from retu.config.study_checks import check_analysis, check_release, check_training_study
from retu.core.errors import InputError
from retu.core.near_words import suggest_near
from retu.core.yaml_files import check_reference, read_yaml, validate_content

STUDIES = Path(__file__).resolve().parents[2] / "studies"
PRESETS = Path(__file__).with_name("presets.yaml")
NULL_WORDS = ("null", "Null", "NULL", "~", "None", "")
STUDY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
STUDY_TYPES: dict[str, type[Study] | type[ReleasedStudy]] = {
    "training": Study,
    "released": ReleasedStudy,
}


def merge_sections(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Merge sections key by key; anything else is replaced; null removes the inherited key.

    A mapping with numbers for keys (`steps: {1: 2, 3: 1}`) is one value, not a section.
    """
    merged = dict(base)
    for key, value in changes.items():
        if value is None:
            merged.pop(key, None)
        elif is_section(value) and is_section(merged.get(key)):
            merged[key] = merge_sections(merged[key], value)
        else:
            merged[key] = value
    return merged


def is_section(value: object) -> bool:
    """Whether a value is a mapping from names."""
    return isinstance(value, dict) and all(isinstance(key, str) for key in value)


def find_study_file(name: str) -> Path:
    """The file of a study given by name or by the path of a YAML file.

    Raises:
        InputError: there is none, or a name leads out of studies/.
    """
    if not name.endswith((".yaml", ".yml")) and not STUDY_NAME.fullmatch(name):
        raise InputError(
            f"study {name!r}: is neither the name of a file in studies/ nor the path of a .yaml"
            " file"
        )
    path = Path(name) if name.endswith((".yaml", ".yml")) else STUDIES / f"{name}.yaml"
    if not path.is_file():
        known = [file.stem for file in STUDIES.glob("*.yaml")]
        raise InputError(f"study {name!r}: there is no {path}; {suggest_near(name, known)}")
    return path


def read_study(name: str) -> dict[str, Any]:
    """Read a study file with all that it builds on: the study it `extends`, presets of recipes."""
    return apply_presets(read_extended(name), find_study_file(name))


def read_extended(name: str, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Read a study file and, key by key below it, the study it `extends`."""
    path = find_study_file(name)
    if path in seen:
        raise InputError(f"{path}: extends itself ({' -> '.join(p.stem for p in (*seen, path))})")
    content = read_yaml(path)
    parent = content.pop("extends", None)
    if not parent:
        return content
    folders = {STUDIES.resolve(), path.resolve().parent}
    with name_extending_file(path):
        if find_study_file(str(parent)).resolve().parent not in folders:
            raise InputError(f"{parent} is neither in studies/ nor beside this file")
    return merge_sections(read_extended(str(parent), (*seen, path)), content)


@contextmanager
def name_extending_file(path: Path) -> Iterator[None]:
    """Say of which file `extends` an error tells."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: extends: {error}") from error


def apply_presets(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """Complete every RL recipe from the preset that it names.

    Raises:
        InputError: an unknown preset.
    """
    presets = read_yaml(PRESETS)
    recipes = content.get("recipes", {}).get("rl", {})
    complete = {}
    for name, recipe in recipes.items() if is_section(recipes) else ():
        own = dict(recipe) if is_section(recipe) else {}
        preset = own.pop("preset", None)
        if preset is not None:
            where = f"{path}: recipes.rl.{name}.preset"
            check_reference(where, "preset", str(preset), presets)
        complete[name] = recipe if preset is None else merge_sections(presets[preset], own)
    return {**content, "recipes": {**content["recipes"], "rl": complete}} if complete else content


def load_study(name: str) -> Study | ReleasedStudy:
    """Read, merge and validate a study of any kind.

    Raises:
        InputError: unknown study, wrong type, unknown key or dangling name, in one line.
    """
    path = find_study_file(name)
    content = read_study(name)
    kind = content.get("kind", "training")
    check_reference(f"{path}: kind", "kind of study", str(kind), STUDY_TYPES)
    study = validate_content(STUDY_TYPES[kind], content, str(path))
    if study.name != path.stem:
        raise InputError(
            f"{path}: name: is {study.name!r}, but the file is {path.stem!r}; make them equal"
        )
    check_analysis(study, path)
    if isinstance(study, ReleasedStudy):
        check_release(study, path)
    else:
        study = complete_imported(study, path)
        check_training_study(study, path)
    return study


def load_training_study(name: str) -> Study:
    """Read a study that trains models; InputError for one of another kind."""
    study = load_study(name)
    if isinstance(study, ReleasedStudy):
        raise InputError(f"study {name!r}: trains nothing; choose one of kind training")
    return study


def load_config(content: Mapping[str, Any]) -> Config:
    """Validate the merged Snakemake configuration (config.yaml and --config).

    `--config branching=null` reaches us as a text; it is YAML's null, as in the file.
    """
    read = {key: None if is_null(key, value) else value for key, value in content.items()}
    return validate_content(Config, read, "config.yaml")


def is_null(key: str, value: object) -> bool:
    """Whether the value of a key that may be null is one of YAML's words for it."""
    field = Config.model_fields.get(key)
    nullable = field is not None and field.default is None
    return nullable and isinstance(value, str) and value in NULL_WORDS


def check_folders(config: Config) -> None:
    """Whether the folders that the configuration names are there.

    Raises:
        InputError: the mirror or the interpreter of an environment is not.
    """
    if config.mirror and not Path(config.mirror).is_dir():
        raise InputError(
            f"config.yaml: mirror: there is no folder {config.mirror}; make it or leave it out"
        )
    for name, folder in config.environments.items():
        if not (Path(folder) / "bin" / "python").exists():
            raise InputError(
                f"config.yaml: environments: {name}: {folder} holds no environment; build it"
                f" (envs/setup.sh python3.11 {folder} envs/{name}.txt) or leave it out"
            )
