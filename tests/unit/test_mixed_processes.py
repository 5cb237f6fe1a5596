"""Two processes (gloo, CPU) give the losses and weights of one process with the same rows."""

import json
import os
import random
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing
from mixed_fixtures import (
    LIMIT,
    PRESETS,
    list_steps,
    make_lab_tokenizer,
    make_mixed_trainer,
    make_preset,
)
from safetensors.torch import load_file, save_file
from trl import GRPOTrainer

pytestmark = pytest.mark.slow

SHAPES = {1: {"per_device_train_batch_size": 4}, 2: {"per_device_train_batch_size": 2}}
"""Rows of a micro-batch by the number of processes: 2 prompts x 4 rows in 2 micro-batches."""
KEYS = ("loss", "grad_norm", "reward", "num_tokens")


def write_fixed_completions(
    run: Any, prompts: list[list[int]], *_: Any
) -> tuple[list[list[int]], None]:
    """Completions that depend on the prompt, the step and how often it was asked, nothing else.

    They start with what the expert gave, as real ones do.
    """
    asked: dict[str, int] = {}
    completions = []
    given = [list(row.given) for row in run._plan or () if row.is_generated]
    for prompt, start in zip(prompts, given or [[]] * len(prompts), strict=True):
        key = str(prompt)
        asked[key] = asked.get(key, 0) + 1
        draw = random.Random(f"{run.state.global_step} {key} {asked[key]}")
        length = draw.randint(len(start) + 1, LIMIT)
        ids = [*start, *(draw.randint(4, 30) for _ in range(length - len(start)))]
        completions.append(
            [*ids[:-1], make_lab_tokenizer().eos_token_id] if length < LIMIT else ids
        )
    return completions, None


def train_and_store_preset(folder: Path, name: str, processes: int, rank: int = 0) -> None:
    """Train a preset and store its history and weights."""
    arguments: dict[str, Any] = {**SHAPES[processes], "gradient_accumulation_steps": 2}
    # Adam would turn a rounding error of a gradient near 0 into a whole step.
    run = make_mixed_trainer(
        folder / name, make_preset(name), optim="sgd", learning_rate=0.5, **arguments
    )
    assert run.accelerator.num_processes == processes
    run.train()
    if rank == 0:
        save_file(dict(run.model.named_parameters()), folder / f"{name}.safetensors")
        (folder / f"{name}.json").write_text(json.dumps(list_steps(run)))


def run_training_process(rank: int, processes: int, port: int, folder: Path) -> None:
    """One process: every preset after the other."""
    torch.set_num_threads(1)
    names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "MASTER_PORT": port}
    os.environ.update({key: str(value) for key, value in names.items()})
    os.environ.update({"MASTER_ADDR": "127.0.0.1", "ACCELERATE_USE_CPU": "true"})
    if processes == 1:
        for name in names:
            del os.environ[name]
    GRPOTrainer._generate_single_turn = write_fixed_completions
    for name in PRESETS:
        train_and_store_preset(folder, name, processes, rank)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Folders with the results of one process and of two."""
    folders = {count: tmp_path_factory.mktemp(f"processes{count}") for count in (1, 2)}
    for count, folder in folders.items():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        torch.multiprocessing.spawn(run_training_process, (count, port, folder), nprocs=count)
    return folders


@pytest.mark.parametrize("name", PRESETS)
def test_two_processes_are_one(results: dict[int, Path], name: str) -> None:
    one, two = (json.loads((results[count] / f"{name}.json").read_text()) for count in (1, 2))
    assert len(one) == len(two) == 2
    for alone, shared in zip(one, two, strict=True):
        assert alone.keys() == shared.keys()
        keys = [key for key in alone if key.startswith("paradigm/") or key in KEYS]
        for key in keys:
            assert shared[key] == pytest.approx(alone[key], rel=1e-4, abs=1e-5), key
        assert alone["grad_norm"] > 1e-3
    weights, expected = (load_file(results[c] / f"{name}.safetensors") for c in (2, 1))
    for key in expected:
        torch.testing.assert_close(weights[key], expected[key], atol=1e-5, rtol=1e-5)
