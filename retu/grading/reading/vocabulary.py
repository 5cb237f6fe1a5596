"""The words and signs of `vocabulary.yaml`, as the reader looks them up."""

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

VOCABULARY_FILE = Path(__file__).with_name("vocabulary.yaml")
# Fields of the file by what they become: as they are, sets, names of commands, beginnings of texts.
PLAIN_SECTIONS = ("renamed_functions", "code_constants", "multipliers", "number_words")
SET_SECTIONS = (
    *("functions", "conjunctions", "fillers", "percent_words", "units", "unit_letters"),
    "short_words",
)
COMMAND_SECTIONS = ("dropped", "spaces", "transparent", "text_faces", "math_faces")
BEGINNINGS = ("universal", "conditional", "predicates", "adjectives")
FULLWIDTH_ZERO = 0xFF10


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
    adjectives: re.Pattern[str]
    multipliers: dict[str, int]
    percent_words: frozenset[str]
    units: frozenset[str]
    unit_letters: frozenset[str]
    short_words: frozenset[str]
    number_words: dict[str, int]
    worded_sets: dict[str, str]


def compile_beginnings(words: list[str]) -> re.Pattern[str]:
    """A pattern of texts that begin with one of the words."""
    return re.compile(rf"\s*(?:{'|'.join(map(re.escape, words))})(?![A-Za-z])", re.IGNORECASE)


def name_commands(names: list[str]) -> frozenset[str]:
    """Names of commands with their backslash."""
    return frozenset("\\" + name for name in names)


def map_characters(facts: dict[str, Any]) -> dict[int, str]:
    """Characters of typography by their code: raised and lowered digits, digits of full width."""
    raised = {
        ord(char): f"{sign}{{{digit}}}"
        for sign, key in (("^", "superscripts"), ("_", "subscripts"))
        for digit, char in enumerate(facts[key])
    }
    wide = {FULLWIDTH_ZERO + digit: str(digit) for digit in range(10)}
    return {ord(char): meant for char, meant in facts["characters"].items()} | raised | wide


@functools.cache
def load_vocabulary() -> Vocabulary:
    """Read `vocabulary.yaml` once."""
    facts: dict[str, Any] = yaml.safe_load(VOCABULARY_FILE.read_text(encoding="utf-8"))
    fields: dict[str, Any] = {name: facts[name] for name in PLAIN_SECTIONS}
    fields |= {name: frozenset(facts[name]) for name in SET_SECTIONS}
    fields |= {name: name_commands(facts[name]) for name in COMMAND_SECTIONS}
    fields |= {name: compile_beginnings(facts[name]) for name in BEGINNINGS}
    synonyms = {f"\\{name}": write_synonym(meant) for name, meant in facts["synonyms"].items()}
    worded = {text: f"\\{name}" for name, texts in facts["worded_sets"].items() for text in texts}
    modules = re.compile(rf"(?<![\w\\.])(?:{'|'.join(facts['code_modules'])})\.(?=[a-z])")
    return Vocabulary(
        characters=map_characters(facts),
        synonyms=synonyms,
        code_modules=modules,
        worded_sets=worded,
        **fields,
    )


def write_synonym(meant: str) -> str:
    """The token that a synonym stands for: a command for a name, a brace of a set, a sign."""
    if meant in "{}":
        return "\\" + meant
    return "\\" + meant if len(meant) > 1 else meant
