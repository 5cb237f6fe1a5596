"""The rules by which the paper's sets are made from their sources."""

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hub_rows import make_source_rows

from retu.core.errors import InputError
from retu.data.set_rules import (
    Floats,
    deduplicate_records,
    filter_rows,
    find_nearest_prompts,
    hash_prompt,
    join_expert_trajectories,
    normalise_prompt,
    split_by_similarity,
)
from retu.data.text_records import StoredRow


def make_problems(*prompts: str) -> pd.DataFrame:
    """Problems with the given prompts."""
    return pd.DataFrame({"problem_id": [f"p{i}" for i in range(len(prompts))], "prompt": prompts})


def make_expert_row(prompt: str, trajectory: str, tokens: int = 1) -> StoredRow:
    """A row of a stored SFT set."""
    texts: StoredRow = {"prompt": prompt, "gold": "of the expert", "trajectory": trajectory}
    return {**texts, "prompt_tokens": 3, "response_tokens": tokens}


def test_prompts_are_compared_without_their_blanks_only() -> None:
    texts = ["Find  $x$.\n", "Find $x$.", "find $x$.", "Find $x²$.", "Find $x2$."]
    left_out: Counter[str] = Counter()
    records = [{"prompt": text, "source": "s"} for text in texts]
    kept = list(deduplicate_records(records, left_out))
    assert [record["prompt"] for record in kept] == [texts[0], *texts[2:]]
    assert [record["problem_id"] for record in kept] == [hash_prompt(r["prompt"]) for r in kept]
    assert left_out == {"s": 1}
    assert normalise_prompt("cafe\u0301") == normalise_prompt("caf\u00e9")
    assert hash_prompt("Find  $x$.\n") == hash_prompt("Find $x$.")


def test_only_mathematics() -> None:
    values = [{"ability": kind} for kind in ("math", "code", "math", "art", "code")]
    left_out: Counter[str] = Counter()
    kept = list(filter_rows(make_source_rows(values), "ability", {"math"}, left_out))
    assert [row.where for row in kept] == ["made: row 0", "made: row 2"]
    assert left_out == {"code": 2, "art": 1}
    with pytest.raises(InputError, match="row 0: has no column kind; name the right one, there"):
        list(filter_rows(make_source_rows(values), "kind", {"math"}, left_out))


def embed_angles(texts: Any) -> Floats:
    """Texts of degrees as vectors of any length: their cosine is that of the angle between."""
    radians = np.deg2rad([float(text) for text in texts])
    vectors = np.stack([np.cos(radians), np.sin(radians)], axis=1) * (1 + np.abs(radians[:, None]))
    result: Floats = vectors.astype(np.float32)
    return result


@pytest.mark.parametrize("block", [1, 2, 3, 100])
def test_decontamination_by_cosine_similarity(block: int) -> None:
    frame = make_problems("0", "90", "180")
    training = ["36.8", "53.3", "100", "270", "5"]
    found = find_nearest_prompts(list(frame["prompt"]), iter(training), embed_angles, block)
    assert list(found["training_row"]) == [4, 2, 2]
    expected = np.cos(np.deg2rad([5, 10, 80]))
    np.testing.assert_allclose(found["similarity"], expected, atol=1e-6)
    kept, seen = split_by_similarity(frame, list(found["similarity"]))
    assert (list(kept["problem_id"]), list(seen["problem_id"])) == (["p2"], ["p0", "p1"])


def test_the_border_of_similarity_is_kept() -> None:
    kept, seen = split_by_similarity(make_problems("a", "b"), [0.8, 0.8000001])
    assert (list(kept["problem_id"]), list(seen["problem_id"])) == (["p0"], ["p1"])


def test_blocks_give_what_one_product_gives() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(1000, 16)).astype(np.float32)

    def embed(texts: Any) -> Floats:
        chosen: Floats = vectors[[int(text) for text in texts]]
        return chosen

    wanted = [str(i) for i in range(40)]
    found = find_nearest_prompts(wanted, (str(i) for i in range(40, 1000)), embed, block=64)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    whole = unit[:40] @ unit[40:].T
    np.testing.assert_allclose(found["similarity"], whole.max(axis=1), atol=1e-6)
    assert list(found["training_row"]) == list(whole.argmax(axis=1))


def test_embeddings_that_cannot_be_compared() -> None:
    with pytest.raises(InputError, match="has no training prompts"):
        find_nearest_prompts(["0"], [], embed_angles)
    with pytest.raises(InputError, match="text 1 has no embedding"):
        find_nearest_prompts(
            ["1"], ["1", "0"], lambda texts: np.array([[t] for t in texts], dtype=np.float32)
        )


def test_rl_prompts_with_a_trajectory() -> None:
    wanted = ["Find $x$.", "Find $y$.", "Find $z$."]
    prompts: dict[str, StoredRow] = {
        hash_prompt(text): {
            "problem_id": f"p{i}",
            "prompt": text,
            "gold": str(i),
            "prompt_tokens": 9,
        }
        for i, text in enumerate(wanted)
    }
    experts = [
        make_expert_row("Find  $z$.", "z", 5),
        make_expert_row("Find $x$. ", "first", 6),
        make_expert_row("Find $x$.", "second"),
        make_expert_row("Find $w$.", "w"),
    ]
    assert list(join_expert_trajectories(experts, prompts)) == [
        {
            **{"problem_id": name, "prompt": prompt, "gold": name[1:], "expert": text},
            **{"prompt_tokens": 9, "response_tokens": tokens},
        }
        for name, prompt, text, tokens in (
            ("p2", "Find $z$.", "z", 5),
            ("p0", "Find $x$.", "first", 6),
        )
    ]
    with pytest.raises(InputError, match=r"none of 3 RL prompts has a trajectory; check that both"):
        list(join_expert_trajectories(experts[3:], prompts))


def test_an_sft_set_as_prompts_of_its_own() -> None:
    experts = [
        make_expert_row("Find $x$.", "first", 6),
        make_expert_row("Find  $x$.", "2nd"),
        make_expert_row("b", "third"),
    ]
    own = list(join_expert_trajectories(experts, None))
    assert [row["expert"] for row in own] == ["first", "third"]
    assert own[0] == {
        **{"problem_id": hash_prompt("Find $x$."), "prompt": "Find $x$.", "gold": "of the expert"},
        **{"expert": "first", "prompt_tokens": 3, "response_tokens": 6},
    }
