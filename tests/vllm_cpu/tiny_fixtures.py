"""A model that vLLM takes on a CPU, its problems, and what transformers makes of its answers."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from retu.config.execution import Execution, GenerationExecution, VllmSettings
from retu.config.lab_study import LabModel, PretrainingSettings
from retu.config.study import Sampling
from retu.core.manifest import write_manifest
from retu.data.chat import encode_prompt
from retu.data.stored_sets import write_dataset
from retu.data.tokenizer import load_tokenizer, make_tokenizer
from retu.models.loading import build_model, load_model

ROOT = Path(__file__).resolve().parents[2]
# One GB for keys and values is plenty; threads bound to cores would all share the first core.
ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
}
LIMIT = 24
MAX_POSITIONS = 256
VLLM = VllmSettings(memory=0.1, max_length=MAX_POSITIONS)
EXECUTION = Execution(generation=GenerationExecution(vllm=VLLM))
SAMPLED = Sampling(temperature=0.7, max_new_tokens=LIMIT)
# Not by validation: a study samples, only this comparison is greedy.
GREEDY = SAMPLED.model_copy(update={"temperature": 0.0})
# Of a base model: a turn ends by a token that its generation config does not name.
TEMPLATE = (
    "{% for turn in messages %}{{ turn.content }}"
    "{% if turn.role == 'assistant' %}<bos>{% endif %}{% endfor %}"
)
QUESTIONS = [f"<bos> {n} b + {n} ?" if n % 2 else f"<bos> {n} b + 1 c - 2 ?" for n in range(8)]
GOLDS = [str(2 * n % 10) if n % 2 else str((n - 1) % 10) for n in range(8)]


def save_model(folder: Path, architecture: Literal["qwen2", "llama"]) -> Path:
    """Save a random model and the lab's tokenizer. vLLM's smallest head on a CPU is 32 wide."""
    shape = LabModel(
        architecture=architecture,
        hidden_size=128,
        layers=2,
        heads=4,
        kv_heads=2,
        intermediate_size=128,
        max_positions=MAX_POSITIONS,
        pretraining=PretrainingSettings(steps=1, batch_size=1, learning_rate=1.0),
    )
    build_model(shape, seed=0).save_pretrained(folder)
    make_tokenizer(MAX_POSITIONS).save_pretrained(folder)
    return folder


def publish_model(
    folder: Path, architecture: Literal["qwen2", "llama"], template: str | None = None
) -> Path:
    """Save a model as the checkpoint of step 0 that a rule published; its `checkpoints` folder."""
    checkpoints = folder / "checkpoints"
    saved = save_model(checkpoints / "step-000000", architecture)
    tokenizer = load_tokenizer(saved)
    tokenizer.chat_template = template
    tokenizer.save_pretrained(saved)
    write_manifest(folder / "manifest.json", checkpoints, steps=[0])
    return checkpoints


def store_problems(path: Path, **columns: Any) -> Path:
    """Store the questions with ids and gold answers."""
    names = [f"p{n}" for n in range(len(QUESTIONS))]
    frame = pd.DataFrame({"problem_id": names, "prompt": QUESTIONS, "gold": GOLDS, **columns})
    write_dataset(frame, path)
    return path


def compute_log_probs(
    model: Any, prompt: Sequence[int], answer: Sequence[int], heat: float
) -> list[float]:
    """Log-probabilities of an answer's tokens at a temperature, by one pass of transformers."""
    import torch

    with torch.no_grad():
        logits = model(torch.tensor([[*prompt, *answer]])).logits[0, len(prompt) - 1 : -1]
    table = (logits / heat).log_softmax(-1)
    chosen: list[float] = table.gather(-1, torch.tensor(answer)[:, None])[:, 0].tolist()
    return chosen


def measure_log_prob_gaps(stored: pd.DataFrame, folder: Path, heat: float) -> list[float]:
    """How far stored mean log-probabilities are from those of the checkpoint in `folder`.

    Answers with tokens that have no text (`<pad>`) are left out.
    """
    model, tokenizer = load_model(folder, Execution()), load_tokenizer(folder)
    found = []
    for row in stored.to_dict("records"):
        ends = [tokenizer.eos_token_id] * row["finished"]
        tokens = [*tokenizer(row["generation"])["input_ids"], *ends]
        if len(tokens) == row["n_tokens"]:
            expected = compute_log_probs(
                model, encode_prompt(tokenizer, row["prompt"]), tokens, heat
            )
            found.append(abs(row["mean_log_prob"] - sum(expected) / len(expected)))
    return found


def make_script_command(module: str, **options: object) -> list[str]:
    """The command line of a script of the package, or of a file with the same options."""
    start = [module] if module.endswith(".py") else ["-m", module]
    given = [(f"--{name.replace('_', '-')}", str(value)) for name, value in options.items()]
    return [sys.executable, *start, *(word for pair in given for word in pair)]


def make_script_environment(state: Path) -> dict[str, str]:
    """The environment of a script's process, whose state is kept in a folder of its own."""
    return {**os.environ, **ENVIRONMENT, "PYTHONPATH": str(ROOT), "RETU_STATE": str(state)}
