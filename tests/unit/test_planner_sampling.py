"""Dynamic sampling: golden cases, a run against a plain re-telling, kills, and bad input."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from retu.config.planner import DynamicSampling
from retu.core.errors import InputError
from retu.training.paradigms.dynamic_sampling import (
    SamplingCounts,
    SamplingRule,
    SamplingState,
    TrainBatch,
    compute_sampling_metrics,
    needs_more_rounds,
    score_round,
    start_sampling,
    take_update_groups,
)
from retu.training.paradigms.resume import dump_state, restore_state

VECTORS = Path(__file__).parents[1] / "golden" / "algorithm_vectors.json"
GOLDEN = json.loads(VECTORS.read_text(encoding="utf-8"))["dapo_dynamic_sampling"]


def make_rule(rollouts: int = 4, train_prompts: int = 3, **settings: Any) -> SamplingRule:
    """A rule with the given settings."""
    return SamplingRule(DynamicSampling(**settings), rollouts, train_prompts)


def make_rewards(wins: list[int], rollouts: int = 4) -> list[list[int]]:
    """Groups of rewards with so many wins each."""
    return [[int(row < count) for row in range(rollouts)] for count in wins]


@pytest.mark.parametrize("case", GOLDEN["cases"])
def test_golden_cases(case: dict[str, Any]) -> None:
    expected = case["expected"]
    rule = make_rule(
        train_prompts=case["target_prompts"],
        win_num_range=case["win_num_range"],
        max_num_gen_batches=case["max_num_gen_batches"],
    )
    state = start_sampling(rule)
    stream = iter(GOLDEN["wins_per_generation_batch"])
    if expected["error"]:
        state = score_round(state, rule, make_rewards(next(stream)))
        with pytest.raises(InputError, match=r"1 generation rounds gave 1 of 3 groups"):
            needs_more_rounds(state, rule)
        assert [group.position for group in state.kept] == expected["discarded_qualified"]
        return
    while needs_more_rounds(state, rule):
        state = score_round(state, rule, make_rewards(next(stream)))
    batch, _ = take_update_groups(state, rule)
    assert [group.position for group in batch.groups] == expected["used_prompts"]
    assert batch.counts.rounds == expected["num_generation_batches"]
    kept = [group.position for group in state.kept]
    assert kept[len(batch.groups) :] == expected["discarded_qualified"]
    assert batch.counts.surplus == len(expected["discarded_qualified"])


def replay_plainly(
    rule: SamplingRule, rounds: list[list[int]], allowed: set[int]
) -> list[list[int]]:
    """Positions of the groups of each update, computed from the start of the stream."""
    updates: list[list[int]] = []
    kept: list[int] = []
    position = used = 0
    for wins in rounds:
        used += 1
        kept += [position + i for i, count in enumerate(wins) if count in allowed]
        position += len(wins)
        limit = rule.settings.max_num_gen_batches
        if len(kept) >= rule.train_prompts or used == limit:
            updates.append(kept[: rule.train_prompts])
            kept, used = [], 0
    return updates


def draw_case(seed: int) -> tuple[SamplingRule, list[list[int]], set[int]]:
    """A rule, the wins of a stream of generation rounds, and the win counts that it allows."""
    draw = random.Random(seed)
    rollouts = draw.randint(2, 8)
    counts = draw.sample(range(rollouts + 1), draw.randint(1, rollouts))
    rule = make_rule(
        rollouts,
        draw.randint(1, 6),
        win_num_range=draw.choice([None, counts]),
        gen_batch_factor=draw.randint(1, 2),
        max_num_gen_batches=draw.randint(0, 4),
        when_exhausted="train_on_what_there_is",
    )
    stream = [[draw.randint(0, rollouts) for _ in range(rule.gen_prompts)] for _ in range(60)]
    own = rule.settings.win_num_range
    return rule, stream, set(range(1, rollouts) if own is None else own)


def feed_stream(
    rule: SamplingRule, stream: list[list[int]], killed_at: int | None = None
) -> Iterator[tuple[TrainBatch, SamplingState]]:
    """Feed the stream; before transition `killed_at` everything but the stored text is lost."""
    state = start_sampling(rule)
    for number in range(2 * len(stream)):
        if number == killed_at:
            text = json.dumps(dump_state(state))
            state = restore_state(json.loads(text), rule, "state.json")
        if not needs_more_rounds(state, rule):
            batch, state = take_update_groups(state, rule)
            yield batch, state
        elif state.offered < len(stream) * rule.gen_prompts:
            # A restarted caller knows where the stream goes on from the state alone.
            wins = stream[state.offered // rule.gen_prompts]
            state = score_round(state, rule, make_rewards(wins, rule.rollouts))
        else:
            return


@pytest.mark.parametrize("seed", range(40))
def test_random_streams_against_the_plain_telling(seed: int) -> None:
    rule, stream, allowed = draw_case(seed)
    results = list(feed_stream(rule, stream))
    groups = [[group.position for group in batch.groups] for batch, _ in results]
    assert groups == replay_plainly(rule, stream, allowed)
    flat = [count for wins in stream for count in wins]
    total = SamplingCounts()
    for batch, after in results:
        counts = batch.counts
        assert [group.n_correct for group in batch.groups] == [
            flat[g.position] for g in batch.groups
        ]
        assert counts.generated == counts.trained + counts.n_discarded == sum(batch.histogram)
        assert counts.generated == counts.rounds * rule.gen_prompts
        assert len(batch.groups) + batch.missing == rule.train_prompts
        total = total.add(counts)
        assert after.total == total
        assert after.offered == total.generated
        assert (after.rounds, after.kept, sum(after.histogram)) == (0, (), 0)


@pytest.mark.parametrize("seed", range(6))
def test_a_run_resumed_before_any_transition_has_the_same_groups(seed: int) -> None:
    rule, stream, _ = draw_case(seed)
    uninterrupted = list(feed_stream(rule, stream))
    assert uninterrupted
    for killed_at in range(2 * len(stream)):
        assert list(feed_stream(rule, stream, killed_at)) == uninterrupted


def test_without_a_range_groups_of_equal_rewards_are_left_out() -> None:
    rule = make_rule(rollouts=8)
    kept = [len(set(rewards)) > 1 for rewards in make_rewards(list(range(9)), 8)]
    assert [rule.is_allowed_count(n_correct) for n_correct in range(9)] == kept


def test_transitions_leave_their_argument_as_it_was() -> None:
    rule = make_rule()
    first = start_sampling(rule)
    second = score_round(first, rule, make_rewards([1, 2, 3, 0]))
    assert first == start_sampling(rule)
    before = second.model_copy()
    take_update_groups(second, rule)
    assert second == before


def test_the_last_round_without_enough_groups_names_histogram_and_option() -> None:
    rule = make_rule(rollouts=2, train_prompts=5, max_num_gen_batches=2)
    state = score_round(start_sampling(rule), rule, make_rewards([0, 1, 2, 0], 2))
    assert needs_more_rounds(state, rule)
    state = score_round(state, rule, make_rewards([0, 0, 2, 1], 2))
    expected = (
        r"^dynamic sampling: 2 generation rounds gave 2 of 5 groups with an allowed win count"
        r" \(groups by wins: 0: 4, 1: 2, 2: 2\); .*when_exhausted: train_on_what_there_is$"
    )
    with pytest.raises(InputError, match=expected):
        needs_more_rounds(state, rule)
    with pytest.raises(InputError, match=expected):
        take_update_groups(state, rule)


@pytest.mark.parametrize(("wins", "positions"), [([0, 1, 4, 2], [1, 3]), ([0, 4, 4, 0], [])])
def test_training_on_what_there_is(wins: list[int], positions: list[int]) -> None:
    rule = make_rule(max_num_gen_batches=1, when_exhausted="train_on_what_there_is")
    state = score_round(start_sampling(rule), rule, make_rewards(wins))
    batch, state = take_update_groups(state, rule)
    assert [group.position for group in batch.groups] == positions
    assert batch.missing == 3 - len(positions)
    assert state.offered == 4
    assert needs_more_rounds(state, rule)


def test_no_limit_never_exhausts() -> None:
    rule = make_rule(max_num_gen_batches=0)
    state = start_sampling(rule)
    for _ in range(200):
        state = score_round(state, rule, make_rewards([0, 4]))
        assert needs_more_rounds(state, rule)


@pytest.mark.parametrize("reward", [0.5, 2, -1, 1.0000001, float("nan"), None])
def test_rewards_that_are_neither_0_nor_1(reward: float) -> None:
    rule = make_rule()
    state = score_round(start_sampling(rule), rule, make_rewards([1, 1]))
    with pytest.raises(InputError, match=r"group 3 of the prompt stream: a reward is .* 0 or 1"):
        score_round(state, rule, [[0, 1, 1, 1], [0, 1, reward, 1]])


def test_rewards_may_be_floats_or_truth_values() -> None:
    rule = make_rule()
    state = score_round(
        start_sampling(rule), rule, [[1.0, 0.0, 0.0, 1.0], [True, False, False, False]]
    )
    assert [group.n_correct for group in state.kept] == [2, 1]


@pytest.mark.parametrize("rewards", [[], [[0, 1, 1]], [[0, 1, 1, 0], [1] * 5]])
def test_rounds_of_another_shape(rewards: list[list[float]]) -> None:
    rule = make_rule()
    with pytest.raises(ValueError, match="groups of 4 rewards"):
        score_round(start_sampling(rule), rule, rewards)


def test_a_batch_cannot_be_taken_early() -> None:
    rule = make_rule()
    with pytest.raises(ValueError, match="before there were enough groups"):
        take_update_groups(start_sampling(rule), rule)


MIDDLE = dump_state(
    score_round(start_sampling(make_rule()), make_rule(), make_rewards([0, 2, 4, 1]))
)


@pytest.mark.parametrize(
    "change",
    [
        {"histogram": [1, 1, 1, 0, 1, 0]},
        {"histogram": [1, 1, 0, 1, 1]},
        {"offered": 5},
        {"rounds": 0},
        {"rounds": 11},
        {"kept": [{"position": 1, "n_correct": 2}]},
        {"kept": [{"position": 1, "n_correct": 4}, {"position": 3, "n_correct": 1}]},
        {"kept": [{"position": 3, "n_correct": 1}, {"position": 1, "n_correct": 2}]},
        {"kept": [{"position": 3, "n_correct": 2}, {"position": 3, "n_correct": 1}]},
        {"kept": [{"position": 1, "n_correct": 2}, {"position": 4, "n_correct": 1}]},
        {
            "offered": 8,
            "kept": [{"position": 5, "n_correct": 2}, {"position": 7, "n_correct": 1}],
            "total": SamplingCounts(rounds=1, generated=4, trained=3).model_dump(),
        },
    ],
)
def test_a_state_that_the_rule_cannot_reach_is_refused(change: dict[str, Any]) -> None:
    assert dump_state(restore_state(MIDDLE, make_rule(), "state.json")) == MIDDLE
    with pytest.raises(InputError, match=r"^state.json: the state of dynamic sampling is not one"):
        restore_state({**MIDDLE, **change}, make_rule(), "state.json")


@pytest.mark.parametrize("rule", [make_rule(rollouts=8), make_rule(win_num_range=[1, 2, 3, 4])])
def test_a_state_of_another_rule_is_refused(rule: SamplingRule) -> None:
    with pytest.raises(InputError, match="not one of this recipe; set RETU_STATE"):
        restore_state(MIDDLE, rule, "state.json")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "histogram: field required"),
        ({**MIDDLE, "round": 1}, "round: no such key; did you mean"),
    ],
)
def test_what_is_no_state_at_all(content: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=f"state.json: {words}"):
        restore_state(content, make_rule(), "state.json")


def test_figures_count_rows_for_compute() -> None:
    rule = make_rule(rollouts=8, train_prompts=2)
    state = score_round(start_sampling(rule), rule, make_rewards([0, 8, 3, 0], 8))
    state = score_round(state, rule, make_rewards([5, 5, 1, 0], 8))
    batch, _ = take_update_groups(state, rule)
    assert rule.gen_prompts == 4
    assert compute_sampling_metrics(batch.counts, rule) == {
        "sampling/rounds": 2,
        "sampling/groups_generated": 8,
        "sampling/groups_trained": 2,
        "sampling/groups_filtered": 4,
        "sampling/groups_surplus": 2,
        "sampling/samples_generated": 64,
        "sampling/samples_trained": 16,
        "sampling/samples_discarded": 48,
    }
