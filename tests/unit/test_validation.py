"""Wrong values are told in one line: where, which key, what is wrong, what was given."""

from dataclasses import dataclass, field
from typing import Literal

import pytest
from pydantic import Field, model_validator

from retu.core.errors import InputError
from retu.core.sections import Section
from retu.core.yaml_files import validate_content
from retu.runtime.script import make_spec_reader


class RunSection(Section):
    """One section inside another."""

    steps: int = Field(gt=0)
    optimiser: Literal["AdamW", "SGD"] = "AdamW"


class JobSection(Section):
    """A section with a check of its own."""

    name: str
    run: RunSection

    @model_validator(mode="after")
    def _check_name(self) -> "JobSection":
        if self.name == "none":
            raise InputError("name: `none` is taken; choose another one")
        return self


@dataclass(frozen=True)
class SpecSettings:
    """A dataclass serves as a specification, too."""

    rates: tuple[float, ...] = field(default=(0.1,))

    def __post_init__(self) -> None:
        if not self.rates:
            raise InputError("rates: give one at least")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"name": "a"}, "file: run: field required"),
        (
            {"name": "a", "run": {"steps": 0}},
            "file: run.steps: input should be greater than 0, got 0",
        ),
        (
            {"name": "a", "run": {"steps": 1, "stepps": 2}},
            "file: run.stepps: no such key; did you mean steps?",
        ),
        (
            {"name": "a", "run": {"steps": 1, "optimiser": "adam"}},
            "file: run.optimiser: input should be 'AdamW' or 'SGD', got 'adam'",
        ),
        ({"run": {"steps": "x" * 200}}, "file: name: field required (and 1 more)"),
        (
            {"name": "a", "run": {"steps": "x" * 200}},
            "file: run.steps: input should be a valid integer, unable to parse string as"
            " an integer",
        ),
        ({"name": "none", "run": {"steps": 1}}, "file: name: `none` is taken; choose another one"),
    ],
)
def test_the_first_mistake_is_told(content: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as error:
        validate_content(JobSection, content, "file")
    assert str(error.value) == message


def test_a_specification_is_a_model_or_a_dataclass() -> None:
    assert make_spec_reader(RunSection)('{"steps": 3}') == RunSection(steps=3)
    assert make_spec_reader(SpecSettings)('{"rates": [1, 2]}') == SpecSettings((1.0, 2.0))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"rates": "x"}', "--spec: rates: input should be a valid array, got 'x'"),
        ('{"rates": []}', "--spec: rates: give one at least"),
        ("{", "--spec: (top level): invalid JSON: "),
    ],
)
def test_a_wrong_specification_is_told(text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        make_spec_reader(SpecSettings)(text)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)
