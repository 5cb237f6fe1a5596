"""Reward functions of one's own: found by name, known by their code, checked when they answer."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from retu.config.graders import GraderSettings
from retu.config.reward_function import RewardFunction
from retu.config.study import RlRecipe
from retu.core.errors import InputError
from retu.grading.reward_functions import make_any_reward

CODE = """
from my_words import COUNTED

def score(completions, gold):
    return [float(text.count(COUNTED) == len(answer)) for text, answer in zip(completions, gold)]

def take_all(**columns):
    return [len(columns)] * len(columns["completions"])

def forget(completions):
    return [1.0]

def leave_out(completions):
    return [None for _ in completions]

NUMBER = 3
"""
RECIPE = {
    "title": "GRPO",
    "paradigm": {"objective": {"method": "grpo", "reduction": "seq_mean", "clip": None}},
    "steps": 1,
    "evaluate_every": 1,
    "prompts_per_step": 1,
    "rollouts": 2,
    "learning_rate": 1e-3,
    "max_completion_length": 4,
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of the workflow with reward functions, which are imported anew."""
    (tmp_path / "my_rewards.py").write_text(CODE)
    (tmp_path / "my_words.py").write_text("COUNTED = 'x'\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in ("my_rewards", "my_words"):
        sys.modules.pop(name, None)


def make_function(name: str) -> RewardFunction:
    """The settings of one of the functions."""
    return RewardFunction.model_validate({"function": f"my_rewards.{name}"})


def test_a_recipe_names_a_function_or_a_grader() -> None:
    own = RlRecipe.model_validate(RECIPE | {"reward": {"function": "my_rewards.score"}})
    assert own.reward == make_function("score")
    assert RlRecipe.model_validate_json(own.model_dump_json()) == own
    graded = RlRecipe.model_validate(RECIPE | {"reward": {"name": "paper_lenient"}})
    assert isinstance(graded.reward, GraderSettings)
    assert RlRecipe.model_validate(RECIPE).reward == GraderSettings()
    assert RlRecipe.model_validate_json(graded.model_dump_json()) == graded


def test_texts_and_columns_are_scored() -> None:
    reward = make_any_reward(make_function("score"))
    chats = [[{"role": "assistant", "content": "xx"}], "x"]
    assert reward(chats, gold=["ab", "ab"], prompts=["p", "p"], step=3) == [1.0, 0.0]
    assert make_any_reward(make_function("take_all"))(["a"], gold=["b"], step=[1]) == [3.0]


@pytest.mark.parametrize("file", ["my_rewards.py", "my_words.py"])
def test_a_change_of_its_code_is_another_reward(folder: Path, file: str) -> None:
    before = make_function("score")
    with (folder / file).open("a") as written:
        written.write("MORE = 1\n")
    assert make_function("score").code != before.code
    with pytest.raises(InputError, match="its code has changed since the job was planned"):
        make_any_reward(before)


def test_other_files_are_no_part_of_it(folder: Path) -> None:
    before = make_function("score")
    (folder / "notes.py").write_text("x = 1\n")
    assert make_function("score") == before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "my_rewards has no function nothing"),
        ("NUMBER", "my_rewards has no function NUMBER"),
    ],
)
def test_a_function_that_is_not_there_is_told(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_any_reward(make_function(name))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("forget", "my_rewards.forget: returned no list of 2 numbers"),
        ("leave_out", "my_rewards.leave_out: returned None, which is no finite number"),
    ],
)
def test_what_is_no_reward_is_told(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_any_reward(make_function(name))(["a", "b"])


def test_a_missing_or_broken_file_is_told(folder: Path) -> None:
    with pytest.raises(InputError, match=r"there is no yours.py in the folder of the workflow"):
        RewardFunction.model_validate({"function": "yours.score"})
    (folder / "broken.py").write_text("def score(:\n")
    with pytest.raises(InputError, match=r"broken.py: is no Python"):
        RewardFunction.model_validate({"function": "broken.score"})
    (folder / "failing.py").write_text("import nothing_of_the_kind\n")
    with pytest.raises(InputError, match=r"failing cannot be imported \(ModuleNotFoundError"):
        make_any_reward(RewardFunction.model_validate({"function": "failing.score"}))
