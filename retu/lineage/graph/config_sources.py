"""Where a value of a job's specification is written: which file of the study, under which key."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from retu.config.load import PRESETS, find_study_file
from retu.config.protocols import PROTOCOLS_FILE
from retu.config.study import Config
from retu.core.yaml_files import read_yaml
from retu.planning.stages import ROOT

ABSENT = "(none)"
MAX_VALUE_CHARS = 60
"""Characters of a value that are shown."""


class ConfigSources:
    """The files that a study is made of: its own, those it extends, presets and protocols."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.files: dict[Path, dict[str, Any]] = {}
        path: Path | None = find_study_file(config.study)
        self.study = strip_project_root(find_study_file(config.study))
        while path is not None and path not in self.files:
            self.files[path] = read_yaml(path)
            parent = self.files[path].get("extends")
            path = find_study_file(str(parent)) if parent else None
        self.files |= {path: read_yaml(path) for path in (PRESETS, PROTOCOLS_FILE)}

    def locate_value(self, key: str, value: Any) -> tuple[str, str]:
        """The file that gives a job's `key` its value, and the key there.

        A job's keys are not those of the file (`recipe.steps` is `recipes.rl.dapo_dc.steps`), and
        one name may stand in several places. In that case, and for a default value, the answer is
        the study's own file and the job's key.
        """
        # The description of a study tells all of its values by their own keys.
        key = key.removeprefix("resolved.")
        leaf = key.rpartition(".")[2]
        for path, content in self.files.items():
            places = [place for place, found in find_named_values(content, leaf) if found == value]
            if places:
                return strip_project_root(path), places[0] if len(places) == 1 else key
        return self.study, key


def find_named_values(content: Any, name: str, inside: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted key and value of everything called `name`, however deep."""
    if not isinstance(content, dict):
        return
    for key, value in content.items():
        place = f"{inside}.{key}" if inside else str(key)
        if str(key) == name:
            yield place, json.loads(json.dumps(value))
        yield from find_named_values(value, name, place)


def strip_project_root(path: Path) -> str:
    """A path as seen from the project's root, or as it is when it lies elsewhere."""
    absolute = path.resolve()
    return absolute.relative_to(ROOT).as_posix() if absolute.is_relative_to(ROOT) else str(path)


def shorten_value(value: Any) -> str:
    """A value in short."""
    text = ABSENT if value is ABSENT else json.dumps(value)
    return text if len(text) <= MAX_VALUE_CHARS else f"{text[: MAX_VALUE_CHARS - 3]}..."
