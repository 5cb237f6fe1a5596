"""Tiny base models in the form in which the hub has the paper's: bfloat16, sharded, odd settings.

They are pre-trained for seconds, on problems of their own, so that RL sees rewards of both kinds.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retu.config.hub_study import HubModelShape
from retu.data.chat import encode_example
from retu.rehearsal.made_up_problems import WordProblem, draw_word_problem
from retu.rehearsal.made_up_sets import LONG_PROMPT
from retu.rehearsal.tiny_tokenizers import (
    TOKENIZER_FORMS,
    TokenizerForm,
    train_tokenizer,
    write_tokenizer,
)

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

POSITIONS = 512
MAX_SHARD = 2
"""Files that untied weights are spread over."""
IGNORED_LABEL = -100
"""The label of tokens that are not learnt, as transformers has it."""


@dataclass(frozen=True)
class PretrainingRecipe:
    """How long and on what a base model is trained."""

    steps: int = 420
    batch: int = 24
    learning_rate: float = 4e-3
    warmup: int = 20
    wrong: float = 0.15
    """Share of documents that end with another answer: the base model must not be perfect."""
    seed: int = 2512


@dataclass(frozen=True)
class ModelFamily:
    """A family of models: the settings of its config.json that the shape does not say."""

    name: str
    tied: bool
    generation: dict[str, Any]
    extra: dict[str, Any]

    @property
    def form(self) -> TokenizerForm:
        """Its tokenizer's form."""
        return TOKENIZER_FORMS[self.name]


MODEL_FAMILIES = {
    "qwen2": ModelFamily(
        name="qwen2",
        tied=False,
        generation={"do_sample": False, "max_new_tokens": 2048},
        extra={
            "architectures": ["Qwen2ForCausalLM"],
            "rms_norm_eps": 1e-6,
            "rope_theta": 1000000.0,
            "sliding_window": 131072,
            "use_sliding_window": False,
        },
    ),
    "llama": ModelFamily(
        name="llama",
        tied=True,
        # Defaults that an evaluation must not inherit: the paper samples with top-p 1.
        generation={"do_sample": True, "temperature": 0.6, "top_p": 0.9},
        extra={
            "architectures": ["LlamaForCausalLM"],
            "attention_bias": False,
            "rms_norm_eps": 1e-5,
            "rope_theta": 500000.0,
            "rope_scaling": {
                "factor": 32.0,
                "high_freq_factor": 4.0,
                "low_freq_factor": 1.0,
                "original_max_position_embeddings": 256,
                "rope_type": "llama3",
            },
        },
    ),
}


