"""Expert trajectories: matched by prompt, refused or dropped when unfit, judged by the reward."""

import pytest

from retu.config.planner import ExpertSettings
from retu.core.errors import InputError
from retu.training.paradigms.expert_choice import (
    ExpertChoice,
    choose_prompts,
    compute_success_rate,
    match_experts,
)

STRICT = ExpertSettings()
LENIENT = ExpertSettings(missing="drop", too_long="drop")
WORKED = "worked out"


def test_prompts_match_by_text_up_to_white_space() -> None:
    experts = ["1 + 1 =", "What is\n 2 + 2?", "7 * 7 ="]
    prompts = [" 7 * 7 =", "What is 2 + 2? ", "1+1=", "1 + 1 ="]
    assert match_experts(prompts, experts) == [2, 1, None, 0]


def test_the_first_of_several_answers_is_taken() -> None:
    assert match_experts(["b", "a"], ["a", "b ", "b", "a"]) == [1, 0]


def test_a_set_built_like_mix37k() -> None:
    prompts, experts = ["p0", "p1", "p2", "p3", "p4"], ["p3", "p1", "p9", "p4"]
    texts, lengths = ["t3", "t1", "t9", "t4"], [10, 8, 4, 11]
    places = match_experts(prompts, experts)
    choice = choose_prompts(
        [None if place is None else texts[place] for place in places],
        [0 if place is None else lengths[place] for place in places],
        limit=10,
        settings=LENIENT,
        where="prompts",
    )
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
    assert compute_success_rate([1, 0, 1.0, 1], STRICT, "experts") == 0.75
    asked = ExpertSettings(min_success_rate=0.75)
    assert compute_success_rate([1, 0, 1, 1], asked, "experts") == 0.75


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
        compute_success_rate(rewards, settings, "experts")
