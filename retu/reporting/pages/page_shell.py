"""The shell of every report page: templates, explained words, contents, images kept inside."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from retu.core.errors import InputError, advise_making
from retu.core.markdown import TextTable
from retu.core.yaml_files import parse_yaml

TEMPLATES_FOLDER = Path(__file__).parents[1] / "page_templates"
GLOSSARY = TEMPLATES_FOLDER / "glossary.yaml"
LINKS = {"paper": "https://arxiv.org/abs/2512.11470"}
MOST_KEYS = 4
"""Columns that name a row, at most: all of them stay in view."""
HEADING = re.compile(r'<section\b[^>]*\bid="([^"]+)"[^>]*>\s*<h2>(.*?)</h2>', re.DOTALL)
TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True)
class GlossaryEntry:
    """A word with its other spellings, what it means, and whether it is listed only."""

    words: tuple[str, ...]
    says: str
    listed: bool


@cache
def read_glossary() -> tuple[GlossaryEntry, ...]:
    """The words that pages explain, in reading order."""
    entries: list[dict[str, Any]] = parse_yaml(GLOSSARY)
    return tuple(
        GlossaryEntry(tuple(one["words"]), one["says"], one.get("listed", False)) for one in entries
    )


@cache
def compile_words() -> tuple[re.Pattern[str], dict[str, GlossaryEntry]]:
    """A pattern for every explained word, longer ones first, and what each means."""
    meanings = {
        word: entry for entry in read_glossary() for word in entry.words if not entry.listed
    }
    longest = sorted(meanings, key=lambda word: (-len(word), word))
    alternatives = "|".join(re.escape(str(escape(word))) for word in longest)
    return re.compile(rf"(?<![\w@-])({alternatives})(?![\w@-])"), {
        str(escape(word)): entry for word, entry in meanings.items()
    }


def explain_terms(text: str) -> Markup:
    """The text escaped, every explained word marked where it stands first."""
    pattern, meanings = compile_words()
    told: set[GlossaryEntry] = set()

    def mark_word(match: re.Match[str]) -> str:
        entry = meanings[match[1]]
        if entry in told:
            return match[1]
        told.add(entry)
        return f'<dfn tabindex="0" title="{escape(entry.says)}">{match[1]}</dfn>'

    return Markup(pattern.sub(mark_word, str(escape(text))))


def count_keys(table: TextTable) -> int:
    """How many leading columns name a row: the fewest that tell all rows apart, at most four."""
    for count in range(1, min(MOST_KEYS, len(table.headers)) + 1):
        if len({row[:count] for row in table.rows}) == len(table.rows):
            return count
    return 1


def has_groups(table: TextTable) -> bool:
    """Whether rows of one name stand together, so that a rule between names helps."""
    firsts = [row[0] for row in table.rows]
    starts = sum(one != two for one, two in pairwise(firsts)) + 1
    return 1 < starts <= len(firsts) / 1.5


def make_slug(text: str) -> str:
    """A text as an id."""
    return re.sub(r"\W+", "-", text.lower()).strip("-")


def list_sections(content: str) -> list[tuple[str, Markup]]:
    """Id and heading of every card of a page, for its contents."""
    return [
        (name, Markup(TAG.sub("", heading).strip())) for name, heading in HEADING.findall(content)
    ]


def load_page_template(name: str) -> jinja2.Template:
    """A template of the pages: everything is escaped, an unknown name is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "terms": explain_terms,
        "count_keys": count_keys,
        "has_groups": has_groups,
        "slug": make_slug,
        "list_sections": list_sections,
    }
    environment.globals |= {"glossary": read_glossary(), "links": LINKS}
    return environment.get_template(name)


def encode_data_uri(svg: Path) -> str:
    """An SVG file as a data URI: an image of its own, so ids of several figures cannot clash."""
    try:
        content = svg.read_bytes()
    except OSError as error:
        raise InputError(f"{svg}: no such figure; {advise_making(svg)}") from error
    return make_data_uri(content)


def make_data_uri(svg: bytes) -> str:
    """The bytes of an SVG as a data URI."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")


def list_versions(versions: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Nested versions as sorted pairs of `group.name` and text."""
    return sorted(flatten_versions(dict(versions)).items())


def flatten_versions(values: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested versions as one level of `group.name: text`."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        inner = (
            flatten_versions(value, f"{prefix}{key}.")
            if isinstance(value, dict)
            else {prefix + key: str(value)}
        )
        flat |= inner
    return flat
