"""Byte-level BPE tokenizers in the two forms of the paper's base models.

Qwen2's has a chat template with a default system turn and puts no token before a text. Llama 3's
has no template and no padding token, and puts a beginning-of-text token before every text, which a
rendered chat has already.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WORD_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How a text is cut before pairs are merged: words, single digits, punctuation, blanks."""
MERGED = 460
"""Size of the vocabulary without special tokens: 256 bytes, the rest merged pairs."""


@dataclass(frozen=True)
class TokenizerForm:
    """What a family's tokenizer looks like: its special tokens and settings."""

    special: tuple[str, ...]
    end: str
    beginning: str | None = None
    padding: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)


TOKENIZER_FORMS = {
    "qwen2": TokenizerForm(
        special=("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
        end="<|endoftext|>",
        padding="<|endoftext|>",
        settings={"tokenizer_class": "Qwen2Tokenizer", "clean_up_tokenization_spaces": False},
    ),
    "llama": TokenizerForm(
        special=(
            "<|begin_of_text|>",
            "<|end_of_text|>",
            "<|finetune_right_pad_id|>",
            "<|start_header_id|>",
            "<|end_header_id|>",
            "<|eot_id|>",
        ),
        end="<|end_of_text|>",
        beginning="<|begin_of_text|>",
        # Said by the real one, and wrong for text without English spacing.
        settings={
            "tokenizer_class": "PreTrainedTokenizerFast",
            "clean_up_tokenization_spaces": True,
        },
    ),
}


def train_tokenizer(form: TokenizerForm, texts: Iterable[str]) -> "Tokenizer":
    """Learn the merges of `texts`; special tokens get the last ids, as in both families."""
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(WORD_PATTERN), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=MERGED,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens(list(form.special))
    tokenizer.post_processor = make_post_processor(form, tokenizer)
    return tokenizer


def make_post_processor(form: TokenizerForm, tokenizer: "Tokenizer") -> Any:
    """What happens to the tokens of a text at the end: Llama's gets its beginning."""
    from tokenizers import processors

    plain = processors.ByteLevel(trim_offsets=False)
    if form.beginning is None:
        return plain
    first = (form.beginning, tokenizer.token_to_id(form.beginning))
    begun = processors.TemplateProcessing(
        single=f"{form.beginning} $A",
        pair=f"{form.beginning} $A {form.beginning}:1 $B:1",
        special_tokens=[first],
    )
    return processors.Sequence([plain, begun])


def write_tokenizer(
    form: TokenizerForm, tokenizer: "Tokenizer", template: str | None, max_length: int, folder: Path
) -> None:
    """Write tokenizer.json and tokenizer_config.json as the hub has them."""
    tokenizer.save(str(folder / "tokenizer.json"))
    flags = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False}
    added = {
        str(tokenizer.token_to_id(token)): {"content": token, **flags, "special": True}
        for token in form.special
    }
    settings = {
        "added_tokens_decoder": added,
        "bos_token": form.beginning,
        "eos_token": form.end,
        "pad_token": form.padding,
        "model_max_length": max_length,
        "chat_template": template,
        **form.settings,
    }
    written = {key: value for key, value in settings.items() if value is not None}
    text = json.dumps(written, indent=2, ensure_ascii=False)
    (folder / "tokenizer_config.json").write_text(text + "\n", encoding="utf-8")
