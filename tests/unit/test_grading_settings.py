"""Graders as data: completion, refusal, identity, and the section of a study."""

import json

import pytest

from retu.config.graders import (
    ENGINE_PACKAGES,
    SETTING_KINDS,
    GraderSettings,
    get_installed_version,
    load_graders,
    make_grader_identity,
)
from retu.config.study import Grader
from retu.core.errors import InputError
from retu.grading.grader import GRADING_RULES

VERSIONS = dict.fromkeys(ENGINE_PACKAGES, "1.0")


def test_every_grader_is_complete() -> None:
    for name, facts in load_graders().items():
        assert facts.rule in GRADING_RULES
        assert facts.title
        assert set(facts.settings) <= set(SETTING_KINDS)
        assert GraderSettings(name).list_used_settings() == dict(facts.settings)
    assert {facts.rule for facts in load_graders().values()} == set(GRADING_RULES)


def test_identity_is_canonical_and_changes_with_everything_that_counts() -> None:
    base = make_grader_identity(GraderSettings(), VERSIONS)
    assert base == make_grader_identity(GraderSettings.from_spec({"max_chars": 300}), VERSIONS)
    assert json.loads(base)["versions"] == VERSIONS
    changed = [
        make_grader_identity(GraderSettings(float_rounding=5), VERSIONS),
        make_grader_identity(GraderSettings("paper_strict"), VERSIONS),
        make_grader_identity(GraderSettings("paper_lenient"), VERSIONS),
        *(
            make_grader_identity(GraderSettings(), {**VERSIONS, package: "1.1"})
            for package in ENGINE_PACKAGES
        ),
    ]
    assert len({base, *changed}) == 1 + len(changed)
    assert "missing" not in make_grader_identity(GraderSettings())
    assert get_installed_version("no-such-package") == "missing"


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


@pytest.mark.parametrize("name", sorted(load_graders()))
def test_a_study_and_a_script_mean_the_same_grader(name: str) -> None:
    section = Grader(name=name)
    assert GraderSettings(**section.model_dump()) == GraderSettings(name)
    assert Grader.model_validate_json(section.model_dump_json()) == section
