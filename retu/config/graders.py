"""Graders by name: their settings, and the identity that every grade depends on."""

import functools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from retu.core.errors import InputError

GRADERS = Path(__file__).with_name("graders.yaml")
ENGINE_PACKAGES = ("math-verify", "latex2sympy2-extended", "sympy", "antlr4-python3-runtime")
DEFAULT_GRADER = "math_verify"
SETTING_KINDS: dict[str, tuple[type, str]] = {
    "max_chars": (int, "positive whole number"),
    "tail_chars": (int, "positive whole number"),
    "float_rounding": (int, "positive whole number"),
    "strict": (bool, "true or false"),
    "near_miss": (float, "number between 0 and 1"),
    "letters": (str, "few capital letters such as ABCD"),
    "seconds": (int, "positive whole number"),
    "megabytes": (int, "positive whole number"),
}
OVERRIDABLE = tuple(SETTING_KINDS)
# What a field holds until `graders.yaml` fills it; None stays where the grader does not read it.
UNSET: Any = None


@dataclass(frozen=True)
class GraderFacts:
    """What `graders.yaml` says about one grader."""

    rule: str
    title: str
    settings: Mapping[str, Any]


@functools.cache
def load_graders() -> dict[str, GraderFacts]:
    """Every grader of `graders.yaml` by name."""
    content = yaml.safe_load(GRADERS.read_text(encoding="utf-8"))
    return {name: GraderFacts(**facts) for name, facts in content.items()}


def complete_settings(name: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of the grader `name`: its own, replaced by `overrides` that are not None.

    Raises:
        InputError: unknown grader, a setting that it does not read, or a value of another kind.
    """
    if name not in load_graders():
        raise InputError(f"grader {name!r}: unknown; use {', '.join(load_graders())}")
    own = load_graders()[name].settings
    given = {key: value for key, value in overrides.items() if value is not None}
    for key, value in given.items():
        if key not in own:
            raise InputError(f"grader {name}: unknown setting {key!r}; use {', '.join(own)}")
        if not is_allowed(key, value):
            raise InputError(f"grader {name}: {key} = {value!r}; use a {SETTING_KINDS[key][1]}")
    return {**own, **given}


def is_allowed(key: str, value: object) -> bool:
    """Whether a setting may have this value."""
    kind = SETTING_KINDS[key][0]
    if type(value) is not kind:
        return False
    if isinstance(value, str):
        return value.isascii() and value.isalpha() and value.isupper()
    if isinstance(value, float):
        return 0.0 <= value <= 1.0
    return isinstance(value, bool) or (isinstance(value, int) and value >= 1)


@dataclass(frozen=True)
class GraderSettings:
    """A grader and what may change its verdicts; `graders.yaml` fills what is left out.

    Attributes:
        name: a grader of `graders.yaml`, which also says what the others mean.
    """

    name: str = DEFAULT_GRADER
    max_chars: int = UNSET
    tail_chars: int = UNSET
    float_rounding: int = UNSET
    strict: bool = UNSET
    near_miss: float = UNSET
    letters: str = UNSET
    seconds: int = UNSET
    megabytes: int = UNSET

    def __post_init__(self) -> None:
        """Fill in what the grader reads and was not given."""
        overrides = {key: value for key, value in asdict(self).items() if key != "name"}
        for key, value in complete_settings(self.name, overrides).items():
            object.__setattr__(self, key, value)

    @classmethod
    def from_spec(cls, spec: object) -> "GraderSettings":
        """Settings from decoded JSON; InputError for an unknown key or a value of another kind."""
        if not isinstance(spec, dict):
            raise InputError("grader settings: expected a JSON object such as {}")
        names = [field.name for field in fields(cls)]
        for key in spec:
            if key not in names:
                raise InputError(f"grader settings: unknown key {key!r}; use {', '.join(names)}")
        return cls(**spec)

    @property
    def rule(self) -> str:
        """How answers are found and compared: boxed, lenient, strict or choice."""
        return load_graders()[self.name].rule

    def list_used_settings(self) -> dict[str, Any]:
        """The settings that this grader reads."""
        return {key: getattr(self, key) for key in load_graders()[self.name].settings}


def list_engine_versions() -> dict[str, str]:
    """Versions of the symbolic engine in this environment, `missing` where there is none."""
    return {package: get_installed_version(package) for package in ENGINE_PACKAGES}


def get_installed_version(package: str) -> str:
    """Version of an installed package, `missing` without it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def make_grader_identity(
    settings: GraderSettings, versions: Mapping[str, str] | None = None
) -> str:
    """Everything a verdict depends on, as canonical JSON: equal text means equal grades.

    Args:
        settings: the grader.
        versions: of `ENGINE_PACKAGES` as a lock file gives them; those installed here if left out.
    """
    facts = {
        "name": settings.name,
        "rule": settings.rule,
        "settings": settings.list_used_settings(),
        "versions": dict(list_engine_versions() if versions is None else versions),
    }
    return json.dumps(facts, sort_keys=True, separators=(",", ":"))
