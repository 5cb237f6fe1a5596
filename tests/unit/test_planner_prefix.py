"""Prefix schedule: golden values, bounds, the drawn distribution, and repeatability."""

import json
import statistics
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from retu.config.planner import Constant, PrefixController, PrefixSettings, Ramp
from retu.core.errors import InputError
from retu.core.yaml_files import validate_content
from retu.training.paradigms.prefix import (
    PrefixSchedule,
    compute_controller_value,
    compute_prefix_length,
    interpolate,
    make_prefix_schedule,
)

VECTORS = Path(__file__).parents[1] / "golden" / "algorithm_vectors.json"
GOLDEN = json.loads(VECTORS.read_text(encoding="utf-8"))["prefix_rft"]["schedule"]
FULL: dict[str, Any] = {"low": Constant(value=0.0), "high": Constant(value=1.0)}
COSINE = Ramp(kind="cosine", start=0.95, end=0.05, steps=500)


def make_schedule(seed: int = 0, run_steps: int = 500, **settings: Any) -> PrefixSchedule:
    """A schedule with the given settings."""
    return make_prefix_schedule(PrefixSettings(**settings), run_steps, seed, "recipe")


@pytest.mark.parametrize("index", range(len(GOLDEN["step"])))
def test_golden_controller_lengths_and_mixtures(index: int) -> None:
    low = compute_controller_value(COSINE, GOLDEN["step"][index], 500)
    assert low == pytest.approx(GOLDEN["ratio"][index], abs=1e-6)
    assert (
        compute_prefix_length(low, 997, 1) == GOLDEN["prefix_len_for_expert_len_997_min_1"][index]
    )
    drawn = [interpolate(low, 0.95, u) for u in GOLDEN["sampled_ratio"]["u"]]
    assert drawn == pytest.approx(GOLDEN["sampled_ratio"]["ratio"][index], abs=1e-6)


@pytest.mark.parametrize(
    ("controller", "values"),
    [
        (Constant(value=0.3), [0.3, 0.3, 0.3, 0.3, 0.3]),
        (Ramp(kind="linear", start=0.8, end=0.4, steps=20), [0.8, 0.6, 0.4, 0.4, 0.4]),
        (Ramp(kind="linear", start=0.8, end=0.4, steps=20, delay=10), [0.8, 0.8, 0.6, 0.4, 0.4]),
        (Ramp(kind="cosine", start=0.2, end=0.6, steps=20, delay=20), [0.2, 0.2, 0.2, 0.4, 0.6]),
        (Ramp(kind="linear", start=1.0, end=0.0), [1.0, 0.75, 0.5, 0.25, 0.0]),
        (Ramp(kind="linear", start=1.0, end=0.0, delay=20), [1.0, 1.0, 1.0, 0.5, 0.0]),
        (Ramp(kind="cosine", start=1.0, end=0.0, delay=40), [1.0] * 5),
    ],
)
def test_controllers_at_quarters_of_a_run(
    controller: PrefixController, values: list[float]
) -> None:
    found = [compute_controller_value(controller, step, 40) for step in (0, 10, 20, 30, 40)]
    assert found == pytest.approx(values, abs=1e-12)


def test_both_ends_of_a_ramp_are_exact() -> None:
    assert compute_controller_value(COSINE, 0, 500) == 0.95
    assert compute_controller_value(COSINE, 500, 500) == 0.05
    assert compute_prefix_length(compute_controller_value(COSINE, 500, 500), 1000, 1) == 50


@pytest.mark.parametrize(
    ("ratio", "tokens", "min_prefix", "length"),
    [
        *((0.5, 10, 1, 5), (0.59, 10, 1, 5), (0.01, 10, 1, 1), (0.01, 10, 0, 0)),
        *((1.0, 10, 1, 9), (0.1, 10, 4, 4), (0.1, 10, 40, 9), (0.9, 2, 1, 1), (0.9, 1, 1, 0)),
    ],
)
def test_lengths_are_clamped(ratio: float, tokens: int, min_prefix: int, length: int) -> None:
    assert compute_prefix_length(ratio, tokens, min_prefix) == length


def test_an_empty_trajectory_has_no_prefix() -> None:
    with pytest.raises(ValueError, match="0 tokens has no prefix"):
        compute_prefix_length(0.5, 0, 1)


def test_draws_stay_within_the_bounds_of_their_step() -> None:
    schedule = make_schedule(alpha=0.5, beta=0.5)
    for step in range(0, 600, 30):
        low, high = schedule.compute_bounds(step)
        ratios = [schedule.draw_ratio(step, prompt) for prompt in range(64)]
        assert low <= min(ratios) <= max(ratios) <= high
        lengths = [schedule.draw_length(100, step, prompt) for prompt in range(64)]
        assert lengths == [int(100 * ratio) for ratio in ratios]


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (2.0, 5.0), (0.5, 0.5)])
def test_draws_follow_the_beta_distribution(alpha: float, beta: float) -> None:
    schedule = make_schedule(
        alpha=alpha, beta=beta, low=Constant(value=0.2), high=Constant(value=0.7)
    )
    draws = [
        (schedule.draw_ratio(step, prompt) - 0.2) / 0.5
        for step in range(40)
        for prompt in range(50)
    ]
    assert statistics.fmean(draws) == pytest.approx(alpha / (alpha + beta), abs=0.03)
    assert stats.kstest(draws, stats.beta(alpha, beta).cdf).pvalue > 0.01


def test_a_draw_depends_on_seed_step_prompt_and_row_alone() -> None:
    keys = [(step, prompt, row) for step in range(5) for prompt in range(5) for row in range(2)]
    first = {key: make_schedule(**FULL).draw_ratio(*key) for key in keys}
    backwards = {key: make_schedule(**FULL).draw_ratio(*key) for key in reversed(keys)}
    assert backwards == first
    assert len(set(first.values())) == len(keys)
    other = {key: make_schedule(seed=1, **FULL).draw_ratio(*key) for key in keys}
    assert set(other.values()).isdisjoint(first.values())


def test_draws_are_the_same_on_every_machine() -> None:
    schedule = make_schedule(**FULL)
    found = [schedule.draw_ratio(step, prompt) for step, prompt in ((0, 0), (0, 1), (7, 3))]
    assert found == pytest.approx([0.098975, 0.316439, 0.737369], abs=1e-6)


def test_low_above_high_names_the_step() -> None:
    high = Ramp(kind="linear", start=1.0, end=0.0)
    with pytest.raises(InputError, match=r"^recipe: prefix.low is 0.5 and above .* at step 6; "):
        make_schedule(run_steps=10, low=Constant(value=0.5), high=high)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"low": {"kind": "cosine", "start": 0.9}}, "low.cosine.end: field required"),
        ({"low": {"kind": "square", "start": 0.9, "end": 0.1}}, "low: input tag 'square'"),
        (
            {"high": {"kind": "constant", "value": 1.5}},
            "high.constant.value: .* less than or equal",
        ),
        ({"high": {"kind": "constant", "value": 0.5, "steps": 9}}, "high.constant.steps: no such"),
        ({"alpha": 0}, "alpha: input should be greater than 0"),
        ({"min_prefix": -1}, "min_prefix: input should be greater than or equal to 0"),
    ],
)
def test_bad_settings(content: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=f"recipe: {words}"):
        validate_content(PrefixSettings, content, "recipe")
