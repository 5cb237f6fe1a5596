"""Trackers are named by the environment and known to no key."""

import importlib.util
from pathlib import Path

import pytest

from retu.config.study import NO_CHOICE, Config
from retu.core.errors import InputError
from retu.models.trackers import REPORT_TO, TENSORBOARD_FOLDER, make_tracker_arguments

STATE = Path(".state/results/lab/sft/LabQwen/LabSmall/seed0/checkpoints")


def test_without_a_name_nothing_watches() -> None:
    environment: dict[str, str] = {}
    assert make_tracker_arguments(STATE, environment) == {"report_to": "none"}
    assert not environment


def test_named_trackers_watch_a_run_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    environment = {REPORT_TO: "wandb,tensorboard"}
    name = "results/lab/sft/LabQwen/LabSmall/seed0/checkpoints"
    expected = {"report_to": ["wandb", "tensorboard"], "run_name": name}
    assert make_tracker_arguments(STATE, environment) == expected
    assert environment[TENSORBOARD_FOLDER] == f"runs/{name}"
    environment[TENSORBOARD_FOLDER] = "mine"
    make_tracker_arguments(STATE, environment)
    assert environment[TENSORBOARD_FOLDER] == "mine"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wandbb", r"RETU_REPORT_TO: 'wandbb' is none of wandb, tensorboard, mlflow"),
        ("mlflow", r"config.yaml: report_to: mlflow needs the package mlflow, .* leave it out"),
    ],
)
def test_what_cannot_watch_is_told(
    monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=message):
        make_tracker_arguments(STATE, {REPORT_TO: name})


def test_trackers_choose_no_result() -> None:
    plain, watched = Config(), Config.model_validate({"report_to": ["wandb"]})
    dumps = [config.model_dump_json(exclude=set(NO_CHOICE)) for config in (plain, watched)]
    assert dumps[0] == dumps[1]
