"""One measurement of `real_model.py`, in a process of its own: prints a line of JSON.

    python benchmarks/real_model_run.py MODEL {rl,rl_given,sft,validation} {ours,plain} SETTINGS

The project is the one that PYTHONPATH names: this working tree, or another commit's. `ours` is the
trainer of `train_rl` or `train_sft`, `plain` is TRL's own as its manual has it.
"""

import dataclasses
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

from retu.config.execution import Execution
from retu.config.paradigm import make_trl_arguments
from retu.config.presets import load_paradigm
from retu.config.study import RlRecipe, Sampling, SftRecipe
from retu.planning.jobs import RlJob, SftJob
from retu.training.reinforcement import ReinforcementRun, make_grpo_config, make_rl_trainer
from retu.training.supervised import SupervisedRun, make_sft_config, make_supervised_trainer

RATE = 1e-5
SEED = 7
NEVER_WRITTEN = "<repo_name>"
QUESTIONS = (
    "What is 12 + 7? Show each step of your work before the answer.",
    "Tom has 5 apples and buys 3 boxes of 12 apples each. He gives 9 away. How many are left?",
    "If x + 3 = 10, what is x?",
    "A train goes 60 miles in 1.5 hours. How far does it go in 4 hours at the same speed? Explain"
    " your reasoning and put the answer into a box.",
)


class StepWatch(TrainerCallback):  # type: ignore[misc]
    """Seconds of the clock and of the processor in steps, and of nothing between them."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Start both."""
        self.wall -= time.perf_counter()
        self.cpu -= time.process_time()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Stop both."""
        self.wall += time.perf_counter()
        self.cpu += time.process_time()


def load_parts(folder: str) -> tuple[Any, Any]:
    """The model in float32, and its tokenizer."""
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), (
        AutoTokenizer.from_pretrained(folder)
    )


def draw_rows(count: int, longest: int) -> Dataset:
    """Rows of random tokens, most of them short, of which the first quarter is the prompt."""
    generator = torch.Generator().manual_seed(count)
    shares = torch.rand(count, generator=generator) ** 2
    lengths = (longest * (0.15 + 0.85 * shares)).int().tolist()
    ids = [torch.randint(100, 40000, (n,), generator=generator).tolist() for n in lengths]
    labels = [[-100] * (len(row) // 4) + row[len(row) // 4 :] for row in ids]
    return Dataset.from_dict({"input_ids": ids, "labels": labels, "length": lengths})


def make_sft(kind: str, folder: str, settings: dict[str, int], state: Path) -> Any:
    """An SFT trainer of either kind on the same rows."""
    model, tokenizer = load_parts(folder)
    rows = draw_rows(settings["steps"] * settings["batch"], settings["longest"])
    validation = draw_rows(settings["validated"], settings["longest"])
    if kind == "plain":
        config = SFTConfig(
            **make_plain_arguments(state, settings["steps"]),
            per_device_train_batch_size=settings["batch"],
            max_length=None,
        )
        given = {"model": model, "processing_class": tokenizer, "train_dataset": rows}
        return SFTTrainer(args=config, eval_dataset=validation, **given)
    recipe = SftRecipe(
        batch_size=settings["batch"],
        learning_rate=RATE,
        scheduler="constant",
        max_length=settings["longest"],
    )
    steps = settings["steps"]
    job = SftJob(recipe=recipe, checkpoints=[], steps=steps, seed=SEED, execution=Execution())
    run = SupervisedRun("SFT", job, state)
    return make_supervised_trainer(run, make_sft_config(run), model, tokenizer, rows, validation)


def make_plain_arguments(state: Path, steps: int) -> dict[str, Any]:
    """What both of TRL's configurations are told."""
    return {
        "output_dir": str(state),
        "max_steps": steps,
        "learning_rate": RATE,
        "lr_scheduler_type": "constant",
        "weight_decay": 0.0,
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "save_strategy": "no",
        "logging_steps": 1,
        "seed": SEED,
        "data_seed": SEED,
        "report_to": "none",
        "disable_tqdm": True,
    }


def reward_parity(completions: list[Any], **_: Any) -> list[float]:
    """1 for answers of an odd number of letters."""
    return [float(len(str(text)) % 2) for text in completions]


