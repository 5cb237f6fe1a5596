"""One chat template for all stages: SFT, RL and evaluation show a model the same tokens."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from retu.core.errors import InputError
from retu.data.chat import (
    check_same_prompt,
    encode_example,
    encode_examples,
    encode_prompt,
    encode_prompts,
    encode_response,
    encode_rl_prompt,
    get_prompt_ids,
    list_stop_ids,
    make_rl_prompt,
    make_user_turn,
    render_prompt,
    tokenize_chat_prompt,
)
from retu.data.tokenizer import load_tokenizer, make_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TEMPLATE = (
    "{% for m in messages %}<|start|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)


def make_chat_tokenizer(bos: bool = False) -> "PreTrainedTokenizerBase":
    """A byte-level tokenizer in which two newlines are one token, with a chat template."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["<|start|>", "<|end|>", "<|bos|>"]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    newline = "\u010a"
    vocabulary = {token: i for i, token in enumerate([*special, *letters, newline * 2])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [(newline, newline)]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    if bos:
        mark = ("<|bos|>", vocabulary["<|bos|>"])
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<|bos|> $A", special_tokens=[mark]
        )
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|bos|>", eos_token="<|end|>", pad_token="<|end|>"
    )
    made.add_special_tokens({"additional_special_tokens": ["<|start|>"]})
    made.chat_template = ("<|bos|>" if bos else "") + TEMPLATE
    return made


TOKENIZER = make_chat_tokenizer()
WITH_BOS = make_chat_tokenizer(bos=True)
QUESTION = "What is 2 + 3?\nAnswer."


def test_the_prompt_is_the_template_of_a_single_user_turn() -> None:
    text = f"<|start|>user\n{QUESTION}<|end|>\n<|start|>assistant\n"
    assert render_prompt(TOKENIZER, QUESTION) == text
    assert TOKENIZER.decode(tokenize_chat_prompt(TOKENIZER, QUESTION)) == text
    assert tokenize_chat_prompt(WITH_BOS, QUESTION).count(WITH_BOS.bos_token_id) == 1
    assert render_prompt(TOKENIZER, "q", "{{ messages[0]['content'] }}:") == "q:"


PLAIN = make_tokenizer(64)


@pytest.mark.parametrize("tokenizer", [TOKENIZER, WITH_BOS, PLAIN])
def test_many_problems_have_the_tokens_of_each_alone(tokenizer: "PreTrainedTokenizerBase") -> None:
    questions, responses = ["2 + 3", "4", "2 * 3 + 4 - 1"], ["5", "4", "2 * 3 = 6"]
    alone = [encode_example(tokenizer, *pair) for pair in zip(questions, responses, strict=True)]
    assert encode_examples(tokenizer, questions, responses) == alone
    assert encode_prompts(tokenizer, questions) == [encode_prompt(tokenizer, q) for q in questions]
    assert encode_prompts(tokenizer, []) == []
    assert encode_examples(tokenizer, [], []) == []


@pytest.mark.parametrize("tokenizer", [TOKENIZER, WITH_BOS])
def test_sft_rl_and_evaluation_show_the_same_tokens(tokenizer: "PreTrainedTokenizerBase") -> None:
    response = "\n<think>five</think>\\boxed{5}"

    def encode_sft(question: str) -> list[int]:
        return get_prompt_ids(encode_example(tokenizer, question, response))

    def render_by_library(question: str) -> list[int]:
        turns = [{"role": "user", "content": question}]
        options = {"add_generation_prompt": True, "tokenize": True, "return_dict": False}
        return list(tokenizer.apply_chat_template(turns, **options))

    stages = {"SFT": encode_sft, "RL": render_by_library}
    check_same_prompt(tokenizer, [QUESTION, "$x^2$", "中文"], stages)


def test_a_stage_that_adds_special_tokens_again_is_found() -> None:
    def encode_naively(question: str) -> list[int]:
        return list(WITH_BOS(render_prompt(WITH_BOS, question))["input_ids"])

    with pytest.raises(InputError, match=r"evaluation: shows .* token 1 begins '<\|bos\|><\|start"):
        check_same_prompt(WITH_BOS, [QUESTION], {"evaluation": encode_naively})


def test_a_stage_that_tokenises_prompt_and_response_together_is_found() -> None:
    def encode_jointly(question: str) -> list[int]:
        prompt = tokenize_chat_prompt(TOKENIZER, question)
        text = render_prompt(TOKENIZER, question) + "\nfive"
        return list(TOKENIZER(text, add_special_tokens=False)["input_ids"])[: len(prompt)]

    with pytest.raises(InputError, match=r"SFT: shows the model another prompt"):
        check_same_prompt(TOKENIZER, [QUESTION], {"SFT": encode_jointly})


def test_a_stage_that_cuts_the_prompt_is_found() -> None:
    with pytest.raises(InputError, match=r"RL: .* begins '' instead of"):
        check_same_prompt(
            TOKENIZER, ["q"], {"RL": lambda q: tokenize_chat_prompt(TOKENIZER, q)[:-2]}
        )


