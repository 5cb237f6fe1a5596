"""vLLM's log-probabilities are compared with the trainer's whenever it has generated."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mixed_fixtures import list_steps, make_lab_tokenizer, make_mixed_trainer, make_preset
from trl import GRPOTrainer

from retu.core.errors import InputError

pytestmark = pytest.mark.slow
PRESETS = ("grpo", "luffy")


def compute_plain_log_probs(run: Any, prompt: list[int], completion: list[int]) -> list[float]:
    """The trainer's own log-probabilities of a completion, from plain logits."""
    ids = torch.tensor([[*prompt, *completion]])
    with torch.no_grad():
        logits = run.model(input_ids=ids).logits[0] / run.temperature
    every = logits.log_softmax(-1)[len(prompt) - 1 : -1]
    found: list[float] = every[range(len(completion)), completion].tolist()
    return found


def make_offset_engine(gap: float) -> Callable[..., Any]:
    """Generates as an engine would whose log-probabilities are off by so many nats."""

    def generate(run: Any, prompts: list[list[int]], *_: Any) -> Any:
        end = make_lab_tokenizer().eos_token_id
        made = [[7 + place % 5, 9, end] for place in range(len(prompts))]
        rows = zip(prompts, made, strict=True)
        return made, [[value + gap for value in compute_plain_log_probs(run, *row)] for row in rows]

    return generate


@pytest.mark.parametrize("name", PRESETS)
def test_an_engine_with_the_trainers_weights_passes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setattr(GRPOTrainer, "_generate_single_turn", make_offset_engine(gap=0.0))
    run = make_mixed_trainer(tmp_path, make_preset(name))
    run.use_vllm = True
    run.train()
    history = list_steps(run)
    assert len(history) == 2
    assert all(entry["paradigm/engine_gap"] < 1e-4 for entry in history)


@pytest.mark.parametrize("name", ["grpo", "luffy"])
def test_an_engine_with_other_weights_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setattr(GRPOTrainer, "_generate_single_turn", make_offset_engine(gap=0.5))
    run = make_mixed_trainer(tmp_path, make_preset(name))
    run.use_vllm = True
    with pytest.raises(InputError, match=r"after step 0 vLLM's log-probabilities .* are 0.5 nats"):
        run.train()


def test_without_vllm_nothing_is_compared(tmp_path: Path) -> None:
    run = make_mixed_trainer(tmp_path, make_preset("grpo"), max_steps=1)
    run.train()
    assert "paradigm/engine_gap" not in list_steps(run)[0]
