"""The lab's word-level tokenizer, and the one way to load any model's tokenizer."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from retu.core.errors import InputError, advise_making_again
from retu.data.arithmetic import VOCABULARY
from retu.data.arithmetic_forms import OPTION_LETTERS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PROBE = "<bos> 9 b + 9 ? 9 b + 9 = 8 so \\boxed{ 8 }"
PADDING = ("<|finetune_right_pad_id|>", "<|endoftext|>")
"""Tokens that models without a padding token have in their vocabulary for it."""


def list_words(multiple_choice: bool) -> tuple[str, ...]:
    """The words of the lab's language, with the letters of options behind them if asked for."""
    return (*VOCABULARY, *(OPTION_LETTERS if multiple_choice else ""))


def make_tokenizer(
    max_length: int, vocabulary: Sequence[str] = VOCABULARY
) -> "PreTrainedTokenizerBase":
    """Build the tokenizer: one token per blank-separated word, left padding."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {word: index for index, word in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
        padding_side="left",
        model_max_length=max_length,
    )


def load_tokenizer(folder: Path) -> "PreTrainedTokenizerBase":
    """Load a model's tokenizer and prove by a round trip that it is the one that was saved.

    `AutoTokenizer` replaces a word-level tokenizer of a Qwen2 model by its own, with which every
    prompt becomes empty and training goes on with loss 0, so the class is taken from the file.

    Raises:
        InputError: no tokenizer in the folder, or it does not keep the words of a text.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    settings = folder / "tokenizer_config.json"
    if not settings.is_file():
        raise InputError(f"{folder}: has no tokenizer; {advise_making_again(folder)}")
    saved = json.loads(settings.read_text(encoding="utf-8")).get("tokenizer_class", "")
    generic = saved in {"PreTrainedTokenizerFast", "TokenizersBackend"}
    loader = PreTrainedTokenizerFast if generic else AutoTokenizer
    # Said aloud, because the default follows HF_HUB_OFFLINE and is saved with every checkpoint.
    tokenizer = loader.from_pretrained(folder, local_files_only=True)
    # No blanks before a question mark are tidied away, and no token is put before the text.
    ids = tokenizer(PROBE, add_special_tokens=False)["input_ids"]
    if tokenizer.decode(ids, clean_up_tokenization_spaces=False).strip() != PROBE:
        raise InputError(f"{folder}: the tokenizer does not reproduce its own words; make it anew")
    return add_padding_token(tokenizer)


def add_padding_token(tokenizer: "PreTrainedTokenizerBase") -> "PreTrainedTokenizerBase":
    """The tokenizer with a padding token, on the left, where generation needs it.

    Base models may have none. One of the vocabulary is taken, for a new one would change the
    embedding: a token made for it, else end-of-sequence. What is padding is told by masks alone.
    """
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        words = tokenizer.get_vocab()
        tokenizer.pad_token = next(
            (token for token in PADDING if token in words), tokenizer.eos_token
        )
    return tokenizer