def test_a_training_example_learns_the_response_and_its_end() -> None:
    example = encode_example(TOKENIZER, QUESTION, "five")
    learnt = [
        token
        for token, mask in zip(example["input_ids"], example["completion_mask"], strict=True)
        if mask
    ]
    assert TOKENIZER.decode(learnt) == "five<|end|>"
    assert get_prompt_ids(example) == tokenize_chat_prompt(TOKENIZER, QUESTION)
    assert encode_response(TOKENIZER, "five<|end|>") == encode_response(TOKENIZER, "five")
    cut = encode_example(TOKENIZER, QUESTION, "five", max_length=len(get_prompt_ids(example)) + 2)
    assert TOKENIZER.decode(cut["input_ids"]).endswith("assistant\nfi")
    assert len(cut["input_ids"]) == len(cut["completion_mask"])


def test_tokenizers_that_cannot_be_used() -> None:
    bare = make_chat_tokenizer()
    bare.chat_template = None
    with pytest.raises(InputError, match=r"has no chat template; name one in the study"):
        tokenize_chat_prompt(bare, QUESTION)
    with pytest.raises(InputError, match=r"does not show the problem 'What is 2"):
        tokenize_chat_prompt(bare, QUESTION, "{{ messages[0]['content'] | upper }}")
    bare.eos_token = None
    with pytest.raises(InputError, match="has no end-of-sequence token; set one"):
        encode_response(bare, "five")


def make_plain_tokenizer(bos: bool = False) -> "PreTrainedTokenizerBase":
    """A tokenizer without a chat template."""
    made = make_chat_tokenizer(bos)
    made.chat_template = None
    return made


@pytest.mark.parametrize("bos", [False, True])
def test_without_a_template_all_stages_read_plain_text(bos: bool) -> None:
    tokenizer = make_plain_tokenizer(bos)
    expected = [tokenizer.bos_token_id] * bos + tokenizer(QUESTION, add_special_tokens=False)[
        "input_ids"
    ]
    assert encode_prompt(tokenizer, QUESTION) == expected
    assert encode_rl_prompt(tokenizer, QUESTION) == expected
    assert get_prompt_ids(encode_example(tokenizer, QUESTION, "five")) == expected
    assert make_rl_prompt(tokenizer, QUESTION) == QUESTION
    check_same_prompt(tokenizer, [QUESTION], {"RL": lambda q: encode_rl_prompt(tokenizer, q)})
    with pytest.raises(InputError, match="makes no tokens of a prompt"):
        encode_prompt(make_plain_tokenizer(), "")


@pytest.mark.parametrize("tokenizer", [TOKENIZER, WITH_BOS])
def test_with_a_template_all_stages_read_a_turn(tokenizer: "PreTrainedTokenizerBase") -> None:
    assert encode_prompt(tokenizer, QUESTION) == tokenize_chat_prompt(tokenizer, QUESTION)
    assert encode_rl_prompt(tokenizer, QUESTION) == tokenize_chat_prompt(tokenizer, QUESTION)
    assert make_rl_prompt(tokenizer, QUESTION) == make_user_turn(QUESTION)


def test_an_answer_is_over_at_the_end_of_a_turn_and_of_a_text() -> None:
    end = TOKENIZER.convert_tokens_to_ids("<|end|>")
    assert list_stop_ids(TOKENIZER) == [end]
    other = make_chat_tokenizer()
    other.eos_token = "<|bos|>"
    assert list_stop_ids(other) == [other.bos_token_id, end]
    # A template that ends turns by a word, or hides answers, adds nothing.
    other.chat_template = "{% for m in messages %}{{ m['content'] }} over {% endfor %}"
    assert list_stop_ids(other) == [other.bos_token_id]
    other.chat_template = "{{ messages[0]['content'] }}<|end|>"
    assert list_stop_ids(other) == [other.bos_token_id]
    assert list_stop_ids(make_tokenizer(8)) == [make_tokenizer(8).eos_token_id]


def test_a_tokenizer_without_padding_takes_a_token_it_has(tmp_path: Path) -> None:
    made = make_chat_tokenizer(bos=True)
    made.pad_token = None
    made.padding_side = "right"
    made.save_pretrained(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert (loaded.pad_token, loaded.padding_side) == (loaded.eos_token, "left")
    assert len(loaded) == len(made)
    made.add_special_tokens({"additional_special_tokens": ["<|finetune_right_pad_id|>"]})
    made.save_pretrained(tmp_path)
    assert load_tokenizer(tmp_path).pad_token == "<|finetune_right_pad_id|>"


@pytest.mark.slow
def test_trl_takes_the_examples_as_they_are(tmp_path: Path) -> None:
    from datasets import Dataset
    from transformers import LlamaConfig, LlamaForCausalLM
    from trl import SFTConfig, SFTTrainer

    shape: dict[str, int] = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 1, "num_key_value_heads": 1}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=len(TOKENIZER), **shape, **heads))
    examples = [encode_example(TOKENIZER, QUESTION, text) for text in ("\nfive", "six")]
    arguments = SFTConfig(
        output_dir=str(tmp_path),
        use_cpu=True,
        bf16=False,
        report_to=[],
        completion_only_loss=True,
        per_device_train_batch_size=2,
        max_length=None,
    )
    data = Dataset.from_list(examples)
    trainer = SFTTrainer(model, arguments, train_dataset=data, processing_class=TOKENIZER)
    (batch,) = list(trainer.get_train_dataloader())
    learnt = sorted(TOKENIZER.decode(row[row >= 0]) for row in batch["labels"])
    assert learnt == ["\nfive<|end|>", "six<|end|>"]
