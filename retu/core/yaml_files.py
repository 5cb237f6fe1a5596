"""Reading YAML against types: a mistake becomes one line that names the file and the key."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel

from retu.core.errors import InputError
from retu.core.near_words import suggest_near
from retu.core.validation import explain_mistakes

ModelT = TypeVar("ModelT", bound=BaseModel)


def check_reference(where: str, kind: str, name: str, known: Iterable[str]) -> None:
    """InputError unless `name` is one of the `known` names of its kind."""
    if name not in known:
        raise InputError(f"{where}: unknown {kind} {name!r}; {suggest_near(name, known)}")


def parse_yaml(path: Path) -> Any:
    """Read a YAML file of any shape; InputError with the line when it is not one."""
    try:
        text = path.read_text(encoding="utf-8")
        try:
            # The C library is eight times as fast; the other tells better what is wrong.
            return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        except yaml.YAMLError:
            return yaml.safe_load(text)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" line {where.line + 1}" if where else ""
        raise InputError(
            f"{path}{line}: not valid YAML; {getattr(error, 'problem', error)}"
        ) from error


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping; InputError when it is none."""
    content = parse_yaml(path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: must be a mapping of keys to values")
    return content


def validate_content(model: type[ModelT], content: Mapping[str, Any], where: str) -> ModelT:
    """Validate against a pydantic model; the first mistake becomes one InputError line."""
    with explain_mistakes(where, model):
        return model.model_validate(content)
