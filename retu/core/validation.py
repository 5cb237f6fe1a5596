"""What pydantic finds wrong with a user's values, told as one line."""

from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import ValidationError

from retu.core.errors import InputError

MAX_SHOWN_CHARACTERS = 80
"""Characters up to which a wrong value is quoted; a whole section would hide the message."""
TAG = " section"
"""How tags of unions end that pydantic adds to the path of a key; no key has a blank in it."""
UNQUOTED = frozenset({"missing", "extra_forbidden", "json_invalid"})
"""Mistakes that the value itself explains nothing of."""


@contextmanager
def explain_mistakes(where: str) -> Iterator[None]:
    """Validate inside: the first mistake becomes an InputError `where: key: what, got value`.

    An InputError raised inside (by a check of the types) is told where it belongs.
    """
    try:
        yield
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    except ValidationError as error:
        raise InputError(f"{where}: {describe_first_mistake(error)}") from error


def describe_first_mistake(error: ValidationError) -> str:
    """Key and message of the first mistake, the value if it is short, and how many more."""
    first = error.errors()[0]
    parts = [str(part) for part in first["loc"]]
    key = ".".join(part for part in parts if not part.endswith(TAG)) or "(top level)"
    value = repr(first["input"])
    quoted = first["type"] not in UNQUOTED and len(value) <= MAX_SHOWN_CHARACTERS
    got = f", got {value}" if quoted else ""
    hint = "; remove it or correct its spelling" if first["type"] == "extra_forbidden" else ""
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    message = first["msg"][:1].lower() + first["msg"][1:]
    return f"{key}: {message}{got}{hint}{more}"
