"""Embeddings of texts by a model of a hub, in the manner of Qwen3-Embedding.

The state of the last token stands for a text: texts are padded on the left, so it is at the same
place for all. The tokenizer of such a model ends every text by a token of its own. No instruction
is put before a text, because two problems are compared, not a query and a document.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from retu.config.execution import Execution
from retu.core.errors import InputError
from retu.data.set_rules import Embedder, Floats
from retu.data.text_records import split_into_blocks
from retu.data.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel

EMBED_BATCH = 32
MAX_EMBED_TOKENS = 8192
"""Tokens that are read of a text at most, as the model's authors do."""


def make_embedder(folder: Path, execution: Execution) -> Embedder:
    """Load a model that embeds texts.

    Args:
        folder: its checkpoint.
        execution: its device, dtype and attention.

    Returns:
        texts -> float32 array, one row a text, as long as the model's hidden state.

    Raises:
        InputError: no readable model or tokenizer in the folder.
    """
    tokenizer = load_tokenizer(folder)
    model = load_embedding_model(folder, execution)
    limit = min(MAX_EMBED_TOKENS, tokenizer.model_max_length, model.config.max_position_embeddings)

    def compute_last_states(texts: list[str]) -> Floats:
        import torch

        options = {"padding": True, "truncation": True, "max_length": limit}
        batch = tokenizer(texts, return_tensors="pt", **options).to(execution.device)
        names = ("input_ids", "attention_mask")
        with torch.inference_mode():
            states = model(**{name: batch[name] for name in names}).last_hidden_state
        last: Floats = states[:, -1].float().cpu().numpy()
        return last

    def embed(texts: Sequence[str]) -> Floats:
        # Texts of like length together: little padding, and the longest batch comes first, so
        # that a GPU too small for it fails at once.
        order = sorted(range(len(texts)), key=lambda place: -len(texts[place]))
        vectors = np.empty((len(texts), model.config.hidden_size), dtype=np.float32)
        for block in split_into_blocks(order, EMBED_BATCH):
            vectors[block] = compute_last_states([texts[place] for place in block])
        return vectors

    return embed


def load_embedding_model(folder: Path, execution: Execution) -> "PreTrainedModel":
    """A model without its head, in the study's dtype and attention, on its device.

    Raises:
        InputError: no readable model in the folder.
    """
    import torch
    from transformers import AutoModel

    try:
        model: PreTrainedModel = AutoModel.from_pretrained(
            folder,
            dtype=getattr(torch, execution.dtype),
            attn_implementation=execution.attention,
            local_files_only=True,
        )
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{folder}: not a readable model ({reason}); fetch it anew") from error
    return model.to(execution.device).eval()
