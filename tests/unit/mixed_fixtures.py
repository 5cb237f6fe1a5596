"""A tiny model, a data set with experts, a preset of every paradigm, and trainers of them."""

import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import PreTrainedTokenizerBase
from trl import GRPOConfig

from retu.config.lab_study import LabModel, PretrainingSettings
from retu.config.paradigm import ParadigmSettings, make_trl_arguments
from retu.data.arithmetic import VOCABULARY
from retu.data.tokenizer import make_tokenizer
from retu.models.loading import build_model
from retu.training.paradigms.trainer import MixedGRPOTrainer

SHAPE = LabModel(
    architecture="qwen2",
    hidden_size=16,
    layers=1,
    heads=2,
    kv_heads=1,
    intermediate_size=32,
    max_positions=64,
    pretraining=PretrainingSettings(steps=1, batch_size=1, learning_rate=1.0),
)
LIMIT = 8
ROLLOUTS = 4
EXPERT = "{n} b + {n} = so thus"
PROMPTS = [f"<bos> {n} b + {n} ?" for n in range(10)]
CLIP = {"low": 0.2, "high": 0.2}
MIXED = {"reduction": "const", "clip": None, "entropy_coef": 0.001}
PRESETS: dict[str, dict[str, Any]] = {
    "grpo": {"objective": {"method": "grpo", "reduction": "seq_mean", "clip": CLIP}},
    "dapo_dc": {
        "objective": {
            "method": "dapo",
            "reduction": "token_mean",
            "clip": {"low": 0.2, "high": 0.28, "dual": 10.0},
        },
        "advantage": {"divide_by_std": True},
        "planner": {"dynamic_sampling": {}},
    },
    "dapo_d": {
        "objective": {
            "method": "dapo",
            "reduction": "token_mean",
            "clip": CLIP,
            "entropy_coef": 0.001,
        },
        "planner": {"dynamic_sampling": {"gen_batch_factor": 1}},
    },
    "luffy": {"objective": {"method": "luffy", **MIXED}, "planner": {"n_expert": 1}},
    "srft": {"objective": {"method": "srft", **MIXED}, "planner": {"n_expert": 1}},
    "upt": {
        "objective": {"method": "upt", **MIXED},
        "planner": {"gate": {"switch_gate": 1, "switch_gate_off": 2}},
        "skip_step_grad_norm": 80.0,
    },
    "prefix_rft": {
        "objective": {
            "method": "prefix_rft",
            "reduction": "const",
            "clip": {"low": 0.2, "high": 0.2, "dual": 3.0},
        },
        "planner": {"n_prefix": 1, "prefix": {}},
    },
}
"""Every paradigm of the comparison, as a study would write it."""


def make_preset(name: str, **changes: Any) -> ParadigmSettings:
    """A preset with some of its parts replaced."""
    return ParadigmSettings.model_validate({**PRESETS[name], **changes})


@functools.cache
def make_lab_tokenizer() -> PreTrainedTokenizerBase:
    """The lab's tokenizer."""
    return make_tokenizer(SHAPE.max_positions)


def make_expert_dataset(experts: Sequence[str | None] | None = None) -> Dataset:
    """Ten prompts with an expert's answer each."""
    texts = [EXPERT.format(n=n) for n in range(len(PROMPTS))] if experts is None else experts
    return Dataset.from_dict({"prompt": PROMPTS, "expert": list(texts)})


def reward_by_hash(completions: list[str], **_: Any) -> list[float]:
    """1 for about half of all texts, and always the same for the same text."""
    digits = [sum(map(VOCABULARY.index, text.split())) for text in completions]
    return [float(total % 2 == 0) for total in digits]


def reward_form(completions: list[str], **_: Any) -> list[float]:
    """1 for experts, about never for an untrained model."""
    return [float(re.match(r"\d b \+ \d =", text) is not None) for text in completions]


def make_tiny_grpo_config(folder: Path, paradigm: ParadigmSettings, **changes: Any) -> GRPOConfig:
    """TRL's arguments: 2 prompts x 4 rollouts an update, on one CPU thread."""
    fixed = {
        "output_dir": str(folder),
        "max_steps": 2,
        "per_device_train_batch_size": 8,
        "num_generations": ROLLOUTS,
        "max_completion_length": LIMIT,
        "learning_rate": 1e-2,
        "lr_scheduler_type": "constant",
        "seed": 7,
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "dataloader_pin_memory": False,
        "save_strategy": "no",
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "disable_tqdm": True,
    }
    return GRPOConfig(**{**fixed, **make_trl_arguments(paradigm), **changes})


def make_trainer_parts(**changes: Any) -> dict[str, Any]:
    """What a trainer takes besides its arguments; the model is always the same."""
    fixed = {
        "model": build_model(SHAPE, seed=3),
        "reward_funcs": reward_by_hash,
        "train_dataset": make_expert_dataset(),
        "processing_class": make_lab_tokenizer(),
    }
    return {**fixed, **changes}


def make_mixed_trainer(
    folder: Path,
    paradigm: ParadigmSettings,
    changes: dict[str, Any] | None = None,
    **arguments: Any,
) -> MixedGRPOTrainer:
    """A trainer of a paradigm; `changes` replace its parts, `arguments` those of TRL."""
    args = make_tiny_grpo_config(folder, paradigm, **arguments)
    return MixedGRPOTrainer(paradigm=paradigm, args=args, **make_trainer_parts(**(changes or {})))


def list_steps(run: Any) -> list[dict[str, Any]]:
    """The history of a trained run, one entry a step, without wall-clock times."""
    return [
        {key: value for key, value in entry.items() if "time" not in key}
        for entry in run.state.log_history
        if "loss" in entry
    ]
