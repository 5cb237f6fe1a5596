"""What a finished RL branch leaves for a run of more steps, and which run takes it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from checkpoints_fixtures import write_checkpoint

from retu.config.load import load_training_study
from retu.config.study import Config
from retu.core.errors import InputError
from retu.planning.jobs import RlJob
from retu.planning.lab_plan import LabPlan
from retu.runtime import script
from retu.runtime.usage import JOB_FACTS
from retu.training.inline_evaluation import get_answers_path
from retu.training.kept_states import (
    KEPT_LIMIT,
    close_branch_state,
    describe_branch,
    explain_need_of_total,
    open_branch_state,
    read_kept_limit,
)
from retu.training.training_state import find_latest_complete

OUT = Path("branch/checkpoints")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder of its own for states, and nothing left of one test to another."""
    monkeypatch.setenv("RETU_STATE", str(tmp_path / "state"))
    monkeypatch.delenv(KEPT_LIMIT, raising=False)
    yield
    script.AT_END.clear()
    JOB_FACTS.clear()


def make_job(steps: int, preset: str = "dapo_dc", **changes: Any) -> RlJob:
    """A branch of the smoke study with so many steps and other changes of its recipe."""
    plan = LabPlan(load_training_study("smoke"), Config())
    job = RlJob.model_validate_json(plan.train_rl("LabQwen", "LabFull", "20", preset, "0").spec)
    return job.model_copy(
        update={"recipe": job.recipe.model_copy(update={"steps": steps, **changes})}
    )


def finish_branch(job: RlJob, code: str = "code") -> Path:
    """Run a job to its end; the folder in which it trained."""
    state = open_branch_state(OUT, job, code)
    if find_latest_complete(state) is None or job.last_step > 6:
        write_checkpoint(state, job.last_step)
    answers = get_answers_path(state, job.last_step)
    answers.parent.mkdir(exist_ok=True)
    answers.touch()
    script.run_main(lambda: close_branch_state(state, job))
    return state


def test_more_steps_go_on_from_what_a_finished_branch_has_kept(
    capsys: pytest.CaptureFixture[str],
) -> None:
    state = finish_branch(make_job(6))
    assert "keeping the training state" in capsys.readouterr().out
    assert not state.exists()
    assert open_branch_state(OUT, make_job(26), "code") == state
    latest = find_latest_complete(state)
    assert latest is not None
    assert latest.name == "checkpoint-6"
    assert get_answers_path(state, 6).is_file()
    assert JOB_FACTS["first_step"] == 6
    assert "RL of 26 steps goes on from the 6 that are kept" in capsys.readouterr().out
    # Killed before its first save, it goes on from there again.
    assert find_latest_complete(open_branch_state(OUT, make_job(26), "code")) == latest
    finish_branch(make_job(26))
    assert [path.name for path in state.parent.iterdir()] == ["checkpoints-kept"]


@pytest.mark.parametrize(
    ("job", "code", "why"),
    [
        (make_job(26, learning_rate=1e-3), "code", "settings, inputs or versions .* are others"),
        (make_job(26), "new code", "code, settings, inputs or versions .* are others"),
        (make_job(6), "code", "it has no more of them"),
        (make_job(4), "code", "it has no more of them"),
    ],
    ids=["rate", "code", "same", "fewer"],
)
def test_other_runs_start_anew_and_say_why(
    job: RlJob, code: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    finish_branch(make_job(6))
    capsys.readouterr()
    state = open_branch_state(OUT, job, code)
    assert find_latest_complete(state) is None
    said = capsys.readouterr().out
    (line,) = [text for text in said.splitlines() if "from the start, not from the 6" in text]
    assert line.startswith(f"RL of {job.last_step} steps")
    assert re.search(why, line)
    # Once that one is done, what it kept is the newest.
    finish_branch(job, code)
    assert [path.name for path in state.parent.iterdir()] == ["checkpoints-kept"]


def test_a_schedule_over_all_steps_is_not_gone_on_from(capsys: pytest.CaptureFixture[str]) -> None:
    finish_branch(make_job(6, "prefix_rft"))
    capsys.readouterr()
    state = open_branch_state(OUT, make_job(26, "prefix_rft"), "code")
    assert find_latest_complete(state) is None
    assert "its prefix schedule spans all steps" in capsys.readouterr().out


def test_only_what_needs_the_number_of_steps_is_said_to() -> None:
    assert explain_need_of_total(make_job(6).recipe) is None
    recipe = make_job(6, "prefix_rft").recipe
    spanning = recipe.paradigm.planner.prefix
    assert spanning is not None
    low = spanning.low.model_copy(update={"steps": 4})
    prefix = spanning.model_copy(update={"low": low})
    planner = recipe.paradigm.planner.model_copy(update={"prefix": prefix})
    paradigm = recipe.paradigm.model_copy(update={"planner": planner})
    assert explain_need_of_total(recipe.model_copy(update={"paradigm": paradigm})) is None
    cosine = recipe.model_copy(update={"scheduler": "cosine"})
    assert explain_need_of_total(cosine) == "its cosine learning rate spans all steps"
    job = make_job(6, "prefix_rft")
    assert describe_branch(make_job(26, "prefix_rft")) != describe_branch(job)
    assert describe_branch(make_job(26)) == describe_branch(make_job(6))


def test_a_state_beyond_the_end_of_a_run_waits_aside() -> None:
    state = open_branch_state(OUT, make_job(26), "code")
    write_checkpoint(state, 20)
    assert find_latest_complete(open_branch_state(OUT, make_job(8), "code")) is None
    (aside,) = state.parent.glob("checkpoints.*")
    assert find_latest_complete(aside) is not None


@pytest.mark.parametrize("limit", ["0", "1e-8"])
def test_a_state_above_the_limit_goes(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEPT_LIMIT, limit)
    state = finish_branch(make_job(6))
    assert list(state.parent.iterdir()) == []


def test_a_branch_that_competes_keeps_nothing() -> None:
    job = make_job(6).model_copy(update={"stops": (3, 6)})
    rung = Path("branch/rung2/checkpoints")
    state = open_branch_state(rung, job, "code")
    write_checkpoint(state, 6)
    close_branch_state(state, job.model_copy(update={"stops": (3,)}))
    assert not script.AT_END
    script.run_main(lambda: close_branch_state(state, job))
    assert list(state.parent.iterdir()) == []


def test_a_limit_that_is_no_number_is_refused() -> None:
    assert read_kept_limit({}) == 4.0
    with pytest.raises(InputError, match="RETU_KEPT_STATE_GIB: 'much' is no number of GiB"):
        read_kept_limit({KEPT_LIMIT: "much"})
