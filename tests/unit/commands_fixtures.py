"""Every command that the texts of this project advise, found in the source itself.

A text is a string or f-string of our packages that is no docstring; what a program joins of
words (`shlex.join(["snakemake", ...])`) counts as well. What an f-string fills in is its value, if
the module alone tells it; a name without blanks where it is quoted or a name of a study; else a
name with a blank, that must be quoted to be one word.
"""

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retu.planning.code_identity import PACKAGES, PROJECT_ROOT, is_prose

HEADS = r"snakemake|retu|dvc|git|jq|cd|make(?= [a-z-]+[)`;]| rehearse)|python -m"
# It follows a bracket, a backtick, a colon, "run" or the like, and ends with one of these.
COMMAND = re.compile(
    rf"(?:[(`]|: |\brun |\bsee |\bor |\bwith )((?:{HEADS}) (?:'[^']*'|[^()`;,\n'])+)"
)
QUOTED = re.compile(r"quote\(|join\(|command\(|^(?:command|meant|start|commit|commit\[:12\])$")
STUDY = re.compile(r"(?:^|\.)study$")


@dataclass(frozen=True)
class Advice:
    """A command with the place that tells it."""

    where: str
    text: str

    @property
    def words(self) -> list[str]:
        """Its words as a shell has them."""
        return shlex.split(self.text)


def find_advice() -> list[Advice]:
    """All commands of all modules, in the order of their files."""
    paths = (
        path for package in PACKAGES for path in sorted((PROJECT_ROOT / package).rglob("*.py"))
    )
    return [found for path in paths for found in advice_of(path)]


def advice_of(path: Path) -> Iterator[Advice]:
    """The commands of one module."""
    name = ".".join(path.relative_to(PROJECT_ROOT).with_suffix("").parts)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield from advice_in(tree, name, f"{path.relative_to(PROJECT_ROOT)}")


def advice_in(tree: ast.Module, module: str, where: str) -> Iterator[Advice]:
    """The commands of the texts of a tree."""
    # Once: a walk through all modules takes seconds.
    nodes = [*ast.walk(tree)]
    prose = {id(node.value) for node in nodes if isinstance(node, ast.Expr) and is_prose(node)}
    inside = {
        id(part) for node in nodes if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node) if part is not node and isinstance(part, ast.Constant)
    }  # fmt: skip
    for node in nodes:
        text = ""
        if isinstance(node, ast.JoinedStr):
            text = "".join(filled(part, module) for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = "" if id(node) in prose or id(node) in inside else node.value
        elif isinstance(node, ast.List) and (words := listed_words(node)):
            text = f"({shlex.join(words)})"
        line = getattr(node, "lineno", 0)
        for found in COMMAND.findall(text):
            yield Advice(f"{where}:{line}", found.strip().rstrip("."))


def listed_words(node: ast.List) -> list[str]:
    """The words of a list that begins with a program, unless it spreads others among them.

    Those are the commands of `retu.lineage.graph.remedies`, which are tried as they come out.
    """
    head = node.elts[0] if node.elts else None
    if not (isinstance(head, ast.Constant) and head.value in ("snakemake", "retu")):
        return []
    if any(isinstance(part, ast.Starred) for part in node.elts):
        return []
    return [word_of(part) for part in node.elts]


def word_of(part: ast.expr) -> str:
    """A word of a list: as it is, or with something in the place of what is computed."""
    if isinstance(part, ast.JoinedStr):
        return "".join(
            str(p.value) if isinstance(p, ast.Constant) else "smoke" for p in part.values
        )
    if isinstance(part, ast.FormattedValue):
        return "smoke"
    return str(part.value) if isinstance(part, ast.Constant) else "name"


def filled(part: ast.expr, module: str) -> str:
    """A part of an f-string with something in the place of what is computed."""
    if isinstance(part, ast.Constant):
        return str(part.value)
    assert isinstance(part, ast.FormattedValue)
    told = ast.unparse(part.value)
    if (isinstance(part.value, ast.Name | ast.Attribute) and told.isupper()) or "." in told:
        found: Any = importlib.import_module(module)
        for name in told.split("."):
            found = getattr(found, name, None)
        if isinstance(found, str):
            return found
    if STUDY.search(told):
        return "smoke"
    return "name" if QUOTED.search(told) else "a name"
