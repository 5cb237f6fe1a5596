"""RL by every preset in every layout that a CPU can run, on rows of very different lengths."""

import contextlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import yaml
from datasets import Dataset
from sft_runs import SEED, SHAPE, make_killer
from transformers import TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from retu.config.load import PRESETS as PRESET_FILE
from retu.config.paradigm import ParadigmSettings, make_trl_arguments
from retu.data.arithmetic import VOCABULARY
from retu.data.tokenizer import make_tokenizer
from retu.models.loading import build_model
from retu.training.checkpoints import SaveCallback, train_resumably
from retu.training.paradigms.trainer import MixedGRPOTrainer

PRESETS = {
    name: ParadigmSettings.model_validate(preset["paradigm"])
    for name, preset in yaml.safe_load(PRESET_FILE.read_text(encoding="utf-8")).items()
}
TOKENIZER = make_tokenizer(SHAPE.max_positions)
LIMIT, ROLLOUTS, ROWS, STEPS, RATE = 32, 4, 8, 2, 0.5
"""Longest completion in tokens, rows of a group, rows of an update, updates, learning rate."""
EXPERTS = ["7", "{n} b + {n} = so thus", "so " * 28, "{n} = {n}", "b + " * 10]
FIRST_WORD = 4
"""The first token that is no special one."""


@dataclass(frozen=True)
class RlCase:
    """A preset and a layout; a killed run goes on from the step that was saved before."""

    preset: str
    processes: int = 1
    micro_batch: int = ROWS
    gradient_checkpointing: bool = False
    scheduler: str = "constant"
    dies_at: int | None = None

    @property
    def name(self) -> str:
        """What it is called in the tests."""
        words = [self.preset, f"{self.processes}x{self.micro_batch}", self.scheduler]
        words += ["checkpointing"] * self.gradient_checkpointing
        return " ".join(words + ["resumed"] * (self.dies_at is not None))


CASES = [
    *[RlCase(name, 1, size) for name in PRESETS for size in (ROWS, 1)],
    *[RlCase(name, 2, 2) for name in PRESETS],
    RlCase("grpo", 1, 2, gradient_checkpointing=True),
    RlCase("upt", 2, 1),
    RlCase("prefix_rft", 1, 2, scheduler="cosine"),
    RlCase("luffy", 1, 4, dies_at=2),
    RlCase("grpo", 2, 2, dies_at=2),
]


@dataclass(frozen=True)
class TrainedRow:
    """A row that an update trained on: its tokens, who wrote them, and how it is trained."""

    prompt: list[int]
    completion: list[int]
    expert: bool
    imitated: bool
    active: bool
    prefix: int


def judge_completions(completions: Sequence[str], **_: Any) -> list[float]:
    """1 for about a third of all texts, and always the same for the same text."""
    return [float(sum(map(VOCABULARY.index, text.split())) % 3 == 0) for text in completions]


def write_fixed_completions(
    run: Any, prompts: list[list[int]], *_: Any
) -> tuple[list[list[int]], None]:
    """Completions that depend on the prompt, the step and how often it was asked, nothing else."""
    asked: dict[str, int] = {}
    completions = []
    given = [list(row.given) for row in run._plan or () if row.is_generated]
    for prompt, start in zip(prompts, given or [[]] * len(prompts), strict=True):
        key = str(prompt)
        asked[key] = asked.get(key, 0) + 1
        draw = random.Random(f"{run.state.global_step} {key} {asked[key]}")
        length = min(len(start) + draw.choice([1, 2, 3, LIMIT]), LIMIT)
        ids = start + [draw.randrange(FIRST_WORD, 30) for _ in range(length - len(start))]
        end = [TOKENIZER.eos_token_id] if length < LIMIT else ids[-1:]
        completions.append([*ids[:-1], *end])
    return completions, None


