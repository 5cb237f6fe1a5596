"""SFT sets: drawn by measured win rate, within bounds, repeatably."""

import pandas as pd
import pytest

from retu.config.lab_study import DrawnSet, WinRate
from retu.core.errors import InputError
from retu.data.set_selection import compute_win_rates, describe_selection, select_sft_rows

POOL = pd.DataFrame({"problem_id": [f"p{n}" for n in range(50)], "prompt": range(50)})
# Ten problems each of win rate 0, 0.25, 0.5, 0.75 and 1, in four attempts.
GRADES = pd.DataFrame(
    [
        {"problem_id": f"p{n}", "sample": sample, "correct": int(sample < n % 5)}
        for n in range(50)
        for sample in range(4)
    ]
)
RATES = compute_win_rates(GRADES)


def draw_ids(
    rows: int | str, low: float | None = None, high: float = 1.0, seed: int = 0
) -> list[str]:
    """Problem ids of a set drawn with win-rate bounds (no `low`: without bounds)."""
    bounds = None if low is None else WinRate(min=low, max=high)
    dataset = DrawnSet.model_validate(
        {"title": "T", "rows": rows, "win_rate": bounds, "seed": seed}
    )
    return select_sft_rows(POOL, RATES, "Set", dataset)["problem_id"].tolist()


def test_win_rates_are_means_over_attempts() -> None:
    rates = RATES.set_index("problem_id")
    assert rates.loc["p3", "win_rate"] == 0.75
    assert set(rates["attempts"]) == {4}
    assert sorted(rates["win_rate"].unique()) == [0.0, 0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize(
    ("low", "high", "remainders"),
    [(1.0, 1.0, {4}), (0.0, 0.25, {0, 1}), (0.25, 0.75, {1, 2, 3}), (0.0, 1.0, {0, 1, 2, 3, 4})],
)
def test_bounds_are_inclusive(low: float, high: float, remainders: set[int]) -> None:
    assert {int(name[1:]) % 5 for name in draw_ids("all", low, high)} == remainders
    assert len(draw_ids("all", low, high)) == 10 * len(remainders)


def test_all_rows_keep_their_order_and_random_ones_follow_the_seed() -> None:
    assert draw_ids("all") == POOL["problem_id"].tolist()
    assert draw_ids(20) == draw_ids(20)
    assert draw_ids(20) != draw_ids(20, seed=1)
    assert len(set(draw_ids(20))) == 20


def test_rows_carry_their_win_rate() -> None:
    dataset = DrawnSet(title="T", rows=5, seed=3)
    frame = select_sft_rows(POOL, RATES, "Set", dataset)
    expected = (frame["problem_id"].str[1:].astype(int) % 5) / 4
    assert frame["win_rate"].tolist() == expected.tolist()


@pytest.mark.parametrize(("rows", "low"), [(11, 1.0), ("all", 0.9999)])
def test_too_few_rows_within_the_bounds(rows: int | str, low: float) -> None:
    found = 10 if rows == 11 else 0
    high = 1.0 if rows == 11 else 0.99995
    with pytest.raises(InputError, match=f"data set Set: asks for {rows} rows, but only {found} "):
        draw_ids(rows, low, high)


def test_problems_that_were_never_tried_are_not_in_bounds() -> None:
    dataset = DrawnSet(title="T", rows="all", win_rate=WinRate(min=0.0, max=1.0))
    frame = select_sft_rows(POOL, RATES[RATES["problem_id"] != "p7"], "Set", dataset)
    assert set(POOL["problem_id"]) - set(frame["problem_id"]) == {"p7"}


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        (DrawnSet(title="T", rows="all"), "all"),
        (DrawnSet(title="T", rows=5), "random"),
        (DrawnSet(title="T", rows=5, win_rate=WinRate(min=1.0)), "win rate = 1"),
        (DrawnSet(title="T", rows=5, win_rate=WinRate(max=0.25)), "win rate <= 0.25"),
        (DrawnSet(title="T", rows=5, win_rate=WinRate(min=0.5, max=0.75)), "win rate 0.5 to 0.75"),
    ],
)
def test_rules_in_words(dataset: DrawnSet, words: str) -> None:
    assert describe_selection(dataset) == words
