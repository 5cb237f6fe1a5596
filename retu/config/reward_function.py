"""A reward function of the user's own: named in a study, with its code in the job's specification.

`function: my_rewards.score` is the function `score` of `my_rewards.py` in the folder in which the
workflow runs. When a study is read, its code is digested with all files beside it that it imports;
the digest is part of what the job is told, so a change makes runs stale, and a job refuses code
that is no longer the one it was planned with.
"""

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from retu.core.errors import InputError
from retu.core.sections import Section


class RewardFunction(Section):
    """A function `score(completions, gold)` that gives every completion a number.

    It is called with the texts of completions, and with those of the data set's columns (`gold`,
    `prompts`, ...) that it names: lists of one length. Groups are judged by 0 and 1, so dynamic
    sampling and gates want these.
    """

    function: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$")] = Field(
        description="MODULE.NAME, a function of MODULE.py in the folder of the workflow"
    )
    code: str = Field("", description="digest of its code, filled in when a study is read")

    @model_validator(mode="before")
    @classmethod
    def fill_in(cls, content: Any) -> Any:
        """Add the digest of the code as it is now."""
        if not isinstance(content, dict) or content.get("code") or "function" not in content:
            return content
        return content | {"code": digest_function(str(content["function"]))}


def find_function_file(function: str) -> Path:
    """The file of a function by its dotted name, from the current folder.

    Raises:
        InputError: there is none.
    """
    path = Path(*function.split(".")[:-1]).with_suffix(".py")
    if not path.is_file():
        raise InputError(
            f"reward: function {function}: there is no {path} in the folder of the workflow; put it"
            " there or correct the name"
        )
    return path


def digest_function(function: str) -> str:
    """Digest of the code of a function's file and of all files here that it imports.

    Raises:
        InputError: the file is not there, or is no Python.
    """
    files = sorted(list_imported_files(find_function_file(function)))
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.as_posix()}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def list_imported_files(path: Path) -> set[Path]:
    """A Python file, and all files below the current folder that it imports, directly or not.

    Raises:
        InputError: one of them is no Python.
    """
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        here = waiting.pop()
        if here in found:
            continue
        found.add(here)
        try:
            tree = ast.parse(here.read_bytes())
        except (SyntaxError, ValueError) as error:
            raise InputError(f"reward: {here}: is no Python ({error}); correct it") from error
        waiting += [file for name in list_imports(tree) if (file := find_module(name)) is not None]
    return found


def list_imports(tree: ast.Module) -> Iterator[str]:
    """Dotted names of what a module imports; of `from a import b`, both `a` and `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def find_module(name: str) -> Path | None:
    """The file of a module below the current folder; None for all others."""
    base = Path(*name.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.is_file()), None)
