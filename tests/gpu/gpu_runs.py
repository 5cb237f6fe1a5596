"""Runs of the training scripts on the device under test, and what they leave.

The device is the GPU, or what RETU_TEST_DEVICE says: with `cpu` the same tests run anywhere.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import pandas as pd
import torch
from training_files import make_sums
from transformers import TrainerCallback

from retu.config.execution import Execution
from retu.config.lab_study import LabModel, PretrainingSettings
from retu.core.manifest import write_manifest
from retu.data.chat import encode_prompt
from retu.data.stored_sets import write_dataset
from retu.data.tokenizer import load_tokenizer, make_tokenizer
from retu.models.loading import build_model, load_model
from retu.runtime.script import run_main

ROOT = Path(__file__).resolve().parents[2]
DEVICE = os.environ.get("RETU_TEST_DEVICE", "cuda")
ON_GPU = DEVICE == "cuda"
POSITIONS = 128
SECONDS = 900


def make_execution(dtype: str = "float32", device: str = DEVICE, **changes: Any) -> dict[str, Any]:
    """A study's `execution` on the device under test."""
    return {"device": device, "dtype": dtype, **changes}


def write_run_files(folder: Path) -> Path:
    """Write a base model whose heads every kernel takes (64 wide), and data; returns the folder."""
    shape = LabModel(
        architecture="qwen2",
        hidden_size=128,
        layers=2,
        heads=2,
        kv_heads=1,
        intermediate_size=256,
        max_positions=POSITIONS,
        pretraining=PretrainingSettings(steps=1, batch_size=1, learning_rate=1.0),
    )
    checkpoint = folder / "base" / "checkpoints" / "step-000000"
    build_model(shape, seed=3).save_pretrained(checkpoint)
    make_tokenizer(POSITIONS).save_pretrained(checkpoint)
    write_manifest(folder / "base" / "manifest.json", checkpoint.parent, seed=0, steps=[0])
    write_dataset(make_sums(0, 32), folder / "train.parquet")
    write_dataset(make_sums(32, 13), folder / "validation.parquet")
    write_dataset(make_sums(45, 16), folder / "prompts.parquet")
    problems = make_sums(70, 6).assign(benchmark="Sums", problem_id=[f"s{n}" for n in range(6)])
    write_dataset(problems, folder / "benchmarks.parquet")
    return folder


class SigtermCallback(TrainerCallback):  # type: ignore[misc]
    """Sends SIGTERM to this process in the middle of a step, as a scheduler would."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask if it is time."""
        if state.global_step + 1 == self.step:
            os.kill(os.getpid(), signal.SIGTERM)


def run_training_script(
    script: ModuleType, options: Sequence[str], state: Path, asked_at: int = 0
) -> int:
    """Run a training script in this process; its exit status.

    Args:
        script: its module.
        options: its command line.
        state: what `RETU_STATE` is.
        asked_at: the step in which it is asked to stop; 0: never.
    """
    train = script.train_resumably

    def add_sigterm(trainer: Any, *others: Any) -> None:
        if asked_at:
            trainer.add_callback(SigtermCallback(asked_at))
        train(trainer, *others)

    with (
        mock.patch.object(script, "train_resumably", add_sigterm),
        mock.patch.object(sys, "argv", [script.__name__, *options]),
        mock.patch.dict(os.environ, {"RETU_STATE": str(state)}),
    ):
        try:
            run_main(script.main)
        except SystemExit as ended:
            return int(ended.code or 0)
    return 0


def spawn_script(module: str, options: Sequence[str], state: Path) -> None:
    """Run a script in a process of its own, which DeepSpeed and vLLM leave changed."""
    fixed = {
        "PYTHONPATH": str(ROOT),
        "RETU_STATE": str(state),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "VLLM_NO_USAGE_STATS": "1",
    }
    if not ON_GPU:
        fixed["DS_ACCELERATOR"] = "cpu"
    done = subprocess.run(
        [sys.executable, "-m", f"workflow_scripts.{module}", *options],
        env={**os.environ, **fixed},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout[-4000:]


def read_loss_curve(out: Path) -> pd.DataFrame:
    """The loss curve of an SFT run, of which every loss must be a number."""
    losses = pd.read_csv(out / "losses.csv")
    columns = [name for name in losses.columns if "loss" in name]
    assert columns
    assert losses[columns].notna().any().all()
    return losses


def assert_curves_agree(left: Path, right: Path, rounding: float) -> None:
    """Two runs took the same steps, with the same losses but for rounding (relative)."""
    pd.testing.assert_frame_equal(
        read_loss_curve(left), read_loss_curve(right), rtol=rounding, atol=rounding
    )


def measure_log_prob_gaps(
    stored: pd.DataFrame, folder: Path, how: Execution, heat: float
) -> list[float]:
    """How far stored mean log-probabilities (nats) are from those of the checkpoint in `folder`.

    Answers with tokens that have no text are left out.
    """
    model, tokenizer = load_model(folder, how).eval(), load_tokenizer(folder)
    found = []
    for row in stored.to_dict("records"):
        ends = [tokenizer.eos_token_id] * row["finished"]
        answer = [*tokenizer(row["generation"])["input_ids"], *ends]
        if len(answer) != row["n_tokens"]:
            continue
        prompt = encode_prompt(tokenizer, row["prompt"])
        with torch.no_grad():
            ids = torch.tensor([[*prompt, *answer]], device=model.device)
            logits = model(ids).logits[0, len(prompt) - 1 : -1].float()
        table = (logits / heat).log_softmax(-1)
        chosen = table.gather(-1, torch.tensor(answer, device=model.device)[:, None])
        found.append(abs(row["mean_log_prob"] - float(chosen.mean())))
    return found
