"""Reading `config.yaml` and study files: every mistake is found before any rule exists."""

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from workflow_scripts.errors import InputError
from workflow_scripts.study.layout import NO_DATASET
from workflow_scripts.study.schema import Config, Study

STUDIES = Path(__file__).resolve().parents[2] / "studies"
Model = TypeVar("Model", bound=BaseModel)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The tail of an error message: the nearest known word, or the list of all."""
    choices = sorted(known)
    near = difflib.get_close_matches(word, choices, n=1)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(choices) or 'none'}"


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; InputError with the line when it is not one."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" line {where.line + 1}" if where else ""
        raise InputError(
            f"{path}{line}: not valid YAML; {getattr(error, 'problem', error)}"
        ) from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: must be a mapping of keys to values")
    return content


def validate(model: type[Model], content: Mapping[str, Any], where: str) -> Model:
    """Validate against a pydantic model; the first mistakes become one InputError line."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(top level)"
        got = "" if first["type"] in {"missing", "extra_forbidden"} else f", got {first['input']!r}"
        hint = "; remove it or correct its spelling" if first["type"] == "extra_forbidden" else ""
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise InputError(f"{where}: {key}: {first['msg'].lower()}{got}{hint}{more}") from error


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Merge sections key by key; anything else is replaced; null removes the inherited key.

    A mapping with numbers for keys (`steps: {1: 2, 3: 1}`) is one value, not a section.
    """
    merged = dict(base)
    for key, value in changes.items():
        if value is None:
            merged.pop(key, None)
        elif is_section(value) and is_section(merged.get(key)):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def is_section(value: object) -> bool:
    """Whether a value is a mapping from names."""
    return isinstance(value, dict) and all(isinstance(key, str) for key in value)


def study_path(name: str) -> Path:
    """The file of a study given by name or path."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else STUDIES / f"{name}.yaml"
    if not path.is_file():
        known = [file.stem for file in STUDIES.glob("*.yaml")]
        raise InputError(f"study {name!r}: there is no {path}; {did_you_mean(name, known)}")
    return path


def read_study(name: str, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Read a study file and, key by key below it, the study it `extends`."""
    path = study_path(name)
    if path in seen:
        raise InputError(f"{path}: extends itself ({' -> '.join(p.stem for p in (*seen, path))})")
    content = read_yaml(path)
    parent = content.pop("extends", None)
    return merge(read_study(str(parent), (*seen, path)), content) if parent else content


def check_reference(where: str, kind: str, name: str, known: Iterable[str]) -> None:
    """InputError unless `name` is one of the `known` names of its kind."""
    if name not in known:
        raise InputError(f"{where}: unknown {kind} {name!r}; {did_you_mean(name, known)}")


def check_references(study: Study, path: Path) -> None:
    """Every name used in a run must be defined in the same study."""
    for i, run in enumerate(study.sft_runs):
        where = f"{path}: sft_runs.{i}"
        check_reference(f"{where}.model", "model", run.model, study.models)
        check_reference(f"{where}.dataset", "data set", run.dataset, study.datasets)
        check_reference(f"{where}.recipe", "SFT recipe", run.recipe, study.recipes.sft)
        if run.checkpoints != sorted(set(run.checkpoints)):
            raise InputError(f"{where}.checkpoints: must be increasing, without repeats")
    for i, rl in enumerate(study.rl_runs):
        where = f"{path}: rl_runs.{i}"
        check_reference(f"{where}.recipe", "RL recipe", rl.recipe, study.recipes.rl)
        for model in rl.models:
            check_reference(f"{where}.models", "model", model, study.models)
        trained = {run.dataset for run in study.sft_runs}
        for dataset in [] if rl.datasets == "all" else rl.datasets:
            check_reference(f"{where}.datasets", "data set", dataset, trained)
    check_reference(f"{path}: reference.model", "model", study.reference.model, study.models)
    check_reference(
        f"{path}: reference.recipe", "SFT recipe", study.reference.recipe, study.recipes.sft
    )


def check_values(study: Study, path: Path) -> None:
    """Facts that are wrong only together, found before anything is trained."""
    for name, model in study.models.items():
        where = f"{path}: models.{name}"
        if model.hidden_size % model.heads or model.heads % model.kv_heads:
            raise InputError(
                f"{where}: heads {model.heads} must divide hidden_size {model.hidden_size}, and"
                f" kv_heads {model.kv_heads} must divide heads; change one of them"
            )
    if "overall" in study.benchmarks:
        raise InputError(f"{path}: benchmarks.overall: the name is that of the mean; rename it")
    if study.labels.delta >= study.labels.delta2:
        raise InputError(f"{path}: labels.delta: must be below delta2 (paper: 0.02 and 0.10)")
    if study.fit.b_min >= study.fit.b_max:
        raise InputError(f"{path}: fit.b_min: must be below b_max")


def check_no_repeats(where: str, names: list[str]) -> None:
    """InputError if a name appears twice: a run listed twice would count twice."""
    repeated = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if repeated:
        raise InputError(f"{where}: {repeated[0]} appears twice; keep one")


def check_runs(study: Study, path: Path) -> None:
    """Every run has a place of its own below results/STUDY."""
    if NO_DATASET in study.datasets:
        raise InputError(
            f"{path}: datasets: {NO_DATASET!r} stands for Pure RL; rename the data set"
        )
    check_no_repeats(f"{path}: seeds", [str(seed) for seed in study.seeds])
    pairs = [f"SFT of {run.model} on {run.dataset}" for run in study.sft_runs]
    check_no_repeats(f"{path}: sft_runs", pairs)
    branches = [
        f"{rl.recipe} of {model}, start {rl.start}, data set {dataset}"
        for rl in study.rl_runs
        for model in rl.models
        for dataset in (study.datasets if rl.datasets == "all" else rl.datasets)
    ]
    check_no_repeats(f"{path}: rl_runs", branches)


def check_batches(study: Study, path: Path) -> None:
    """A batch that gradient accumulation does not divide would silently shrink."""
    sizes = {
        **{
            f"models.{n}.pretraining.batch_size": m.pretraining.batch_size
            for n, m in study.models.items()
        },
        **{f"recipes.sft.{n}.batch_size": r.batch_size for n, r in study.recipes.sft.items()},
        **{
            f"recipes.rl.{n}: prompts_per_step * rollouts": r.prompts_per_step * r.rollouts
            for n, r in study.recipes.rl.items()
        },
    }
    parts = study.execution.gradient_accumulation
    for where, size in sizes.items():
        if size % parts:
            raise InputError(
                f"{path}: {where}: {size} is not a multiple of execution.gradient_accumulation,"
                f" which is {parts}; change one of them"
            )


def load_study(name: str) -> Study:
    """Read, merge and validate a study.

    Raises:
        InputError: unknown study, wrong type, unknown key or dangling name, in one line.
    """
    path = study_path(name)
    study = validate(Study, read_study(name), str(path))
    if study.name != path.stem:
        raise InputError(
            f"{path}: name: is {study.name!r}, but the file is {path.stem!r}; make them equal"
        )
    for check in (check_references, check_runs, check_batches, check_values):
        check(study, path)
    return study


def load_config(content: Mapping[str, Any]) -> Config:
    """Validate the merged Snakemake configuration (config.yaml and --config)."""
    return validate(Config, content, "config.yaml")