def make_row_keeper(kept: list[list[TrainedRow]], trainers: list[Any]) -> TrainerCallback:
    """Keeps the rows of every update of the one trainer, before new ones take their place."""

    def keep(*_: Any, **__: Any) -> None:
        (trainer,) = trainers
        kept.append([row for batch in trainer._buffered_inputs for row in read_trained_rows(batch)])

    callback = TrainerCallback()
    callback.on_step_end = keep
    return callback


def read_trained_rows(batch: dict[str, Any]) -> list[TrainedRow]:
    """The rows of a micro-batch; those of a plain paradigm are all rollouts."""

    def read_flag(name: str, place: int, otherwise: bool) -> bool:
        return bool(batch[name][place]) if name in batch else otherwise

    return [
        TrainedRow(
            prompt=batch["prompt_ids"][place][batch["prompt_mask"][place].bool()].tolist(),
            completion=batch["completion_ids"][place][
                batch["completion_mask"][place].bool()
            ].tolist(),
            expert=read_flag("expert_row", place, otherwise=False),
            imitated=read_flag("imitated", place, otherwise=False),
            active=read_flag("active", place, otherwise=True),
            prefix=int(batch["prefix"][place].sum()) if "prefix" in batch else 0,
        )
        for place in range(len(batch["prompt_ids"]))
    ]


def make_rl_case_trainer(case: RlCase, folder: Path, *callbacks: TrainerCallback) -> Any:
    """The trainer of a case."""
    prompts = [f"<bos> {n} b + {n} ?" if n % 2 else f"<bos> {n} b + 1 c - 2 ?" for n in range(10)]
    experts = [EXPERTS[n % len(EXPERTS)].format(n=n).strip() for n in range(10)]
    args = GRPOConfig(
        output_dir=str(folder),
        max_steps=STEPS,
        per_device_train_batch_size=case.micro_batch,
        gradient_accumulation_steps=ROWS // case.micro_batch // case.processes,
        gradient_checkpointing=case.gradient_checkpointing,
        num_generations=ROLLOUTS,
        max_completion_length=LIMIT,
        learning_rate=RATE,
        lr_scheduler_type=case.scheduler,
        optim="sgd",
        seed=SEED,
        use_cpu=True,
        bf16=False,
        dataloader_pin_memory=False,
        save_strategy="no",
        logging_steps=1,
        report_to="none",
        disable_tqdm=True,
        **make_trl_arguments(PRESETS[case.preset]),
    )
    return MixedGRPOTrainer(
        paradigm=PRESETS[case.preset],
        args=args,
        model=build_model(SHAPE, SEED),
        reward_funcs=judge_completions,
        train_dataset=Dataset.from_dict({"prompt": prompts, "expert": experts}),
        processing_class=TOKENIZER,
        callbacks=[SaveCallback([1]), *callbacks],
    )


@dataclass(frozen=True)
class RlResult:
    """Loss and gradient norm of every update, the weights at the end, and the rows."""

    history: list[dict[str, float]]
    weights: dict[str, Any]
    rows: list[list[TrainedRow]]


def run_rl_case(case: RlCase, folder: Path) -> RlResult:
    """Train a case; the rows are complete where one process ran it through."""
    rows: list[list[TrainedRow]] = []
    trainers: list[Any] = []
    with mock.patch.object(GRPOTrainer, "_generate_single_turn", write_fixed_completions):
        if case.dies_at is not None:
            with contextlib.suppress(KeyboardInterrupt):
                train_resumably(
                    make_rl_case_trainer(case, folder, make_killer(case.dies_at)), folder
                )
        trainer = make_rl_case_trainer(case, folder, make_row_keeper(rows, trainers))
        trainers.append(trainer)
        train_resumably(trainer, folder)
    history = [
        {"loss": float(entry["loss"]), "grad_norm": float(entry["grad_norm"])}
        for entry in trainer.state.log_history
        if "grad_norm" in entry
    ]
    weights = dict(trainer.accelerator.unwrap_model(trainer.model).named_parameters())
    return RlResult(history, weights, rows)
