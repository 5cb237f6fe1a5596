"""The words and signs of `vocabulary.yaml`, as the reader looks them up."""

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).with_name("vocabulary.yaml")


@dataclass(frozen=True)
class Vocabulary:
    """What `vocabulary.yaml` says, ready for use; its comments explain the fields."""

    characters: dict[int, str]
    synonyms: dict[str, str]
    dropped: frozenset[str]
    spaces: frozenset[str]
    transparent: frozenset[str]
    text_faces: frozenset[str]
    math_faces: frozenset[str]
    functions: frozenset[str]
    renamed_functions: dict[str, str]
    code_constants: dict[str, str]
    code_modules: re.Pattern[str]
    conjunctions: frozenset[str]
    fillers: frozenset[str]
    universal: re.Pattern[str]
    conditional: re.Pattern[str]
    predicates: re.Pattern[str]
    multipliers: dict[str, int]
    percent_words: frozenset[str]
    units: frozenset[str]
    unit_letters: frozenset[str]
    short_words: frozenset[str]
    number_words: dict[str, int]


def compile_beginnings(words: list[str]) -> re.Pattern[str]:
    """A pattern of texts that begin with one of the words."""
    return re.compile(rf"\s*(?:{'|'.join(map(re.escape, words))})(?![A-Za-z])", re.IGNORECASE)


def name_commands(names: list[str]) -> frozenset[str]:
    """Names of commands with their backslash."""
    return frozenset("\\" + name for name in names)


def map_raised_digits(facts: dict[str, Any]) -> dict[int, str]:
    """Raised and lowered digits of typography as exponents and indices."""
    return {
        ord(char): f"{sign}{{{digit}}}"
        for sign, key in (("^", "superscripts"), ("_", "subscripts"))
        for digit, char in enumerate(facts[key])
    }


@functools.cache
def load_vocabulary() -> Vocabulary:
    """Read `vocabulary.yaml` once."""
    facts: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    synonyms = {f"\\{name}": write_synonym(meant) for name, meant in facts["synonyms"].items()}
    wide = {0xFF10 + digit: str(digit) for digit in range(10)}
    known = {name: frozenset(facts[name]) for name in ("functions", "conjunctions", "fillers")}
    more = ("percent_words", "units", "unit_letters", "short_words")
    known |= {name: frozenset(facts[name]) for name in more}
    commands = ("dropped", "spaces", "transparent", "text_faces", "math_faces")
    plain = ("renamed_functions", "code_constants", "multipliers", "number_words")
    return Vocabulary(
        characters={ord(k): v for k, v in facts["characters"].items()}
        | map_raised_digits(facts)
        | wide,
        synonyms=synonyms,
        code_modules=re.compile(rf"(?<![\w\\.])(?:{'|'.join(facts['code_modules'])})\.(?=[a-z])"),
        **{
            name: compile_beginnings(facts[name])
            for name in ("universal", "conditional", "predicates")
        },
        **{name: name_commands(facts[name]) for name in commands},
        **{name: facts[name] for name in plain},
        **known,
    )


def write_synonym(meant: str) -> str:
    """The token that a synonym stands for: a command for a name, a brace of a set, a sign."""
    if meant in "{}":
        return "\\" + meant
    return "\\" + meant if len(meant) > 1 else meant
