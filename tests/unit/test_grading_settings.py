"""Graders as data: completion, refusal, identity, and their way to a script."""

import json

import pytest

from retu.config.graders import (
    ENGINE_PACKAGES,
    GraderSettings,
    get_installed_version,
    load_graders,
    make_grader_identity,
)
from retu.core.errors import InputError
from retu.core.yaml_files import validate_content
from retu.grading.grader import GRADING_RULES

VERSIONS = dict.fromkeys(ENGINE_PACKAGES, "1.0")


def test_every_grader_is_complete() -> None:
    for name, facts in load_graders().items():
        assert facts.rule in GRADING_RULES
        assert facts.title
        assert set(facts.settings) < set(GraderSettings.model_fields)
        assert GraderSettings(name=name).list_used_settings() == dict(facts.settings)
    assert {facts.rule for facts in load_graders().values()} == set(GRADING_RULES)


def test_identity_is_canonical_and_changes_with_everything_that_counts() -> None:
    base = make_grader_identity(GraderSettings(), VERSIONS)
    assert base == make_grader_identity(GraderSettings(max_chars=300), VERSIONS)
    assert json.loads(base)["versions"] == VERSIONS
    changed = [
        make_grader_identity(GraderSettings(float_rounding=5), VERSIONS),
        make_grader_identity(GraderSettings(name="paper_strict"), VERSIONS),
        make_grader_identity(GraderSettings(name="paper_lenient"), VERSIONS),
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
        (
            {"name": "paper_strict", "near_miss": 0.5},
            "unknown setting 'near_miss'; use max_chars",
        ),
        ({"name": "paper_lenient", "near_miss": 1.5}, "near_miss: input .* equal to 1, got 1.5"),
        ({"name": "paper_lenient", "near_miss": "1"}, "near_miss: input should be a valid number"),
        ({"name": "multiple_choice", "letters": "abc"}, r"letters: .* '\^\[A-Z\]\+\$', got 'abc'"),
        ({"seconds": 0}, "seconds: input should be greater than 0, got 0"),
        ({"seconds": 2.0}, "seconds: input should be a valid integer, got 2.0"),
    ],
)
def test_bad_settings_are_refused(spec: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=f"here: .*{message}"):
        validate_content(GraderSettings, spec, "here")


@pytest.mark.parametrize("name", sorted(load_graders()))
def test_settings_reach_a_script_as_they_are(name: str) -> None:
    settings = GraderSettings(name=name)
    for without_unset in (True, False):
        spec = settings.model_dump_json(exclude_none=without_unset)
        assert GraderSettings.model_validate_json(spec) == settings


def test_whole_numbers_are_numbers() -> None:
    one, same = (GraderSettings(name="paper_lenient", near_miss=value) for value in (1, 1.0))
    assert make_grader_identity(one) == make_grader_identity(same)
