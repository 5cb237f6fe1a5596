"""A tiny model and its tokenizer, made in a second, to try a trainer with before a GPU is paid."""

import random
from typing import TYPE_CHECKING

from retu.rehearsal.tiny_models import POSITIONS, draw_document_problem
from retu.rehearsal.tiny_tokenizers import TOKENIZER_FORMS, train_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

TEXTS = 200
"""Made-up problems from which the tokenizer learns its pairs."""


def make_tiny_policy(seed: int = 0) -> tuple["PreTrainedModel", "PreTrainedTokenizerBase"]:
    """An untrained Qwen2 of one layer and 32 dimensions in float32, and a tokenizer for any text.

    Args:
        seed: of the weights; equal seeds make equal models.

    Returns:
        The model on the CPU (512 positions), and its byte-level tokenizer, which pads at the left.
    """
    import torch
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    form, rng = TOKENIZER_FORMS["qwen2"], random.Random(seed)
    texts = (draw_document_problem(rng).write_trajectory() for _ in range(TEXTS))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=train_tokenizer(form, texts),
        eos_token=form.end,
        pad_token=form.padding,
        padding_side="left",
        model_max_length=POSITIONS,
    )
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=POSITIONS,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return Qwen2ForCausalLM(config), tokenizer
