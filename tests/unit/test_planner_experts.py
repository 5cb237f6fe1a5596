"""Expert trajectories: refused or dropped when unfit, judged by the reward."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from retu.config.planner import ExpertSettings
from retu.core.errors import InputError
from retu.training.paradigms.experts import (
    ExpertChoice,
    check_experts,
    check_success_rate,
    choose_prompts,
)

STRICT = ExpertSettings()
LENIENT = ExpertSettings(missing="drop", too_long="drop")
WORKED = "worked out"


def test_a_set_built_like_mix37k() -> None:
    texts, lengths = [None, "t1", None, "t3", "t4"], [0, 8, 0, 10, 11]
    choice = choose_prompts(texts, lengths, limit=10, settings=LENIENT, where="prompts")
    assert choice == ExpertChoice(rows=(1, 3), missing=2, too_long=1)


@pytest.mark.parametrize("settings", [STRICT, LENIENT])
def test_all_is_well_up_to_the_limit(settings: ExpertSettings) -> None:
    choice = choose_prompts([WORKED] * 3, [1, 9, 10], 10, settings, "prompts")
    assert choice == ExpertChoice((0, 1, 2), 0, 0)


@pytest.mark.parametrize(
    ("trajectory", "tokens", "words"),
    [
        (None, 0, "the prompt has no expert trajectory; give it one, .*experts.missing: drop"),
        (WORKED, 11, "has 11 tokens, above 10; .*experts.too_long: drop"),
        ("", 1, "the expert trajectory is empty"),
        (" \n", 2, "the expert trajectory is empty"),
    ],
)
def test_the_unfit_row_is_named(trajectory: str | None, tokens: int, words: str) -> None:
    with pytest.raises(InputError, match=f"^prompts: row 1: .*{words}"):
        choose_prompts([WORKED, trajectory], [3, tokens], 10, STRICT, "prompts")


def test_an_empty_trajectory_is_never_dropped_silently() -> None:
    with pytest.raises(InputError, match="row 1: the expert trajectory is empty"):
        choose_prompts([WORKED, ""], [3, 1], 10, LENIENT, "prompts")


def test_nothing_left() -> None:
    with pytest.raises(InputError, match=r"no prompt is left \(1 without .*, 2 with one above 10"):
        choose_prompts([None, WORKED, WORKED], [0, 11, 12], 10, LENIENT, "prompts")


def test_success_rate_is_the_share_of_right_experts() -> None:
    assert check_success_rate([1, 0, 1.0, 1], STRICT, "experts") == 0.75
    asked = ExpertSettings(min_success_rate=0.75)
    assert check_success_rate([1, 0, 1, 1], asked, "experts") == 0.75


@pytest.mark.parametrize(
    ("rewards", "least", "words"),
    [
        ([], 0.0, "holds no expert trajectory"),
        ([0, 0, 0], 0.0, "calls none of 3 expert trajectories right; compare their answer format"),
        ([1, 0, 1], 0.7, "calls 2 of 3 .* below experts.min_success_rate, 0.7"),
        ([1, 0.5], 0.0, "a reward is 0.5"),
    ],
)
def test_experts_that_the_reward_does_not_bear_out(
    rewards: list[float], least: float, words: str
) -> None:
    settings = ExpertSettings(min_success_rate=least)
    with pytest.raises(InputError, match=f"^experts: .*{words}"):
        check_success_rate(rewards, settings, "experts")


@pytest.mark.parametrize("rows", [1, 7, 250])
def test_processes_share_the_grading_of_experts(rows: int) -> None:
    parts: list[list[int]] = []
    dataset: Any = list(range(rows))
    asked = ExpertSettings(min_success_rate=1.0)
    for index in range(3):

        def grade(mine: list[int]) -> torch.Tensor:
            parts.append(mine)
            return torch.ones(3 * len(mine), 2)

        accelerator = SimpleNamespace(num_processes=3, process_index=index)
        check_experts(grade, dataset, asked, accelerator)  # type: ignore[arg-type]
    rounds = len(parts) // 3
    assert len({len(part) for part in parts}) == 1
    gathered = [row for turn in range(rounds) for part in parts[turn::rounds] for row in part]
    assert gathered[:rows] == dataset
