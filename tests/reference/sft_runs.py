"""SFT of a tiny model in every layout that a CPU can run, on rows of very different lengths."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import TrainerCallback

from retu.config.execution import Execution
from retu.config.lab_study import LabModel, PretrainingSettings
from retu.config.study import SftRecipe
from retu.data.arithmetic import VOCABULARY
from retu.data.tokenizer import make_tokenizer
from retu.models.loading import build_model
from retu.planning.jobs import SftJob
from retu.training.checkpoints import train_resumably
from retu.training.memory.labels import IGNORED_LABEL
from retu.training.supervised import SupervisedRun, make_sft_config, make_supervised_trainer

SHAPE = LabModel(
    architecture="qwen2",
    hidden_size=16,
    layers=2,
    heads=2,
    kv_heads=1,
    intermediate_size=32,
    max_positions=64,
    pretraining=PretrainingSettings(steps=1, batch_size=1, learning_rate=1.0),
)
SEED, STEPS, BATCH = 7, 6, 8
LENGTHS = [3, 40, 5, 4, 33, 3, 12, 3, 60, 4, 7, 3, 25, 3, 3, 50, 9, 4, 3, 17]
"""Tokens of the 20 rows: a pass is updates of 8, 8 and 4 rows."""


@dataclass(frozen=True)
class SftCase:
    """A way to run the same training; `recipe` changes what is trained.

    `dies_at` is a step at which the run is killed, to go on from the one saved before.
    """

    name: str
    processes: int = 1
    execution: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    optimiser: str = "sgd"
    dies_at: int | None = None


COSINE = {"scheduler": "cosine", "warmup_steps": 2}
LINEAR = {"scheduler": "linear", "warmup_ratio": 0.3}
ADAM = {"learning_rate": 1e-2, "weight_decay": 0.1, "adam_beta2": 0.95}
BY_ROWS = {"reduction": "row"}
CASES = [
    SftCase("one micro-batch"),
    SftCase("micro-batches of 1", execution={"micro_batch": 1}),
    SftCase("micro-batches of 2", execution={"micro_batch": 2}),
    SftCase("eager attention", execution={"micro_batch": 4, "attention": "eager"}),
    SftCase("gradient checkpointing", execution={"micro_batch": 2, "gradient_checkpointing": True}),
    SftCase("padding-free", execution={"micro_batch": 4, "batching": "padding_free"}),
    SftCase("no clipping", execution={"micro_batch": 2}, recipe={"max_grad_norm": 1e9}),
    SftCase("cosine schedule", execution={"micro_batch": 2}, recipe=COSINE),
    SftCase("linear schedule", execution={"micro_batch": 2}, recipe=LINEAR),
    SftCase("AdamW", execution={"micro_batch": 2}, recipe=ADAM, optimiser="adamw_torch"),
    SftCase("resumed within a pass", execution={"micro_batch": 2}, dies_at=5),
    SftCase("2 processes", 2),
    SftCase("2 processes, micro-batches of 1", 2, {"micro_batch": 1}),
    SftCase(
        "2 processes, gradient checkpointing",
        2,
        {"micro_batch": 2, "gradient_checkpointing": True},
    ),
    SftCase("2 processes, padding-free", 2, {"micro_batch": 2, "batching": "padding_free"}),
    SftCase("2 processes, AdamW, cosine", 2, {}, ADAM | COSINE, "adamw_torch"),
    SftCase("2 processes, resumed", 2, {"micro_batch": 1}, dies_at=5),
    SftCase("mean over rows", recipe=BY_ROWS),
    SftCase("mean over rows, micro-batches of 1", 1, {"micro_batch": 1}, BY_ROWS),
    SftCase("mean over rows, bucketed", 1, {"micro_batch": 2, "batching": "bucketed"}, BY_ROWS),
    SftCase("mean over rows, by tokens", 1, {"tokens_at_a_time": 128}, BY_ROWS),
    SftCase(
        "mean over rows, padding-free", 1, {"micro_batch": 4, "batching": "padding_free"}, BY_ROWS
    ),
    SftCase("mean over rows, AdamW", 1, {"micro_batch": 2}, ADAM | BY_ROWS, "adamw_torch"),
    SftCase("mean over rows, resumed", 1, {"micro_batch": 2}, BY_ROWS, dies_at=5),
    SftCase("2 processes, mean over rows", 2, {"micro_batch": 1}, BY_ROWS),
    SftCase(
        "2 processes, mean over rows, padding-free",
        2,
        {"micro_batch": 2, "batching": "padding_free"},
        BY_ROWS,
    ),
]
RECIPE = {
    "batch_size": BATCH,
    "learning_rate": 0.5,
    "scheduler": "constant",
    "max_length": 64,
    "max_grad_norm": 1.0,
    "weight_decay": 0.0,
}
EPSILON = 1e-3
"""Adam's; with the usual 1e-8 it would turn the rounding error of a gradient near 0 into a step."""


def make_random_rows() -> list[dict[str, list[int]]]:
    """Rows of random tokens, of which the first one or two are a prompt."""
    import random

    draw = random.Random(11)
    rows = []
    for place, length in enumerate(LENGTHS):
        ids = [draw.randrange(4, len(VOCABULARY)) for _ in range(length)]
        prompt = 1 + place % 2
        rows.append({"input_ids": ids, "labels": [IGNORED_LABEL] * prompt + ids[prompt:]})
    return rows


def make_killer(step: int) -> TrainerCallback:
    """Ends a run in the middle of things, at the end of a step."""

    def kill(args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == step:
            raise KeyboardInterrupt

    callback = TrainerCallback()
    callback.on_step_end = kill
    return callback


def make_sft_case_trainer(case: SftCase, state: Path) -> Any:
    """The trainer of a case, which tells of every update."""
    execution = dict(case.execution)
    attention = execution.pop("attention", "sdpa")
    recipe = RECIPE | case.recipe | {"save_every": 4 if case.dies_at else None}
    job = SftJob(
        recipe=SftRecipe.model_validate(recipe),
        checkpoints=[STEPS],
        steps=STEPS,
        seed=SEED,
        execution=Execution.model_validate({"sft": execution, "attention": attention}),
    )
    run = SupervisedRun(case.name, job, state)
    config = make_sft_config(run)
    config.logging_steps, config.optim, config.adam_epsilon = 1, case.optimiser, EPSILON
    model = build_model(SHAPE, SEED)
    model.set_attn_implementation(attention)
    rows = Dataset.from_list(
        [{**row, "length": len(row["input_ids"])} for row in make_random_rows()]
    )
    return make_supervised_trainer(run, config, model, make_tokenizer(64), rows)


def run_sft_case(case: SftCase, state: Path) -> tuple[list[dict[str, float]], dict[str, Any]]:
    """Train; loss and gradient norm of every update, and the weights at the end."""
    trainer = make_sft_case_trainer(case, state)
    if case.dies_at is not None:
        trainer.add_callback(make_killer(case.dies_at))
        try:
            train_resumably(trainer, state)
        except KeyboardInterrupt:
            trainer = make_sft_case_trainer(case, state)
    train_resumably(trainer, state)
    history = [
        {"loss": float(entry["loss"]), "grad_norm": float(entry["grad_norm"])}
        for entry in trainer.state.log_history
        if "grad_norm" in entry
    ]
    return history, dict(trainer.accelerator.unwrap_model(trainer.model).named_parameters())
