"""A study of a user's own files on disk, whose SFT run and its scores were made elsewhere."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

SPECIAL = ["<|im_start|>", "<|im_end|>", "<|end|>"]
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
STEPS = (2, 4)
DATE = "2026-11-29T10-43-29.137654"


def write_tokenizer(folder: Path, template: str = TEMPLATE, words: Sequence[str] = ()) -> None:
    """A byte-level tokenizer with a chat template; `words` are special tokens of its own."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: n for n, token in enumerate([*letters, *SPECIAL, *words])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    saved = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|end|>",
        pad_token="<|end|>",
        additional_special_tokens=[*SPECIAL[:2], *words],
    )
    saved.chat_template = template
    saved.save_pretrained(folder)


def write_model(folder: Path, seed: int = 0, **shape: int) -> None:
    """A tiny Llama with its tokenizer, as trainers save it."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "vocab_size": 264, **shape}
    config = LlamaConfig(
        **sizes,
        intermediate_size=24,
        num_attention_heads=2,
        num_key_value_heads=1,
        tie_word_embeddings=True,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    write_tokenizer(folder)


def make_state(steps: Sequence[int] = STEPS, **facts: Any) -> dict[str, Any]:
    """A `trainer_state.json` with a loss before each evaluation, which meet every step."""
    history: list[dict[str, float]] = []
    for step in steps:
        done = step / max(steps)
        history.append({"step": step, "epoch": done, "loss": 2.0 - 0.4 * done, "grad_norm": 1.0})
        history.append({"step": step, "epoch": done, "eval_loss": 1.5 - 0.4 * done})
    return {"global_step": steps[-1], "total_flos": 0.0, "log_history": history, **facts}


def write_run(folder: Path, steps: Sequence[int] = STEPS) -> None:
    """A trainer's output folder: `checkpoint-N`, each with the state up to it."""
    for step in steps:
        checkpoint = folder / f"checkpoint-{step}"
        write_model(checkpoint, seed=step)
        (checkpoint / "optimizer.pt").write_bytes(b"not read")
        state = make_state(steps)
        state["log_history"] = [e for e in state["log_history"] if e["step"] <= step]
        state["global_step"] = step
        (checkpoint / "trainer_state.json").write_text(json.dumps(state), encoding="utf-8")


def write_samples(folder: Path, task: str, right: Sequence[int]) -> Path:
    """lm-eval's samples of a task at a checkpoint, by two filters: the second is right."""
    lines = [
        {
            "doc_id": number,
            "target": "7",
            "filtered_resps": ["7" if value else "8"],
            "filter": name,
            "metrics": ["exact_match"],
            "exact_match": float(value if name == "flexible-extract" else 0),
        }
        for name in ("strict-match", "flexible-extract")
        for number, value in enumerate(right)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"samples_{task}_{DATE}.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def write_rows(path: Path, first: int, count: int) -> None:
    """Sums with a worked answer each, as JSON lines."""
    rows = [
        {"prompt": f"{n} + 1?", "response": f"{n} + 1 = \\boxed{{{n + 1}}}", "answer": str(n + 1)}
        for n in range(first, first + count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def make_study(name: str = "mine") -> dict[str, Any]:
    """The study; paths count from its folder."""
    return {
        "name": name,
        "title": "An imported run",
        "description": "An SFT run that was trained elsewhere.",
        "seeds": [0],
        "data": {
            "kind": "files",
            "validation": {"file": "validation.jsonl"},
            "prompts": {"rl_prompts": {"file": "prompts.jsonl"}},
        },
        "benchmarks": {"Sums": {"file": "sums.jsonl"}},
        "models": {"Base": {"folder": "models/base"}},
        "datasets": {"Own": {"file": "train.jsonl"}},
        "recipes": {
            "sft": {},
            "rl": {
                "grpo": {
                    "preset": "grpo",
                    "steps": 1,
                    "evaluate_every": 1,
                    "prompts_per_step": 2,
                    "rollouts": 2,
                    "learning_rate": 1.0e-3,
                    "max_completion_length": 4,
                }
            },
        },
        "sft_runs": [{"model": "Base", "dataset": "Own", "imported": {"folder": "runs/sft"}}],
        "rl_runs": [],
        "evaluation": {"max_new_tokens": 4, "batch_size": 8},
        "fit": {"n_bootstrap": 20},
    }


def write_study_files(folder: Path) -> Path:
    """Everything that `make_study` names, below a folder."""
    write_model(folder / "models" / "base", seed=1)
    write_run(folder / "runs" / "sft")
    for name, first in (("train", 0), ("validation", 100), ("prompts", 200), ("sums", 300)):
        write_rows(folder / f"{name}.jsonl", first, 4)
    return folder


def write_study(folder: Path, content: dict[str, Any]) -> Path:
    """The file of a study, to be named with `--config study=`."""
    path = folder / f"{content['name']}.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def copy_study_files(made: Path, folder: Path) -> Path:
    """A copy of what `write_study_files` made, to be spoilt."""
    return Path(shutil.copytree(made, folder))