def make_model(
    family: ModelFamily, shape: HubModelShape, template: str, folder: Path
) -> list[float]:
    """Make a base model's repository; returns the loss of every pre-training step.

    Args:
        family: architecture and tokenizer form.
        shape: sizes, as the study has them.
        template: the chat template of its documents; Qwen2's is in the tokenizer's files, too.
        folder: where the files go.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    recipe = PretrainingRecipe()
    rng = random.Random(recipe.seed)
    texts = [
        f"{p.question}\n{p.write_trajectory(1)}"
        for p in (draw_document_problem(rng) for _ in range(500))
    ]
    tokenizer = train_tokenizer(family.form, [template, LONG_PROMPT, *texts])
    own = template if family.form.beginning is None else None
    write_tokenizer(family.form, tokenizer, own, POSITIONS, folder)
    write_json(folder / "config.json", make_model_config(family, shape, tokenizer))
    write_json(
        folder / "generation_config.json", {**get_end_ids(family, tokenizer), **family.generation}
    )
    torch.manual_seed(recipe.seed)
    torch.set_num_threads(1)
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder)).float()
    reader = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=family.form.end)
    losses = pretrain_model(model, generate_documents(reader, template, recipe), recipe)
    write_weights(model, family, folder)
    return losses


def draw_document_problem(rng: random.Random) -> WordProblem:
    """A problem for a document: three of four have one operation."""
    return draw_word_problem(rng, rng.choice((1, 1, 1, 2)))


def get_end_ids(family: ModelFamily, tokenizer: Any) -> dict[str, int]:
    """Ids of the tokens at which a text begins and ends, as config files have them."""
    form = family.form
    first = form.beginning or form.end
    return {
        "bos_token_id": tokenizer.token_to_id(first),
        "eos_token_id": tokenizer.token_to_id(form.end),
    }


def make_model_config(family: ModelFamily, shape: HubModelShape, tokenizer: Any) -> dict[str, Any]:
    """The content of config.json, in the keys that hub repositories of the time have."""
    return {
        "model_type": family.name,
        **family.extra,
        **get_end_ids(family, tokenizer),
        "hidden_act": "silu",
        "hidden_size": shape.hidden,
        "initializer_range": 0.1,
        "intermediate_size": shape.ffn,
        "max_position_embeddings": POSITIONS,
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "num_key_value_heads": shape.kv_heads,
        "tie_word_embeddings": family.tied,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        # More rows than the tokenizer has tokens, as in Qwen2.5.
        "vocab_size": shape.vocab,
    }


def generate_documents(
    tokenizer: "PreTrainedTokenizerBase", template: str, recipe: PretrainingRecipe
) -> Iterator[dict[str, list[int]]]:
    """Tokenised chats without end."""
    rng = random.Random(recipe.seed + 1)
    while True:
        asked = draw_document_problem(rng)
        # A wrong answer is the right one to other operators, so its form is learnt.
        other = replace(asked, operators=draw_word_problem(rng, len(asked.operators)).operators)
        answered = other if rng.random() < recipe.wrong else asked
        yield encode_example(
            tokenizer, asked.question, answered.write_trajectory(), POSITIONS, template
        )


def pretrain_model(
    model: "PreTrainedModel", examples: Iterator[dict[str, list[int]]], recipe: PretrainingRecipe
) -> list[float]:
    """Train on documents; the loss of every step."""
    import torch

    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, weight_decay=0.01)
    losses = []
    model.train()
    for step in range(recipe.steps):
        share = min(1.0, (step + 1) / recipe.warmup) * (1 - step / recipe.steps)
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * share
        inputs, labels = collate_examples([next(examples) for _ in range(recipe.batch)])
        loss = model(input_ids=inputs, labels=labels).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses


def collate_examples(examples: list[dict[str, list[int]]]) -> tuple["Tensor", "Tensor"]:
    """Ids and labels of a batch, padded at the right, where causal attention never looks."""
    import torch

    width = max(len(example["input_ids"]) for example in examples)
    ids = [e["input_ids"] + [0] * (width - len(e["input_ids"])) for e in examples]
    labels = [
        [
            token if learnt else IGNORED_LABEL
            for token, learnt in zip(e["input_ids"], e["completion_mask"], strict=True)
        ]
        + [IGNORED_LABEL] * (width - len(e["input_ids"]))
        for e in examples
    ]
    return torch.tensor(ids), torch.tensor(labels)


def write_weights(model: "PreTrainedModel", family: ModelFamily, folder: Path) -> None:
    """Write bfloat16 safetensors: one file for tied weights, else two files with their index."""
    import torch
    from safetensors.torch import save_file

    weights = {
        name: weight.detach().to(torch.bfloat16).contiguous()
        for name, weight in model.state_dict().items()
        if not (family.tied and name == "lm_head.weight")
    }
    metadata = {"format": "pt"}
    if family.tied:
        save_file(weights, folder / "model.safetensors", metadata)
        return
    names = sorted(weights)
    index: dict[str, str] = {}
    for part in range(MAX_SHARD):
        file = f"model-{part + 1:05d}-of-{MAX_SHARD:05d}.safetensors"
        mine = names[part::MAX_SHARD]
        save_file({name: weights[name] for name in mine}, folder / file, metadata)
        index |= dict.fromkeys(mine, file)
    size = sum(weight.numel() * weight.element_size() for weight in weights.values())
    content = {"metadata": {"total_size": size}, "weight_map": dict(sorted(index.items()))}
    write_json(folder / "model.safetensors.index.json", content)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON as the hub's tools do."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
