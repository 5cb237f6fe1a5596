"""What pydantic finds wrong with a user's values, told as one line."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from retu.core.errors import InputError
from retu.core.near_words import suggest_near

MAX_SHOWN_CHARACTERS = 80
"""Characters up to which a wrong value is quoted; a whole section would hide the message."""
TAG = " section"
"""How tags of unions end that pydantic adds to the path of a key; no key has a blank in it."""
UNQUOTED = frozenset({"missing", "json_invalid"})
"""Mistakes that the value itself explains nothing of."""


@contextmanager
def explain_mistakes(where: str, model: type[BaseModel] | None = None) -> Iterator[None]:
    """Validate inside: the first mistake becomes an InputError `where: key: what, got value`.

    An InputError raised inside (by a check of the types) is told where it belongs.

    Args:
        where: file, option or entry that the values come from.
        model: what they are validated against; its keys are named where one is unknown.
    """
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    except ValidationError as error:
        raise InputError(f"{where}: {describe_first_mistake(error, model)}") from error


def describe_first_mistake(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """Key and message of the first mistake, the value if it is short, and how many more."""
    first = error.errors()[0]
    parts = [str(part) for part in first["loc"]]
    key = ".".join(part for part in parts if not part.endswith(TAG)) or "(top level)"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        return f"{key}: no such key; {suggest_key(parts, model)}{more}"
    value = repr(first["input"])
    quoted = first["type"] not in UNQUOTED and len(value) <= MAX_SHOWN_CHARACTERS
    got = f", got {value}" if quoted else ""
    message = first["msg"][:1].lower() + first["msg"][1:]
    return f"{key}: {message}{got}{more}"


def suggest_key(parts: Sequence[str], model: type[BaseModel] | None) -> str:
    """What an unknown key was probably meant to be, or the keys that its section has."""
    known = list_section_keys(parts[:-1], model) if model else []
    return suggest_near(parts[-1], known) if known else "remove it or correct its spelling"


def list_section_keys(path: Sequence[str], model: type[BaseModel]) -> list[str]:
    """The keys of the section that a path of keys, list indices and tags leads to.

    Where a section may be of several kinds, those of all.
    """
    sections = [model]
    for part in path:
        # An index, a free name and the tag of a kind lead to no other section.
        inner = [one.model_fields[part].annotation for one in sections if part in one.model_fields]
        sections = [found for kind in inner for found in find_sections(kind)] or sections
    return sorted({key for one in sections for key in one.model_fields})


def find_sections(annotation: Any) -> list[type[BaseModel]]:
    """The models within a type, through unions, lists, mappings and annotations."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for inner in get_args(annotation) for found in find_sections(inner)]
