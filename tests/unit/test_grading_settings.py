"""Graders as data: completion, refusal, identity, and the section of a study."""

import json

import pytest

from retu.config.graders import (
    KINDS,
    PACKAGES,
    GraderSettings,
    identity,
    installed_version,
    known_graders,
)
from retu.config.study import Grader
from retu.core.errors import InputError
from retu.grading.grader import RULES

VERSIONS = dict.fromkeys(PACKAGES, "1.0")


def test_every_grader_is_complete() -> None:
    for name, facts in known_graders().items():
        assert facts.rule in RULES
        assert facts.title
        assert set(facts.settings) <= set(KINDS)
        assert GraderSettings(name).own() == dict(facts.settings)
    assert {facts.rule for facts in known_graders().values()} == set(RULES)


def test_identity_is_canonical_and_changes_with_everything_that_counts() -> None:
    base = identity(GraderSettings(), VERSIONS)
    assert base == identity(GraderSettings.from_spec({"max_chars": 300}), VERSIONS)
    assert json.loads(base)["versions"] == VERSIONS
    changed = [
        identity(GraderSettings(float_rounding=5), VERSIONS),
        identity(GraderSettings("paper_strict"), VERSIONS),
        identity(GraderSettings("paper_lenient"), VERSIONS),
        *(identity(GraderSettings(), {**VERSIONS, package: "1.1"}) for package in PACKAGES),
    ]
    assert len({base, *changed}) == 1 + len(changed)
    assert "missing" not in identity(GraderSettings())
    assert installed_version("no-such-package") == "missing"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"name": "strict"}, "grader 'strict': unknown; use math_verify, paper_lenient"),
        ({"name": "paper_strict", "near_miss": 0.5}, "unknown setting 'near_miss'; use max_chars"),
        ({"name": "paper_lenient", "near_miss": 1.5}, "number between 0 and 1"),
        ({"name": "paper_lenient", "near_miss": 1}, "number between 0 and 1"),
        ({"name": "multiple_choice", "letters": "abc"}, "capital letters"),
        ({"seconds": 0}, "positive whole number"),
    ],
)
def test_bad_settings_are_refused_everywhere(spec: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        GraderSettings.from_spec(spec)
    with pytest.raises(InputError, match=message):
        Grader.model_validate(spec)


@pytest.mark.parametrize("name", sorted(known_graders()))
def test_a_study_and_a_script_mean_the_same_grader(name: str) -> None:
    section = Grader(name=name)
    assert GraderSettings(**section.model_dump()) == GraderSettings(name)
    assert Grader.model_validate_json(section.model_dump_json()) == section
