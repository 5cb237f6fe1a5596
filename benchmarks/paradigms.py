"""What a step of each paradigm costs against one of TRL's own GRPO trainer.

    python benchmarks/paradigms.py [--steps 4] [--repeats 12] [--prompts 16] [--rollouts 8]
        [--start results/lab/sft/LabQwen/LabFull/seed0/checkpoints/step-000020]

A lab-sized model trains on the same number of rows of the same length everywhere: sampling must
reach the length limit, and experts are as long. Its weights are drawn at random, and so are its
rows: nothing but prompts is equal in the rows of a group. With `--start`, a checkpoint of the lab
trains on rows as they are in the lab, which end where it ends them. Stock and paradigm take turns,
so that a machine that slows down hits both; the ratio is that of the median CPU times, on one
thread. Dynamic sampling is timed with rounds of one update's size and rewards that keep every
group, so it generates no extra rows: those cost their generation, and are counted in a run's
history.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, disable_progress_bars
from transformers import TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from retu.config.lab_study import LabModel, PretrainingSettings
from retu.config.paradigm import ParadigmSettings, make_trl_arguments
from retu.data.tokenizer import load_tokenizer, make_tokenizer
from retu.models.lean_decoder import install_lean_decoder
from retu.models.loading import build_model, read_model
from retu.training.paradigms.trainer import MixedGRPOTrainer

SHAPE = LabModel(
    architecture="qwen2",
    hidden_size=64,
    layers=2,
    heads=4,
    kv_heads=2,
    intermediate_size=256,
    pretraining=PretrainingSettings(steps=1, batch_size=1, learning_rate=1.0),
)
LIMIT = 28
WARM_UP = 1
CLIP = {"low": 0.2, "high": 0.2}
MIXED = {"reduction": "const", "clip": None, "entropy_coef": 0.001}
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "grpo": {"objective": {"method": "grpo", "reduction": "token_mean", "clip": CLIP}},
    "grpo, exact window": {
        "objective": {"method": "grpo", "reduction": "token_mean", "clip": CLIP},
        "exact_window": True,
    },
    "dapo": {
        "objective": {"method": "dapo", "reduction": "token_mean", "clip": CLIP},
        "planner": {"dynamic_sampling": {"gen_batch_factor": 1}},
    },
    "luffy": {"objective": {"method": "luffy", **MIXED}, "planner": {"n_expert": 1}},
    "srft": {"objective": {"method": "srft", **MIXED}, "planner": {"n_expert": 1}},
    "upt": {"objective": {"method": "upt", **MIXED}, "planner": {"gate": {"switch_gate": 4}}},
    "prefix_rft": {
        "objective": {"method": "prefix_rft", "reduction": "const", "clip": CLIP},
        "planner": {"n_prefix": 1, "prefix": {}},
    },
}


class StepStopwatch(TrainerCallback):  # type: ignore[misc]
    """CPU seconds of every step, generation included: nothing else that the machine does."""

    def __init__(self) -> None:
        self.started = 0.0
        self.seconds: list[float] = []

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Start."""
        self.started = time.process_time()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Stop."""
        self.seconds.append(time.process_time() - self.started)


def make_prompts(count: int) -> Dataset:
    """Problems with an expert's answer of the greatest length, its end included."""
    rows = [f"<bos> {n % 10} b + {n // 10 % 10} c * {n // 100 % 10} ?" for n in range(count)]
    return Dataset.from_dict({"prompt": rows, "expert": ["so " * (LIMIT - 1)] * count})


def reward_alternately(completions: list[str], **_: Any) -> list[float]:
    """Half of the rows of every group are right, so that no group is filtered."""
    return [float(row % 2) for row in range(len(completions))]


def read_start(folder: Path | None) -> tuple[Any, Any]:
    """A model and its tokenizer: of a checkpoint, or with weights drawn at random."""
    if folder is None:
        return build_model(SHAPE, seed=0), make_tokenizer(SHAPE.max_positions)
    return read_model(folder, "float32", "sdpa"), load_tokenizer(folder)


def measure_step_seconds(
    kind: Any, paradigm: ParadigmSettings, options: argparse.Namespace
) -> list[float]:
    """CPU seconds of the steps of one run, without those that warm up."""
    watch, stock = StepStopwatch(), kind is GRPOTrainer
    model, tokenizer = read_start(options.start)
    with tempfile.TemporaryDirectory() as folder:
        args = GRPOConfig(
            output_dir=folder,
            max_steps=options.steps + WARM_UP,
            per_device_train_batch_size=options.prompts * options.rollouts,
            num_generations=options.rollouts,
            max_completion_length=LIMIT,
            generation_kwargs={"min_new_tokens": LIMIT} if stock and not options.start else None,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            dataloader_pin_memory=False,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            **make_trl_arguments(paradigm),
        )
        named = {} if stock else {"paradigm": paradigm}
        trainer = kind(
            args=args,
            model=model if stock else install_lean_decoder(model),
            reward_funcs=reward_alternately,
            train_dataset=make_prompts(20 * options.prompts),
            processing_class=tokenizer,
            callbacks=[watch],
            **named,
        )
        if not stock and not options.start:
            # No token of the model's ends a rollout: both write as many.
            trainer.eos_token_ids = [model.config.vocab_size]
        # The history is not read, and printing it takes as long as a step's own book-keeping.
        trainer.callback_handler.callbacks = [
            kept for kept in trainer.callback_handler.callbacks if "Printer" not in str(type(kept))
        ]
        trainer.train()
    return watch.seconds[WARM_UP:]


def compare_paradigm(name: str, options: argparse.Namespace) -> tuple[float, float]:
    """Median CPU seconds of a stock step and of a paradigm's, run in turns."""
    paradigm = ParadigmSettings.model_validate(PRESETS[name])
    stock = ParadigmSettings.model_validate(PRESETS["grpo"])
    measured: dict[str, list[float]] = {"stock": [], "mixed": []}
    for _ in range(options.repeats):
        measured["stock"] += measure_step_seconds(GRPOTrainer, stock, options)
        measured["mixed"] += measure_step_seconds(MixedGRPOTrainer, paradigm, options)
    return statistics.median(measured["stock"]), statistics.median(measured["mixed"])


def main() -> None:
    """Measure and print a line for every paradigm."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    for name, default in (("steps", 4), ("repeats", 12), ("prompts", 16), ("rollouts", 8)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--only", choices=PRESETS, help="one paradigm instead of all")
    parser.add_argument("--start", type=Path, help="a checkpoint of the lab")
    options = parser.parse_args()
    torch.set_num_threads(1)
    disable_progress_bars()
    lines = [f"{'paradigm':<20}{'stock ms':>10}{'step ms':>10}{'ratio':>8}"]
    for name in [options.only] if options.only else PRESETS:
        stock, mixed = compare_paradigm(name, options)
        lines.append(f"{name:<20}{1e3 * stock:>10.1f}{1e3 * mixed:>10.1f}{mixed / stock:>8.3f}")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
