"""Tokens per second and MFU of SFT through our path against a plain TRL run of the same batches.

    python benchmarks/sft_throughput.py [--size qwen2.5-0.5b] [--length 2048] [--batch 16]
    python benchmarks/sft_throughput.py --device cpu --size tiny --length 64 --batch 4

A random model of the shape of Qwen2.5-0.5B learns random tokens. Ours is the trainer of `train_sft`
with its callbacks, its order of rows and its saved state; the other is `trl.SFTTrainer` as its
manual has it, with the same batch, precision and attention, which saves as often. They take turns,
after a run of each that is not counted; a run's figure is that of its steps after the first ones,
and the table has medians. Their mean losses must agree: both did the same work. MFU is 3 x the
exact forward FLOPs of the tokens (whole attention, not its causal half) over the GPU's dense peak
(benchmarks/gpus.yaml); recomputed activations count as no work. Saving is timed apart.
"""

import argparse
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from datasets import Dataset, disable_progress_bars
from transformers import AutoModelForCausalLM, Qwen2Config, Qwen2ForCausalLM, TrainerCallback
from trl import SFTConfig, SFTTrainer

from retu.compute.flops import TRAIN_OVER_FORWARD, ModelShape, exact_forward_flops_per_token
from retu.config.execution import Execution, SftExecution
from retu.config.study import SftRecipe
from retu.data.tokenizer import load_tokenizer, make_tokenizer
from retu.models.compatibility import check_sft
from retu.models.loading import configure_torch, load_trainable
from retu.planning.jobs import SftJob
from retu.training.checkpoints import train_resumably
from retu.training.supervised import SupervisedRun, make_sft_config, make_supervised_trainer

GPUS = Path(__file__).with_name("gpus.yaml")
# hidden, layers, heads, KV heads, MLP, vocabulary; both with tied embeddings.
SIZES = {
    "qwen2.5-0.5b": (896, 24, 14, 2, 4864, 151936),
    "tiny": (32, 2, 2, 1, 64, 256),
}
LEARNING_RATE = 1e-4
SEED = 0
AGREE = {"float32": 1e-3, "bfloat16": 1e-2}
"""How far the mean losses of the two may be apart, relatively."""


@dataclass(frozen=True)
class ThroughputRun:
    """What a run measured: over `steps` steps, then the seconds of a save, and its mean loss."""

    seconds: float
    save_seconds: float
    loss: float


class RunStopwatch(TrainerCallback):  # type: ignore[misc]
    """Seconds of the steps after those that warm up, and of what comes after the last one.

    The GPU is waited for at both ends and never in between, where it works ahead.
    """

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last = first, last
        self.started = self.done = self.ended = 0.0

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Note the time after the first and after the last step."""
        if state.global_step == self.first:
            self.started = get_device_time()
        elif state.global_step == self.last:
            self.done = get_device_time()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """The last step has been saved."""
        self.ended = get_device_time()


def get_device_time() -> float:
    """The time once the GPU has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def write_model(size: str, length: int, folder: Path) -> ModelShape:
    """Write a random model and a tokenizer, which only has to be there; returns its shape."""
    hidden, layers, heads, kv_heads, mlp, vocabulary = SIZES[size]
    config = Qwen2Config(
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        intermediate_size=mlp,
        vocab_size=vocabulary,
        max_position_embeddings=length,
        tie_word_embeddings=True,
        use_sliding_window=False,
    )
    torch.manual_seed(SEED)
    Qwen2ForCausalLM(config).save_pretrained(folder)
    make_tokenizer(length).save_pretrained(folder)
    return ModelShape.from_config(config.to_dict())


def draw_token_rows(count: int, length: int, vocabulary: int) -> Dataset:
    """Rows of random tokens in the form of `load_tokenised_set`; all of a row is learnt."""
    generator = torch.Generator().manual_seed(SEED)
    ids = torch.randint(vocabulary, (count, length), generator=generator).tolist()
    return Dataset.from_dict({"input_ids": ids, "labels": ids, "length": [length] * count})


def run_our_trainer(
    folder: Path, rows: Dataset, options: argparse.Namespace, state: Path
) -> ThroughputRun:
    """A run of the trainer of `train_sft`."""
    how = make_benchmark_execution(options)
    last = options.warm_up + options.steps
    recipe = SftRecipe(
        batch_size=options.batch,
        learning_rate=LEARNING_RATE,
        scheduler="constant",
        max_length=options.length,
    )
    job = SftJob(recipe=recipe, checkpoints=[last], steps=last, seed=SEED, execution=how)
    run = SupervisedRun("SFT", job, state)
    config = make_sft_config(run)
    tokenizer = load_tokenizer(folder)
    model = load_trainable(folder, how, how.sft, tokenizer)
    trainer = make_supervised_trainer(run, config, model, tokenizer, rows)
    return time_training(trainer, options, lambda: train_resumably(trainer, state))


def run_plain_trl(
    folder: Path, rows: Dataset, options: argparse.Namespace, state: Path
) -> ThroughputRun:
    """A run of TRL's own trainer."""
    last = options.warm_up + options.steps
    config = SFTConfig(
        output_dir=str(state),
        max_steps=last,
        per_device_train_batch_size=options.micro_batch,
        gradient_accumulation_steps=options.batch // options.micro_batch,
        learning_rate=LEARNING_RATE,
        lr_scheduler_type="constant",
        weight_decay=0.0,
        bf16=options.dtype == "bfloat16",
        use_cpu=options.device == "cpu",
        gradient_checkpointing=options.gradient_checkpointing,
        use_liger_kernel=options.liger,
        max_length=None,
        save_strategy="steps",
        save_steps=last,
        seed=SEED,
        data_seed=SEED,
        report_to="none",
        disable_tqdm=True,
    )
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation=options.attention
    )
    trainer = SFTTrainer(
        model=model, args=config, train_dataset=rows, processing_class=load_tokenizer(folder)
    )
    return time_training(trainer, options, trainer.train)


