"""Branches that compete: their rungs, their pools, and the stages of both."""

import json

import pytest

from retu.advice.contest import count_decisions, find_reached_rungs
from retu.advice.decision import CandidateVerdict, Decision
from retu.config.adaptive import AdaptiveSettings
from retu.config.load import load_training_study
from retu.config.study import Config
from retu.core.errors import InputError
from retu.core.run_paths import Run, parse_run
from retu.planning.jobs import RlJob
from retu.planning.lab_plan import LabPlan

BRANCH = ("LabQwen", "LabFull", "10", "dapo_dc", "0")


@pytest.fixture(scope="module")
def plan() -> LabPlan:
    """The smoke study with branches that compete."""
    return LabPlan(load_training_study("smoke"), Config(branching="adaptive"))


def make_decision(rung: int, running: list[tuple[str, int]], finished: bool = False) -> Decision:
    """A decision that lets these checkpoints run."""
    verdicts = [
        CandidateVerdict(dataset=d, sft_step=s, subphase="Stable", action="run", reason="")
        for d, s in running
    ]
    return Decision(
        rung=rung,
        last_step=10,
        target_step=None if finished else 5,
        leader=None,
        expected_loss=None,
        finished=finished,
        reason="",
        candidates=verdicts,
        settings=AdaptiveSettings(),
    )


def test_decisions_say_how_far_each_branch_ran() -> None:
    taken = [
        make_decision(0, [("A", 1), ("A", 2), ("B", 1)]),
        make_decision(1, [("A", 2), ("B", 1)]),
        make_decision(2, [("B", 1)]),
        make_decision(3, [], finished=True),
    ]
    read = taken.__getitem__
    assert find_reached_rungs(read) == {("A", 1): 1, ("A", 2): 2, ("B", 1): 3}
    assert find_reached_rungs(read, 1) == {("A", 1): 1, ("A", 2): 1, ("B", 1): 1}
    assert find_reached_rungs(read, 0) == {}
    assert count_decisions(read) == 4


def test_a_search_that_never_starts_has_one_decision() -> None:
    read = [make_decision(0, [], finished=True)].__getitem__
    assert (find_reached_rungs(read), count_decisions(read)) == ({}, 1)


def test_a_rung_is_a_folder_of_its_branch() -> None:
    run = Run("rl", "M", "D", 40, "luffy", 1, rung=2)
    assert run.path == "rl/M/D/step40/luffy/seed1/rung2"
    assert parse_run(run.path) == run
    assert run.parent == Run("sft", "M", "D", seed=1)
    for wrong in ("rung0", "rung02", "rung"):
        with pytest.raises(InputError, match="is not the path of a run"):
            parse_run(f"rl/M/D/step40/luffy/seed1/{wrong}")


@pytest.mark.parametrize(
    ("shares", "steps", "every", "expected"),
    [
        ([0.1, 0.5, 1.0], 30, 1, [3, 15, 30]),
        ([0.1, 0.2, 0.35, 0.5, 0.75, 1.0], 66, 6, [12, 18, 24, 36, 54, 66]),
        # Shares that round to one evaluation are one rung; the last step need not be a multiple.
        ([0.01, 0.02, 1.0], 25, 10, [10, 25]),
        ([1.0], 5, 10, [5]),
    ],
)
def test_rungs_end_where_a_branch_is_evaluated(
    shares: list[float], steps: int, every: int, expected: list[int]
) -> None:
    assert AdaptiveSettings(rungs=shares).list_rung_steps(steps, every) == expected


def test_a_pool_holds_all_data_sets_of_a_model_and_recipe(plan: LabPlan) -> None:
    (pool,) = plan.list_pools()
    assert (pool.model, pool.recipe, pool.seed) == ("LabQwen", "dapo_dc", 0)
    assert [run.dataset for run in pool.sft_runs] == ["LabFull", "LabSmall"]
    assert len(plan.list_pool_branches(pool, 1)) == 4
    with pytest.raises(LookupError, match="no branches of LabQwen by luffy compete"):
        plan.find_pool("LabQwen", "luffy", "0")
    assert LabPlan(plan.study, Config()).list_pools() == []


def test_all_rungs_of_a_branch_and_pure_rl_whole(plan: LabPlan) -> None:
    runs = plan.list_rl_runs(lambda sft: [10])
    assert {run.rung for run in runs if run.dataset != "none"} == {1, 2}
    assert {run.rung for run in runs if run.dataset == "none"} == {0}
    chosen = plan.list_rl_runs(lambda sft: [10], lambda branch: [2] * (branch.dataset == "LabFull"))
    assert [run.path for run in chosen if run.rung] == [
        "rl/LabQwen/LabFull/step10/dapo_dc/seed0/rung2"
    ]
    assert [plan.get_rl_steps(run) for run in runs if run.dataset == "LabFull"] == [(0, 3), (3, 6)]


def test_a_rung_trains_as_the_whole_branch_and_follows_the_one_before(plan: LabPlan) -> None:
    whole, first, second = plan.train_rl(*BRANCH), *(plan.train_rl_rung(*BRANCH, n) for n in "12")
    specs = [json.loads(stage.spec) for stage in (whole, first, second)]
    assert [spec.pop("stops") for spec in specs] == [[], [3], [3, 6]]
    assert specs[0] == specs[1] == specs[2]
    assert (second.after, first.after) == ((*whole.after, first), whole.after)
    jobs = [RlJob.model_validate_json(stage.spec) for stage in (whole, first, second)]
    assert [(job.last_step, job.is_paused) for job in jobs] == [(6, False), (3, True), (6, False)]
    for rung in ("0", "3"):
        with pytest.raises(LookupError, match=f"dapo_dc has no rung {rung}"):
            plan.train_rl_rung(*BRANCH, rung)


def test_a_tolerance_changes_decisions_and_no_training(plan: LabPlan) -> None:
    changed = plan.study.model_copy(
        update={"adaptive": AdaptiveSettings(rungs=[0.5, 1.0], tolerance=1)}
    )
    other = LabPlan(changed, plan.config)
    asked = ("LabQwen", "dapo_dc", "0", "1")
    assert other.choose_branches(*asked).key != plan.choose_branches(*asked).key
    assert other.train_rl_rung(*BRANCH, "2").key == plan.train_rl_rung(*BRANCH, "2").key


def test_decisions_follow_labels_scores_and_the_one_before(plan: LabPlan) -> None:
    first, second = (plan.choose_branches("LabQwen", "dapo_dc", "0", n) for n in "01")
    assert first in second.after
    assert plan.label_subphases("LabQwen", "LabSmall", "0") in first.after
    graded = plan.grade("rl/LabQwen/LabSmall/step20/dapo_dc/seed0/rung1")
    assert graded in second.after
    assert graded not in first.after
    assert plan.choose_branches("LabQwen", "dapo_dc", "0", "2") in plan.curves().after
    with pytest.raises(LookupError, match="no rung 3"):
        plan.choose_branches("LabQwen", "dapo_dc", "0", "3")
