"""The three lines that end a run: what they say, and of how many seeds."""

from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from retu.advice.advice_record import StudyAnswer
from retu.reporting.short_answer import SEED_SCATTER, format_short_answer, rank_starts

CURVES = Path(__file__).resolve().parents[2] / "docs" / "lab_science_curves.csv"


def make_branch(name: str, median: float | None) -> dict[str, Any]:
    """A branch with an expected score, or without."""
    ends = None if median is None else {"median": median, "low": median - 1, "high": median + 1}
    empty = dict.fromkeys(
        ("subphase", "margin_stable", "val_loss", "p_sft", "pass_at_k", "k", "reached", "chance")
    )
    return {
        **empty, "name": name, "dataset": "A", "sft_step": 1, "spent": 1.0, "at_budget": ends,
        "next_unit": None, "ceiling": None, "ceiling_reason": "", "lacking": None,
    }  # fmt: skip


def make_pool(seed: int, branches: list[dict[str, Any]], **answers: str) -> dict[str, Any]:
    """A pool that says something of each question."""
    findings = [
        {"question": question, "answer": answer, "evidence": "", "weak": False}
        for question, answer in answers.items()
    ]
    advice = {
        "title": "", "start": "A step 1", "data": "A", "reason": "", "budget": 1.0,
        "unit": "EFLOPs",
        "step": 0.1, "collapses": [], "branches": branches, "sft": [], "data_size": "",
        "missing": [], "notes": [],
    }  # fmt: skip
    return {
        "title": f"M, seed {seed}, dapo", "sft_of": f"M, seed {seed}", "is_first": True,
        "findings": findings, "advice": advice,
    }  # fmt: skip


def answer_with(*pools: dict[str, Any]) -> StudyAnswer:
    """An answer of these pools."""
    return StudyAnswer.model_validate({"study": "s", "pools": list(pools)})


TOLD = {"Start RL": "from A step 1", "Gain of RL": "+4", "Ceiling": "90"}
CLOSE = [
    make_branch("A step 1", 90.0),
    make_branch("A step 2", None),
    make_branch("B step 3", 89.0),
]


def test_it_says_start_gain_ceiling_and_how_many_seeds_would_settle_it() -> None:
    lines = format_short_answer(answer_with(make_pool(0, CLOSE, **TOLD)), 400).splitlines()
    assert lines[0] == "In short (M, seed 0):"
    assert lines[1] == "  Start RL: from A step 1"
    assert lines[2] == "  Expect: gain +4; ceiling 90"
    assert "one seed; the next start, B step 3, is 1.0 points behind" in lines[3]
    assert "176 seeds would settle it" in lines[3]
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("lead", "seeds"), [(0.0, "more than 1000"), (0.1, "more than"), (6.0, "7")]
)
def test_a_small_lead_takes_more_seeds(lead: float, seeds: str) -> None:
    branches = [make_branch("A step 1", 90.0), make_branch("B step 3", 90.0 - lead)]
    text = format_short_answer(answer_with(make_pool(0, branches, **TOLD)), 400)
    assert f"{seeds} " in text.rpartition("lab_science, ")[2]


def test_the_scatter_between_seeds_is_that_of_the_measurement() -> None:
    """The median over pairs of starts that four replicates or more have, by their last scores."""
    curves = pd.read_csv(CURVES)
    branches = curves[(curves["recipe"] == "dapo_dc") & (curves["sft_step"] > 0)]
    grouped = branches.sort_values("rl_step").groupby(["dataset", "sft_step", "model"])["score"]
    ends = grouped.apply(lambda scores: scores.tail(5).mean()).unstack("model")
    pairs = (ends.loc[one] - ends.loc[other] for one, other in combinations(ends.index, 2))
    scatter = pd.Series([pair.std() for pair in pairs if pair.count() >= 4])
    assert len(scatter) > 80
    assert scatter.median() == pytest.approx(SEED_SCATTER, abs=0.05)
    assert (scatter.min(), scatter.max()) == pytest.approx((0.3, 15.9), abs=0.05)


def test_of_equal_starts_the_next_is_another() -> None:
    """Of equal ones any may be the start: here the second."""
    branches = [make_branch("A step 0", 90.0), make_branch("A step 1", 90.0)]
    text = format_short_answer(answer_with(make_pool(0, branches, **TOLD)), 400)
    assert "the next start, A step 0, is 0.0 points behind" in text


def test_without_a_clear_leader_nothing_is_behind_a_start() -> None:
    pool = make_pool(0, CLOSE, **{**TOLD, "Start RL": "not enough evidence"})
    pool["advice"]["start"] = None
    text = format_short_answer(answer_with(pool), 400)
    assert "one seed; A step 1 is 1.0 points ahead of B step 3. Where" in text
    assert "behind" not in text


def test_seeds_of_the_same_model_are_counted() -> None:
    pools = [make_pool(seed, CLOSE, **TOLD) for seed in range(3)]
    assert "3 seeds, each judged alone" in format_short_answer(answer_with(*pools), 400)


def test_nothing_is_said_without_a_start() -> None:
    assert format_short_answer(answer_with(), 100) == ""
    assert format_short_answer(answer_with(make_pool(0, CLOSE, Ceiling="90")), 100) == ""
    alone = make_pool(0, CLOSE[:2], **TOLD)
    assert "no second start" in format_short_answer(answer_with(alone), 400)


def test_starts_are_ranked_by_what_is_expected_of_them() -> None:
    pool = answer_with(make_pool(0, CLOSE[::-1], **TOLD)).pools[0]
    assert pool.advice is not None
    assert rank_starts(pool.advice.branches) == [("A step 1", 90.0), ("B step 3", 89.0)]
