"""The lab's word-level tokenizer, and the one way to load any model's tokenizer."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from retu.core.errors import InputError, advise_making_again
from retu.core.model_files import TOKENIZER_CONFIG, TOKENIZER_FILE
from retu.data.arithmetic import VOCABULARY
from retu.data.arithmetic_forms import OPTION_LETTERS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PROBE = "<bos> 9 b + 9 ? 9 b + 9 = 8 so \\boxed{ 8 }"
SPLIT_PROBE = "def f(x):\n\n    return x's  1234.5 * \u00e9\u00df \u4e2d\u6587\t(DON'T)\r\n"
"""What classes split in different ways: digits, blanks, line breaks, contractions, scripts."""
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
    """Load a model's tokenizer as its files have it, and prove that by its tokens.

    transformers 5 rebuilds a tokenizer by the class that `tokenizer_config.json` or the kind of
    model names, and drops how `tokenizer.json` splits text (its issues 45488 and 45920). A
    byte-level file that is said to be of LlamaTokenizerFast (DeepSeek) loses all blanks, one of
    GPT2Tokenizer its splitting of digits (OLMo 2), and a word-level one of a Qwen2 model
    all words, so that training goes on with loss 0. What was trained is in `tokenizer.json`: where
    the class makes other tokens of a text, the file is taken as it is.

    Raises:
        InputError: no tokenizer in the folder, or it does not keep the words of a text.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    settings = folder / TOKENIZER_CONFIG
    if not settings.is_file():
        raise InputError(f"{folder}: has no tokenizer; {advise_making_again(folder)}")
    saved = json.loads(settings.read_text(encoding="utf-8")).get("tokenizer_class", "")
    generic = saved in {"PreTrainedTokenizerFast", "TokenizersBackend"}
    loader = PreTrainedTokenizerFast if generic else AutoTokenizer
    # Said aloud, because the default follows HF_HUB_OFFLINE and is saved with every checkpoint.
    tokenizer = loader.from_pretrained(folder, local_files_only=True)
    if not generic and not has_tokens_of_file(tokenizer, folder / TOKENIZER_FILE):
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)
    # No blanks before a question mark are tidied away, and no token is put before the text.
    ids = tokenizer(PROBE, add_special_tokens=False)["input_ids"]
    if tokenizer.decode(ids, clean_up_tokenization_spaces=False).strip() != PROBE:
        raise InputError(f"{folder}: the tokenizer does not reproduce its own words; make it anew")
    return add_padding_token(tokenizer)


def has_tokens_of_file(tokenizer: "PreTrainedTokenizerBase", path: Path) -> bool:
    """Whether a tokenizer encodes and decodes as its `tokenizer.json`; true where there is none."""
    from tokenizers import Tokenizer

    if not path.is_file():
        return True
    stored = Tokenizer.from_file(str(path))
    stored.no_truncation()
    stored.no_padding()
    for text in (PROBE, SPLIT_PROBE):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        told = tokenizer.decode(ids, clean_up_tokenization_spaces=False)
        if ids != stored.encode(text, add_special_tokens=False).ids:
            return False
        if told != stored.decode(ids, skip_special_tokens=False):
            return False
    return True


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
