"""Tokenizers whose settings name a class that does not split text as their file does."""

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import LlamaConfig, PreTrainedTokenizerFast, Qwen2Config

from retu.core.errors import InputError
from retu.data.tokenizer import (
    PROBE,
    SPLIT_PROBE,
    has_tokens_of_file,
    load_tokenizer,
    make_tokenizer,
)

TEXTS = (
    PROBE,
    "hello world",
    "2023 + 650841823\n\n\tdone",
    "a  b \u00e9 \u4e2d\u6587 don't",
    SPLIT_PROBE,
)
LEARNT = [
    *TEXTS,
    "the answer to 12 + 30 is \\boxed{ 42 } so it is 42",
    "hello hello world world",
] * 9
CONFIGS = {"llama": LlamaConfig, "qwen2": Qwen2Config}
SPECIAL = ["<|bos|>", "<|eos|>", "<unk>"]


def learn(tokenizer: Tokenizer, size: int, special: list[str]) -> Tokenizer:
    """Teach a tokenizer its merges."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=letters, special_tokens=special, show_progress=False
    )
    tokenizer.train_from_iterator(LEARNT, trainer)
    return tokenizer


def make_byte_level() -> Tokenizer:
    """As those of DeepSeek: bytes, and every digit by itself."""
    made = Tokenizer(models.BPE())
    digits = pre_tokenizers.Split(Regex(r"\p{N}"), "isolated")
    rest = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    made.pre_tokenizer = pre_tokenizers.Sequence([digits, rest])
    made.decoder = decoders.ByteLevel()
    return learn(made, 500, SPECIAL)


def make_metaspace() -> Tokenizer:
    """As that of Llama 2: blanks are letters, and bytes stand for what has no token."""
    made = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    made.normalizer = normalizers.Sequence(
        [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    )
    made.decoder = decoders.Sequence(
        [
            decoders.Replace("\u2581", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return learn(made, 700, [*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256))])


def write_folder(folder: Path, made: Tokenizer, name: str | None, model: str) -> Path:
    """A model's folder without weights, whose settings say that the tokenizer is of a class."""
    PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<|bos|>", eos_token="<|eos|>", unk_token="<unk>"
    ).save_pretrained(folder)
    settings = folder / "tokenizer_config.json"
    content: dict[str, Any] = json.loads(settings.read_text(encoding="utf-8"))
    content = {k: v for k, v in content.items() if k not in ("tokenizer_class", "backend")}
    told = {} if name is None else {"tokenizer_class": name}
    settings.write_text(json.dumps(content | told | {"add_bos_token": True, "legacy": True}))
    CONFIGS[model]().save_pretrained(folder)
    return folder


def check_tokens(folder: Path, made: Tokenizer) -> None:
    """A loaded tokenizer makes the tokens that its file makes, and their texts."""
    loaded = load_tokenizer(folder)
    for text in TEXTS:
        ids = made.encode(text, add_special_tokens=False).ids
        assert loaded(text, add_special_tokens=False)["input_ids"] == ids, text
        assert loaded.decode(ids, clean_up_tokenization_spaces=False) == made.decode(ids)
    assert (loaded.bos_token, loaded.eos_token) == ("<|bos|>", "<|eos|>")
    assert (loaded.padding_side, loaded.pad_token) == ("left", "<|eos|>")
    assert set(loaded("a")) == {"input_ids", "attention_mask"}, "what models take"


@pytest.mark.parametrize("model", list(CONFIGS))
@pytest.mark.parametrize(
    "name",
    [
        *("LlamaTokenizerFast", "LlamaTokenizer", "Qwen2Tokenizer", "GPT2Tokenizer"),
        *("PreTrainedTokenizerFast", None),
    ],
)
def test_a_byte_level_file_is_read_as_it_is(name: str | None, model: str, tmp_path: Path) -> None:
    made = make_byte_level()
    check_tokens(write_folder(tmp_path, made, name, model), made)


@pytest.mark.parametrize("model", list(CONFIGS))
@pytest.mark.parametrize("name", ["LlamaTokenizerFast", "Qwen2Tokenizer", None])
def test_a_file_of_letters_is_read_as_it_is(name: str | None, model: str, tmp_path: Path) -> None:
    made = make_metaspace()
    check_tokens(write_folder(tmp_path, made, name, model), made)


def test_a_class_that_fits_stays(tmp_path: Path) -> None:
    write_folder(tmp_path, make_metaspace(), "LlamaTokenizerFast", "llama")
    assert type(load_tokenizer(tmp_path)).__name__ == "LlamaTokenizer"


def test_what_is_saved_again_is_the_same_tokenizer(tmp_path: Path) -> None:
    made = make_byte_level()
    loaded = load_tokenizer(write_folder(tmp_path, made, "LlamaTokenizerFast", "llama"))
    loaded.save_pretrained(tmp_path / "again")
    CONFIGS["llama"]().save_pretrained(tmp_path / "again")
    check_tokens(tmp_path / "again", made)


def test_other_tokens_and_other_texts_are_seen(tmp_path: Path) -> None:
    made = make_byte_level()
    file = write_folder(tmp_path, made, None, "llama") / "tokenizer.json"
    same = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(made.to_str()))
    assert has_tokens_of_file(same, file)
    assert has_tokens_of_file(same, tmp_path / "none.json"), "tokenizer.model alone"
    same.backend_tokenizer.decoder = decoders.Fuse()
    assert not has_tokens_of_file(same, file)
    other = make_byte_level()
    other.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    assert not has_tokens_of_file(PreTrainedTokenizerFast(tokenizer_object=other), file)


def test_lengths_and_padding_that_a_file_has_do_not_matter(tmp_path: Path) -> None:
    made = make_byte_level()
    file = write_folder(tmp_path, made, None, "llama") / "tokenizer.json"
    kept = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(made.to_str()))
    made.enable_truncation(3)
    made.enable_padding(length=200)
    made.save(str(file))
    assert has_tokens_of_file(kept, file)


def test_a_file_that_loses_words_is_still_refused(tmp_path: Path) -> None:
    made = make_tokenizer(64, ("<pad>", "<bos>", "<eos>", "<unk>", "9"))
    made.save_pretrained(tmp_path)
    settings = tmp_path / "tokenizer_config.json"
    content = json.loads(settings.read_text(encoding="utf-8"))
    settings.write_text(json.dumps(content | {"tokenizer_class": "LlamaTokenizerFast"}))
    LlamaConfig().save_pretrained(tmp_path)
    with pytest.raises(InputError, match="does not reproduce its own words"):
        load_tokenizer(tmp_path)
