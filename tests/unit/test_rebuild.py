"""The rules by which the paper's sets are made from their sources."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from workflow_scripts.data.expert_sets import prompt_id
from workflow_scripts.data.rebuild import (
    EASY,
    HARD,
    Floats,
    decontaminated,
    deduplicated,
    matched,
    nearest,
    normalised,
    only,
    with_win_rate,
    within_length,
    without_chinese,
)
from workflow_scripts.errors import InputError


def problems(*prompts: str) -> pd.DataFrame:
    """Problems with the given prompts."""
    return pd.DataFrame({"problem_id": [f"p{i}" for i in range(len(prompts))], "prompt": prompts})


def test_prompts_are_compared_without_their_blanks_only() -> None:
    frame = problems("Find  $x$.\n", "Find $x$.", "find $x$.", "Find $x²$.", "Find $x2$.")
    assert list(deduplicated(frame)["problem_id"]) == ["p0", "p2", "p3", "p4"]
    assert normalised("cafe\u0301") == normalised("caf\u00e9")
    assert prompt_id("Find  $x$.\n") == prompt_id("Find $x$.")


def test_only_mathematics() -> None:
    frame = problems("a", "b", "c").assign(ability=["math", "code", "math"])
    assert list(only(frame, "ability", {"math"})["problem_id"]) == ["p0", "p2"]
    with pytest.raises(InputError, match=r"no row has ability in \['art'\]; there are code, math"):
        only(frame, "ability", {"art"})
    with pytest.raises(InputError, match="has no column kind; there are problem_id, prompt, abil"):
        only(frame, "kind", {"math"})


def test_chinese_prompts_and_long_rows() -> None:
    frame = problems("Find $x$.", "求 $x$ 的值", "Find $y ≤ β$")
    assert list(without_chinese(frame)["problem_id"]) == ["p0", "p2"]
    assert list(within_length(frame, [5, 6, 4], 5)["problem_id"]) == ["p0", "p2"]
    with pytest.raises(InputError, match="2 lengths for 3 rows"):
        within_length(frame, [1, 2], 5)


def test_easy_and_hard_by_the_win_rate_of_four_attempts() -> None:
    frame = problems(*"abcde")
    wins = {"p0": 4, "p1": 3, "p2": 2, "p3": 1, "p4": 0}
    grades = pd.DataFrame(
        [(name, int(i < count)) for name, count in wins.items() for i in range(4)],
        columns=["problem_id", "correct"],
    )
    assert list(with_win_rate(frame, grades, EASY)["problem_id"]) == ["p0"]
    hard = with_win_rate(frame, grades, HARD)
    assert list(hard["problem_id"]) == ["p3", "p4"]
    assert list(hard["win_rate"]) == [0.25, 0.0]
    with pytest.raises(InputError, match=r"problem p4 has 3 attempts instead of 4; let"):
        with_win_rate(frame, grades[:-1], HARD)
    with pytest.raises(InputError, match=r"problem p5 has 0 attempts instead of 4"):
        with_win_rate(problems(*"abcdef"), grades, EASY)


def angles(texts: Any) -> Floats:
    """Texts of degrees as vectors of any length: their cosine is that of the angle between."""
    radians = np.deg2rad([float(text) for text in texts])
    vectors = np.stack([np.cos(radians), np.sin(radians)], axis=1) * (1 + np.abs(radians[:, None]))
    result: Floats = vectors.astype(np.float32)
    return result


@pytest.mark.parametrize("block", [1, 2, 3, 100])
def test_decontamination_by_cosine_similarity(block: int) -> None:
    frame = problems("0", "90", "180")
    training = ["36.8", "53.3", "100", "270", "5"]
    found = nearest(list(frame["prompt"]), iter(training), angles, block)
    assert list(found["training_row"]) == [4, 2, 2]
    expected = np.cos(np.deg2rad([5, 10, 80]))
    np.testing.assert_allclose(found["similarity"], expected, atol=1e-6)
    kept, seen = decontaminated(frame, list(found["similarity"]))
    assert (list(kept["problem_id"]), list(seen["problem_id"])) == (["p2"], ["p0", "p1"])


def test_the_border_of_similarity_is_kept() -> None:
    kept, seen = decontaminated(problems("a", "b"), [0.8, 0.8000001])
    assert (list(kept["problem_id"]), list(seen["problem_id"])) == (["p0"], ["p1"])


def test_blocks_give_what_one_product_gives() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(1000, 16)).astype(np.float32)

    def embed(texts: Any) -> Floats:
        chosen: Floats = vectors[[int(text) for text in texts]]
        return chosen

    wanted = [str(i) for i in range(40)]
    found = nearest(wanted, (str(i) for i in range(40, 1000)), embed, block=64)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    whole = unit[:40] @ unit[40:].T
    np.testing.assert_allclose(found["similarity"], whole.max(axis=1), atol=1e-6)
    assert list(found["training_row"]) == list(whole.argmax(axis=1))


def test_embeddings_that_cannot_be_compared() -> None:
    with pytest.raises(InputError, match="has no training prompts"):
        nearest(["0"], [], angles)
    with pytest.raises(InputError, match="text 1 has no embedding"):
        nearest(["1"], ["1", "0"], lambda texts: np.array([[t] for t in texts], dtype=np.float32))


def test_rl_prompts_with_a_trajectory() -> None:
    prompts = problems("Find $x$.", "Find $y$.", "Find $z$.").assign(gold=["1", "2", "3"])
    experts = pd.DataFrame(
        {
            "prompt": ["Find  $z$.", "Find $x$. ", "Find $x$.", "Find $w$."],
            "trajectory": ["z", "first", "second", "w"],
        }
    )
    mixed = matched(prompts, experts)
    assert list(mixed.columns) == ["problem_id", "prompt", "gold", "expert"]
    assert mixed.to_dict("list") == {
        "problem_id": ["p0", "p2"],
        "prompt": ["Find $x$.", "Find $z$."],
        "gold": ["1", "3"],
        "expert": ["first", "z"],
    }
    with pytest.raises(InputError, match=r"none of 3 RL prompts has a trajectory among 1; check"):
        matched(prompts, experts.tail(1))
