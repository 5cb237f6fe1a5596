"""Scores of tokens in tiles: those of the whole softmax, and their gradients."""

import math

import pytest
import torch
from torch import Tensor
from trl.kernels import ChunkedLogProbFunction

from retu.training.memory import token_scores
from retu.training.memory.token_scores import TokenScores

TOKENS, HIDDEN, VOCABULARY = 13, 6, 29


def make_head(*, bias: bool, dtype: torch.dtype = torch.float32) -> tuple[list[Tensor], Tensor]:
    """Hidden states, weights and bias that want gradients, and targets."""
    generator = torch.Generator().manual_seed(0)
    sizes = [(TOKENS, HIDDEN), (VOCABULARY, HIDDEN), *([(VOCABULARY,)] if bias else [])]
    made = [torch.randn(size, generator=generator).to(dtype).requires_grad_() for size in sizes]
    return made, torch.randint(VOCABULARY, (TOKENS,), generator=generator)


def score_plainly(parts: list[Tensor], temperature: float) -> tuple[Tensor, Tensor]:
    """All log-probabilities and the entropies, from the whole matrix of logits."""
    logits = torch.nn.functional.linear(*parts) / temperature
    scores = logits.log_softmax(-1)
    return scores, -(scores.exp() * scores).sum(-1)


@pytest.mark.parametrize("kept", [0, 2**20])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 1.0), (0.7, -0.3)])
def test_scores_and_gradients_are_those_of_the_softmax(
    monkeypatch: pytest.MonkeyPatch, weights: tuple[float, float], bias: bool, kept: int
) -> None:
    monkeypatch.setattr(token_scores, "TILE_ELEMENTS", 4 * VOCABULARY)
    monkeypatch.setattr(token_scores, "KEPT_ELEMENTS", kept)
    parts, targets = make_head(bias=bias)
    per_token = torch.linspace(-1, 2, TOKENS)

    scores, entropy = score_plainly(parts, 0.8)
    expected = scores[torch.arange(TOKENS), targets]
    wanted = torch.autograd.grad(
        (per_token * (weights[0] * expected + weights[1] * entropy)).sum(), parts
    )
    hidden, weight, *rest = parts
    made, entropies, top1 = TokenScores.apply(
        hidden, weight, rest[0] if rest else None, targets, 0.8, True, True
    )
    terms = [term for term, factor in zip((made, entropies), weights, strict=True) if factor]
    factors = [factor for factor in weights if factor]
    loss = sum((per_token * f * t).sum() for f, t in zip(factors, terms, strict=True))
    gradients = torch.autograd.grad(loss, parts)

    torch.testing.assert_close(made, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(entropies, entropy, atol=1e-5, rtol=1e-5)
    assert torch.equal(top1, scores.argmax(-1) == targets)
    for mine, theirs in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-5)


def test_scores_are_those_of_trl() -> None:
    (hidden, weight), targets = make_head(bias=False)
    outputs = ("log_probs", "entropy", "is_top1")
    theirs = ChunkedLogProbFunction.apply(hidden, weight, None, targets, 1.3, 8, None, 1.0, outputs)
    mine = TokenScores.apply(hidden, weight, None, targets, 1.3, True, True)
    torch.testing.assert_close(mine[0], theirs[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(mine[1], theirs[1], atol=1e-5, rtol=1e-5)
    assert torch.equal(mine[2], theirs[4])


def test_what_is_not_asked_for_is_not_made() -> None:
    (hidden, weight), targets = make_head(bias=False)
    _, entropies, top1 = TokenScores.apply(hidden, weight, None, targets, 1.0, False, False)
    assert entropies is None
    assert top1 is None


def test_of_equal_tokens_the_first_is_the_likeliest() -> None:
    hidden, weight = torch.ones(2, 1), torch.tensor([[1.0], [2.0], [2.0]])
    targets = torch.tensor([1, 2])
    _, _, top1 = TokenScores.apply(hidden, weight, None, targets, 1.0, False, True)
    assert top1.tolist() == [True, False]


def test_no_token_has_no_score_and_gradients_of_zero() -> None:
    (hidden, weight), targets = make_head(bias=False)
    made, _, _ = TokenScores.apply(hidden[:0], weight, None, targets[:0], 1.0, True, False)
    made.sum().backward()
    assert made.shape == (0,)
    assert hidden.grad is not None
    assert not hidden.grad.any()


def test_half_precision_rounds_products_and_nothing_behind_them() -> None:
    (hidden, weight), targets = make_head(bias=False)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made, entropies, _ = TokenScores.apply(hidden, weight, None, targets, 1.0, True, False)
    logits = (hidden.bfloat16() @ weight.bfloat16().t()).float()
    expected = logits.log_softmax(-1)[torch.arange(TOKENS), targets]
    assert made.dtype == torch.float32
    assert hidden.dtype == torch.float32
    torch.testing.assert_close(made, expected, atol=1e-5, rtol=1e-5)
    made.sum().backward()
    assert weight.grad is not None
    assert weight.grad.dtype == torch.float32
    assert bool((entropies < math.log(VOCABULARY)).all())