def make_rl(kind: str, folder: str, settings: dict[str, int], state: Path) -> Any:
    """An RL trainer of either kind by GRPO on the same prompts."""
    model, tokenizer = load_parts(folder)
    prompts, rollouts = settings["prompts"], settings["rollouts"]
    recipe = RlRecipe(
        title="GRPO",
        paradigm=load_paradigm("grpo"),
        steps=settings["steps"],
        evaluate_every=10**6,
        prompts_per_step=prompts,
        rollouts=rollouts,
        learning_rate=RATE,
        max_completion_length=settings["answer"],
    )
    if kind == "plain":
        turns = [[{"role": "user", "content": text}] for text in QUESTIONS]
        config = GRPOConfig(
            **make_plain_arguments(state, settings["steps"]),
            per_device_train_batch_size=prompts * rollouts,
            num_generations=rollouts,
            max_completion_length=settings["answer"],
            **make_trl_arguments(recipe.paradigm),
        )
        rows = Dataset.from_dict({"prompt": turns})
        given = {"model": model, "processing_class": tokenizer, "train_dataset": rows}
        return GRPOTrainer(args=config, reward_funcs=reward_parity, **given)
    attempts = pd.DataFrame({"benchmark": ["B"], "problem_id": ["0"], "prompt": [QUESTIONS[2]]})
    job = RlJob(
        sft_step=0,
        recipe=recipe,
        seed=SEED,
        evaluation=Sampling(max_new_tokens=1),
        samples={},
        execution=Execution(),
    )
    rows = Dataset.from_dict({"prompt": list(QUESTIONS), "gold": ["1"] * len(QUESTIONS)})
    parts = {"title": "RL", "job": job, "tokenizer": tokenizer, "prompts": rows}
    parts |= {"attempts": attempts.assign(sample=0, gold="7"), "reward": reward_parity}
    if "longest" in {field.name for field in dataclasses.fields(ReinforcementRun)}:
        parts["longest"] = 100 + settings["answer"]
    run = ReinforcementRun(state=state, **parts)
    return make_rl_trainer(run, make_grpo_config(job, state, [tokenizer.eos_token_id]), model)


def write_given_answers(trainer: Any, settings: dict[str, int]) -> None:
    """Let a trainer train on the same answers, whatever the model would write."""

    def write(prompts: Any, *_: Any, **__: Any) -> tuple[list[list[int]], None]:
        generator = torch.Generator().manual_seed(len(prompts))
        shortest, size = settings["answer"] // 4, (len(prompts),)
        lengths = torch.randint(shortest, settings["answer"], size, generator=generator)
        return [
            torch.randint(100, 40000, (int(n),), generator=generator).tolist() for n in lengths
        ], None

    ours = hasattr(trainer, "_sample_completions")
    setattr(trainer, "_sample_completions" if ours else "_generate_single_turn", write)


def forbid_ends(trainer: Any) -> None:
    """Let every answer of a trainer reach the limit: all kinds then write as many tokens.

    The token that would end one, of repositories in the model's pre-training, is as good as never.
    """
    end = trainer.processing_class.convert_tokens_to_ids(NEVER_WRITTEN)
    trainer.eos_token_ids = [end]
    trainer.generation_config.eos_token_id = [end]


def measure(make: Callable[..., Any], work: str, kind: str, options: tuple[Any, ...]) -> Any:
    """Run what is asked for; what it took and gave."""
    trainer = make(kind, *options)
    if work == "validation":
        wall, cpu = time.perf_counter(), time.process_time()
        losses = {"eval_loss": trainer.evaluate()["eval_loss"]}
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        return {"wall": wall, "cpu": cpu, "tokens": 0, "losses": losses}
    watch, tokens = StepWatch(), 0
    # The first of the callbacks: what the others do after a step is no part of it.
    trainer.callback_handler.callbacks.insert(0, watch)
    if work == "rl_given":
        torch.manual_seed(0)
        write_given_answers(trainer, options[1])
    if work == "rl":
        forbid_ends(trainer)
    # Validation before the first step is measured on its own.
    trainer.evaluate = lambda *_, **__: {}
    trainer.train()
    logged = [entry for entry in trainer.state.log_history if "grad_norm" in entry]
    # TRL's entropy is a mean of micro-batches' means, and they are others.
    names = ("loss", "grad_norm")
    losses = {f"{n} {i}": e[n] for i, e in enumerate(logged) for n in names if n in e}
    if work == "sft":
        losses = {"train_loss": trainer.state.log_history[-1]["train_loss"]}
        tokens = sum(map(len, trainer.train_dataset["input_ids"]))
    else:
        lengths = [entry["completions/mean_length"] for entry in logged]
        tokens = round(sum(lengths) * options[1]["prompts"] * options[1]["rollouts"])
    return {"wall": watch.wall, "cpu": watch.cpu, "tokens": tokens, "losses": losses}


def main() -> None:
    """Measure on one thread and print."""
    folder, work, kind, settings = sys.argv[1:]
    torch.set_num_threads(1)
    make = make_rl if work.startswith("rl") else make_sft
    with tempfile.TemporaryDirectory() as state:
        found = measure(make, work, kind, (folder, json.loads(settings), Path(state)))
    found["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps(found))


if __name__ == "__main__":
    main()
