"""A plan makes each of its stages once, however they are asked for."""

import pytest

from retu.config.load import load_training_study
from retu.config.study import Config
from retu.planning.lab_plan import LabPlan

MODEL, SET = "LabQwen", "LabFull"


@pytest.fixture
def plan() -> LabPlan:
    """The smoke study's plan."""
    return LabPlan(load_training_study("smoke"), Config())


def test_wildcards_by_name_and_by_place_mean_the_same_stage(plan: LabPlan) -> None:
    placed = plan.train_sft(MODEL, SET, "0")
    assert plan.train_sft(model=MODEL, dataset=SET, seed="0") is placed
    assert plan.train_sft(MODEL, seed="0", dataset=SET) is placed
    assert plan.get_stage("train_sft", model=MODEL, dataset=SET, seed="0") is placed
    assert plan.curves() is plan.curves()


def test_other_wildcards_and_other_methods_mean_other_stages(plan: LabPlan) -> None:
    base, made = plan.plan_base(MODEL), plan.train_sft(MODEL, SET, "0")
    assert plan.train_sft(MODEL, "LabSmall", "0").key != made.key
    assert plan.label_subphases(MODEL, SET, "0") is not made
    assert base is not plan.make_data()


def test_stages_share_those_before_them(plan: LabPlan) -> None:
    tuned = plan.train_sft(MODEL, SET, "0")
    branch = plan.train_rl(MODEL, SET, "10", "dapo_dc", "0")
    assert any(stage is tuned for stage in branch.after)


def test_another_plan_has_stages_of_its_own(plan: LabPlan) -> None:
    again = LabPlan(plan.study, plan.config)
    assert again.train_sft(MODEL, SET, "0") is not plan.train_sft(MODEL, SET, "0")
    assert again.curves().key == plan.curves().key
    other = plan.replace_grader("paper_lenient")
    assert other is plan.replace_grader("paper_lenient")
    assert other.curves().key != plan.curves().key


@pytest.mark.parametrize("asked", [{"dataset": SET}, {"model": MODEL, "dataset": SET, "of": "0"}])
def test_wrong_wildcards_are_refused(plan: LabPlan, asked: dict[str, str]) -> None:
    with pytest.raises(TypeError):
        plan.get_stage("train_sft", **asked)


def test_what_is_not_there_is_asked_for_again(plan: LabPlan) -> None:
    for _ in range(2):
        with pytest.raises(LookupError, match="no SFT run"):
            plan.train_sft(MODEL, "Nope", "0")
