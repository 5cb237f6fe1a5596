"""The keys of config.yaml, studies and records as Markdown pages, from schemas/*.json.

`python -m retu.cli.list_keys study` prints a page; the documentation site makes all of them.
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from retu.cli.dump_schemas import SCHEMAS

Schema = dict[str, Any]
TITLES = {
    "config": "Keys of config.yaml",
    "study": "Keys of a study",
    "record": "Keys of a record",
}
"""Schema -> title of its page."""
OPENINGS = {
    "config": "`config.yaml` says which study is run, and how. `snakemake --config study=smoke` "
    "overrides a key for one run.",
    "study": "A study is a file `studies/NAME.yaml`. Words in capitals stand for names of yours, "
    "and `[]` for an entry of a list. A key without a default has to be given, in the file or in "
    "the study that it `extends`.",
    "record": "Beside every output lies `NAME.record.json`, which says what made it. "
    "`retu lineage show FILE` prints one.",
}
LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minItems": "at least {} of them",
}


@dataclass
class Part:
    """A mapping of a file that has keys of its own."""

    schema: Schema
    places: list[str] = field(default_factory=list)


def list_keys(name: str) -> str:
    """The page of a schema: `config`, `study` or `record`."""
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8"))
    parts = find_parts(schema)
    sections = [f"# {TITLES[name]}", OPENINGS[name], format_keys(schema, parts)]
    for title, part in parts.items():
        sections += [f"## {title}", format_places(part.places)]
        sections += [
            clean_text(part.schema.get("description", "")),
            format_keys(part.schema, parts),
        ]
    return "\n\n".join(text for text in sections if text) + "\n"


def find_parts(schema: Schema) -> dict[str, Part]:
    """Every definition that has keys, with the places where a file may hold it, outermost first."""
    parts: dict[str, Part] = {}
    waiting = [("", schema)]
    for place, owner in waiting:
        for key, value in owner.get("properties", {}).items():
            for inner, title in find_references(value, f"{place}.{key}".lstrip(".")):
                definition = schema["$defs"][title]
                if "properties" not in definition:
                    continue
                if title not in parts:
                    parts[title] = Part(definition)
                    waiting.append((inner, definition))
                parts[title].places.append(inner)
    return parts


def find_references(value: Schema, place: str) -> Iterator[tuple[str, str]]:
    """The definitions that a value refers to, each with its place: `models.NAME`, `sft_runs[]`."""
    if "$ref" in value:
        yield place, value["$ref"].rpartition("/")[2]
    for choice in (*value.get("anyOf", []), *value.get("oneOf", [])):
        yield from find_references(choice, place)
    if isinstance(value.get("items"), dict):
        yield from find_references(value["items"], f"{place}[]")
    for entry in list_entries(value):
        yield from find_references(entry, f"{place}.NAME")


def list_entries(value: Schema) -> list[Schema]:
    """What a mapping with free names holds under each of them."""
    free = value.get("additionalProperties")
    entries = list(value.get("patternProperties", {}).values())
    return [*entries, free] if isinstance(free, dict) else entries


def format_places(places: list[str]) -> str:
    """Where the keys of a part are written."""
    return "In " + ", ".join(f"`{place}`" for place in places) + "."


def format_keys(owner: Schema, parts: dict[str, Part]) -> str:
    """The table of the keys of a mapping."""
    rows = ["| key | value | default | what it is |", "|---|---|---|---|"]
    for key, value in owner.get("properties", {}).items():
        cells = (f"`{key}`", describe_value(value, parts), show_default(value, parts))
        told = clean_text(value.get("description", "")).replace("|", "\\|")
        rows.append(f"| {' | '.join(cells)} | {told} |")
    return "\n".join(rows)


def describe_value(value: Schema, parts: dict[str, Part]) -> str:
    """What may be written for a key, in words."""
    if "$ref" in value:
        title = value["$ref"].rpartition("/")[2]
        return f"[{title}](#{title.lower()})" if title in parts else title
    if choices := value.get("anyOf") or value.get("oneOf"):
        return " or ".join(dict.fromkeys(describe_value(choice, parts) for choice in choices))
    if "const" in value or "enum" in value:
        words = value.get("enum", [value.get("const")])
        return ", ".join(f"`{show(word)}`" for word in words)
    limits = [text.format(value[name]) for name, text in LIMITS.items() if name in value]
    return ", ".join([describe_type(value, parts), *limits])


def describe_type(value: Schema, parts: dict[str, Part]) -> str:
    """The type of a value that is neither a choice nor a part."""
    kind: str = value.get("type", "anything")
    if kind == "array":
        places = value.get("prefixItems") or [value.get("items", {})]
        inner = " and ".join(dict.fromkeys(describe_value(place, parts) for place in places))
        return f"list of {inner}"
    if kind == "object":
        inner = " or ".join(describe_value(entry, parts) for entry in list_entries(value))
        return f"mapping of names to {inner}" if inner else "mapping"
    words = {"string": "text", "integer": "whole number", "boolean": "true or false"}
    return words.get(kind, kind)


def show_default(value: Schema, parts: dict[str, Part]) -> str:
    """The default as YAML, or nothing where a key has none; a part's own are not told twice."""
    if "default" not in value:
        return ""
    default = value["default"]
    references = [title for _, title in find_references(value, "") if title in parts]
    if len(references) == 1 and default:
        keys = parts[references[0]].schema["properties"]
        if default == {key: inner.get("default") for key, inner in keys.items()}:
            return "as listed there"
    return f"`{show(default)}`"


def show(value: object) -> str:
    """A value as it would be written in YAML on one line."""
    if isinstance(value, str) and value:
        return value
    return json.dumps(value, ensure_ascii=False)


def clean_text(text: str) -> str:
    """A description on one line, with words for Sphinx's marks of code."""
    return re.sub(r"\s+", " ", text.replace("``", "`")).strip()


if __name__ == "__main__":
    for word in sys.argv[1:] or TITLES:
        print(list_keys(word))
