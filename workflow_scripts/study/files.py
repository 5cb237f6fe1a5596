"""Reading YAML against types: a mistake becomes one line that names the file and the key."""

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from workflow_scripts.errors import InputError

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
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(top level)"
        got = "" if first["type"] in {"missing", "extra_forbidden"} else f", got {first['input']!r}"
        hint = "; remove it or correct its spelling" if first["type"] == "extra_forbidden" else ""
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise InputError(f"{where}: {key}: {first['msg'].lower()}{got}{hint}{more}") from error