def time_training(
    trainer: Any, options: argparse.Namespace, train: Callable[[], object]
) -> ThroughputRun:
    """Train; what it took."""
    watch = RunStopwatch(options.warm_up, options.warm_up + options.steps)
    # The first of the callbacks: what the others do after a step belongs to the next one.
    trainer.callback_handler.callbacks.insert(0, watch)
    train()
    loss = trainer.state.log_history[-1]["train_loss"]
    return ThroughputRun(watch.done - watch.started, watch.ended - watch.done, float(loss))


def make_benchmark_execution(options: argparse.Namespace) -> Execution:
    """The study's `execution` that the options stand for."""
    training = SftExecution(
        micro_batch=options.micro_batch,
        gradient_checkpointing=options.gradient_checkpointing,
        liger=options.liger,
    )
    return Execution(
        device=options.device,
        dtype=options.dtype,
        attention=options.attention,
        threads=options.threads,
        sft=training,
    )


def find_peak_tflops(name: str, dtype: str) -> float | None:
    """The dense peak of a GPU by torch's name for it; None if it is not listed."""
    fits = [
        (len(start), gpu[dtype])
        for gpu in yaml.safe_load(GPUS.read_text(encoding="utf-8"))
        for start in gpu["names"]
        if name.startswith(start) and not name[len(start) : len(start) + 1].isalnum()
    ]
    return float(max(fits)[1]) if fits else None


def measure_both(options: argparse.Namespace) -> tuple[dict[str, list[ThroughputRun]], ModelShape]:
    """Run both in turns; the first run of each is not kept."""
    kinds = {"ours": run_our_trainer, "plain TRL": run_plain_trl}
    runs: dict[str, list[ThroughputRun]] = {name: [] for name in kinds}
    steps = options.warm_up + options.steps
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "model"
        shape = write_model(options.size, options.length, model)
        rows = draw_token_rows(steps * options.batch, options.length, shape.vocab)
        for repeat in range(options.repeats + 1):
            for name, run in kinds.items():
                configure_torch(make_benchmark_execution(options), SEED)
                with tempfile.TemporaryDirectory(dir=scratch) as state:
                    result = run(model, rows, options, Path(state))
                gc.collect()
                if options.device == "cuda":
                    torch.cuda.empty_cache()
                runs[name] += [result] * bool(repeat)
    return runs, shape


def format_throughput(
    runs: dict[str, list[ThroughputRun]],
    shape: ModelShape,
    options: argparse.Namespace,
    peak: float | None,
) -> list[str]:
    """A line for each of the two and their ratio; SystemExit if they did not do the same."""
    flops = TRAIN_OVER_FORWARD * exact_forward_flops_per_token(shape, options.length)
    tokens = options.steps * options.batch * options.length
    lines = [f"{'':<12}{'tokens/s':>12}{'TFLOP/s':>10}{'MFU':>8}{'save s':>8}{'loss':>9}"]
    rates = {}
    for name, found in runs.items():
        rate = rates[name] = tokens / statistics.median(run.seconds for run in found)
        save = statistics.median(run.save_seconds for run in found)
        mfu = f"{rate * flops / (peak * 1e12):.1%}" if peak else "unknown"
        done = rate * flops / 1e12
        lines.append(
            f"{name:<12}{rate:>12.0f}{done:>10.3g}{mfu:>8}{save:>8.2f}{found[-1].loss:>9.4f}"
        )
    left, right = rates.values()
    lines.append(f"{'ratio':<12}{left / right:>12.3f}")
    first, second = (found[-1].loss for found in runs.values())
    if abs(first - second) > AGREE[options.dtype] * abs(second):
        sys.exit(f"error: the mean losses are {first:.4f} and {second:.4f}: not the same work")
    return lines


def parse_command_line() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="bfloat16")
    parser.add_argument("--size", choices=SIZES, default="qwen2.5-0.5b")
    parser.add_argument(
        "--attention", choices=["sdpa", "eager", "flash_attention_2"], default="sdpa"
    )
    numbers = {"length": 2048, "batch": 16, "micro-batch": 4, "steps": 12, "warm-up": 3}
    for name, default in (numbers | {"repeats": 3, "threads": 1}).items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--gradient-checkpointing", action="store_true")
    parser.add_argument("--liger", action="store_true")
    parser.add_argument("--peak-tflops", type=float, help="of a GPU that gpus.yaml lacks")
    return parser.parse_args()


def main() -> None:
    """Measure and print the table."""
    options = parse_command_line()
    if options.batch % options.micro_batch or min(options.warm_up, options.repeats) < 1:
        sys.exit("error: batch must be a multiple of micro-batch, warm-up and repeats at least 1")
    check_sft(make_benchmark_execution(options))
    disable_progress_bars()
    name = torch.cuda.get_device_name() if options.device == "cuda" else "CPU"
    peak = options.peak_tflops or find_peak_tflops(name, options.dtype)
    runs, shape = measure_both(options)
    print(
        f"{name}, {options.size}, {options.dtype}, {options.attention}, {options.batch} x"
        f" {options.length} tokens an update in micro-batches of {options.micro_batch},"
        f" {options.steps} steps, median of {options.repeats}\n"
    )
    print("\n".join(format_throughput(runs, shape, options, peak)))


if __name__ == "__main__":
    main()
