"""Graders by name: their settings, and the identity that every grade depends on."""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, model_validator

from retu.core.errors import InputError
from retu.core.sections import Fraction, Section

GRADERS = Path(__file__).with_name("graders.yaml")
ENGINE_PACKAGES = ("math-verify", "latex2sympy2-extended", "sympy", "antlr4-python3-runtime")
DEFAULT_GRADER = "math_verify"
Count = Annotated[int, Field(strict=True, gt=0)]
# What a setting holds until `graders.yaml` fills it; None stays where the grader does not read it.
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


def complete_settings(content: Mapping[str, Any]) -> dict[str, Any]:
    """A grader's name and all settings that it reads: its own, replaced by what is not None.

    Raises:
        InputError: unknown grader, or a setting that it does not read.
    """
    name = content.get("name", DEFAULT_GRADER)
    if name not in list(load_graders()):
        raise InputError(f"grader {name!r}: unknown; use {', '.join(load_graders())}")
    own = load_graders()[name].settings
    given = {k: v for k, v in content.items() if k != "name" and v is not None}
    for key in given:
        if key not in own:
            raise InputError(f"grader {name}: unknown setting {key!r}; use {', '.join(own)}")
    return {"name": name, **own, **given}


class GraderSettings(Section):
    """A grader of `config/graders.yaml`, and what is changed about it.

    Settings that are left out are the grader's own; after validation they are all there, so that
    a change of that file regrades as a change of a study does. It never regenerates.
    """

    name: str = Field(DEFAULT_GRADER, description="a grader of config/graders.yaml")
    max_chars: Count = Field(UNSET, description="longest answer that is parsed")
    tail_chars: Count = Field(UNSET, description="how much of an unboxed answer is searched")
    float_rounding: Count = Field(UNSET, description="decimal places to which numbers agree")
    strict: Annotated[bool, Field(strict=True)] = Field(
        UNSET, description="variables and kinds of sets must agree, too (paper graders only)"
    )
    near_miss: Annotated[Fraction, Field(strict=True)] = Field(
        UNSET, description="similarity above which strings are equal (paper_lenient only)"
    )
    letters: Annotated[str, Field(pattern="^[A-Z]+$")] = Field(
        UNSET, description="capital letters that name the options (multiple_choice only)"
    )
    seconds: Count = Field(UNSET, description="processor time for one answer")
    megabytes: Count = Field(UNSET, description="address space of a grading worker")

    @model_validator(mode="before")
    @classmethod
    def fill_in(cls, content: Any) -> Any:
        """Add the grader's own settings; refuse those that it does not read."""
        return complete_settings(content) if isinstance(content, dict) else content

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
