"""Short real runs of the training scripts: losses, steps in between, and chat models."""

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import torch
from datasets import Dataset
from test_chat import make_chat_tokenizer
from training_files import (
    SFT_RECIPE,
    SHAPE,
    make_rl_options,
    make_sft_options,
    make_sums,
    write_training_files,
)

from retu.config.execution import Execution
from retu.config.study import SftRecipe
from retu.core.manifest import write_manifest
from retu.data.chat import encode_prompt, list_stop_ids
from retu.data.stored_sets import write_dataset
from retu.data.tokenizer import load_tokenizer, make_tokenizer
from retu.models.loading import build_model, load_trainable
from retu.planning.jobs import SftJob
from retu.runtime.script import run_main
from retu.training.batch_filling import fill_batches
from retu.training.memory.labels import IGNORED_LABEL
from retu.training.reinforcement import format_prompts
from retu.training.supervised import SupervisedRun, make_sft_config, make_supervised_trainer
from retu.training.tokenized_sets import load_tokenised_set
from workflow_scripts import train_rl, train_sft

pytestmark = pytest.mark.slow
TOKENIZER = make_tokenizer(64)
TEMPLATE_END = "<|end|>"


@pytest.fixture
def start_script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Runs a script in this process."""

    def run_with_options(script: Any, options: list[str]) -> None:
        monkeypatch.setattr(sys, "argv", [script.__name__, *options])
        monkeypatch.setenv("RETU_STATE", str(tmp_path / "state"))
        run_main(script.main)

    return run_with_options


def write_chat_base(folder: Path) -> None:
    """Replace the base model by one with a chat template; its turns have an end of their own."""
    tokenizer = make_chat_tokenizer()
    tokenizer.add_special_tokens({"eos_token": "<|bos|>"})
    size = {"vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id}
    model = build_model(SHAPE.model_copy(update={"max_positions": 256}), seed=3)
    model.resize_token_embeddings(size["vocab_size"])
    model.config.eos_token_id = model.generation_config.eos_token_id = size["eos_token_id"]
    checkpoint = folder / "base" / "checkpoints" / "step-000000"
    model.save_pretrained(checkpoint)
    tokenizer.save_pretrained(checkpoint)
    write_manifest(folder / "base" / "manifest.json", checkpoint.parent, seed=0, steps=[0])


def make_uneven_sets(folder: Path) -> tuple[Dataset, Dataset]:
    """A training set, and a validation set of rows of unequal length."""
    write_dataset(make_sums(0, 16), folder / "train.parquet")
    frame = make_sums(16, 7)
    frame["trajectory"] = [
        " ".join(text.split()[: 3 + i]) for i, text in enumerate(frame["trajectory"])
    ]
    write_dataset(frame, folder / "validation.parquet")
    names = ("train", "validation")
    train, validation = (
        load_tokenised_set(folder / f"{name}.parquet", TOKENIZER, folder / name, 1, 64)
        for name in names
    )
    return train, validation


def make_tiny_trainer(folder: Path, micro: int | None, data: tuple[Dataset, Dataset | None]) -> Any:
    """A trainer of the tiny model."""
    execution = Execution.model_validate({"sft": {"micro_batch": micro}})
    recipe = SftRecipe.model_validate(SFT_RECIPE)
    job = SftJob(recipe=recipe, checkpoints=[2], steps=2, seed=0, execution=execution)
    run = SupervisedRun("t", job, folder / "state")
    config = make_sft_config(run)
    return make_supervised_trainer(run, config, build_model(SHAPE, 3), TOKENIZER, *data)


def test_the_validation_loss_does_not_depend_on_batches(tmp_path: Path) -> None:
    train, validation = make_uneven_sets(tmp_path)
    losses = [
        make_tiny_trainer(tmp_path, micro, (train, rows)).evaluate()["eval_loss"]
        for micro, rows in [(None, validation), (2, validation), (4, validation)]
    ]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-6)
    # Rows without a loss count for nothing: they only fill the last batch.
    full = fill_batches(validation, 4)
    assert len(full) == 8
    assert fill_batches(full, 4) is full
    found = make_tiny_trainer(tmp_path, 4, (train, full)).evaluate()["eval_loss"]
    assert found == pytest.approx(losses[0], rel=1e-6)
    # The library's own mean of batches is another number.
    batches = [validation.select(range(i, min(i + 2, 7))) for i in range(0, 7, 2)]
    means = [
        make_tiny_trainer(tmp_path, None, (train, rows)).evaluate()["eval_loss"] for rows in batches
    ]
    assert sum(means) / len(means) != pytest.approx(losses[0], rel=1e-3)


def test_shared_sequences_are_trained_on_the_token_mean_of_an_update(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes with half of every sequence each, micro-batches of one row (without ZeRO)."""
    _, rows = make_uneven_sets(tmp_path)
    trainer = make_tiny_trainer(tmp_path, None, (rows, None))
    whole = trainer.data_collator(list(rows))
    logits, labels = trainer.model(**whole).logits[:, :-1], whole["labels"][:, 1:]
    mean = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
    mean.backward()
    expected = {name: weight.grad.clone() for name, weight in trainer.model.named_parameters()}
    trainer.model.zero_grad()
    monkeypatch.setattr(type(trainer.accelerator), "num_processes", 2)
    # With it the library takes its own loss, which counts no tokens.
    shares = SimpleNamespace(sp_backend="deepspeed", sp_enabled=True, cp_enabled=False)
    monkeypatch.setattr(type(trainer.accelerator), "parallelism_config", shares)
    tokens = (labels != IGNORED_LABEL).sum()
    counted: list[torch.Tensor] = []

    def reduce_over_both(own: torch.Tensor) -> torch.Tensor:
        counted.append(own)
        return tokens

    monkeypatch.setattr(trainer.accelerator, "reduce", reduce_over_both)
    trainer.current_gradient_accumulation_steps = len(rows)
    loss = torch.zeros(())
    for process in (0, 1):
        batches = [make_shared_batch(trainer.data_collator([row]), process) for row in rows]
        count = trainer._get_num_items_in_batch(batches, torch.device("cpu"))
        loss += sum(trainer.training_step(trainer.model, batch, count) for batch in batches)
    assert sum(counted) == tokens
    assert float(loss / 2) == pytest.approx(mean.item(), rel=1e-6)
    # ZeRO's stage 3 takes the mean of the processes.
    for name, weight in trainer.model.named_parameters():
        torch.testing.assert_close(weight.grad / 2, expected[name], atol=1e-7, rtol=1e-5)


def make_shared_batch(batch: dict[str, torch.Tensor], process: int) -> dict[str, torch.Tensor]:
    """A batch of which one of two processes learns its half, labelled as DeepSpeed's loader does.

    The process sees all tokens here; DeepSpeed's attention would fetch the other half's.
    """
    labels = batch["labels"].roll(-1, dims=1)
    middle = labels.shape[1] // 2 + 2
    labels[:, -1] = IGNORED_LABEL
    labels[:, slice(middle, None) if process == 0 else slice(middle)] = IGNORED_LABEL
    return {name: value for name, value in batch.items() if name != "labels"} | {
        "shift_labels": labels
    }


def test_losses_and_saves_between_checkpoints(start_script: Any, tmp_path: Path) -> None:
    write_training_files(tmp_path)
    out = tmp_path / "out"
    changes = {"evaluate_every": 1, "checkpoints": [4], "recipe": {"save_every": 2}}
    start_script(train_sft, make_sft_options(tmp_path, out, {"micro_batch": 4}, **changes))
    losses = pd.read_csv(out / "losses.csv")
    assert losses["step"].tolist() == [0, 1, 2, 3, 4]
    assert losses["epoch"].tolist() == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["step-000004"]
    length = len(encode_prompt(TOKENIZER, make_sums(0, 1)["prompt"][0])) + 11
    assert losses["tokens"].tolist() == [8 * length * step for step in range(5)]


def test_the_last_update_of_a_pass_is_no_whole_batch(start_script: Any, tmp_path: Path) -> None:
    write_training_files(tmp_path, make_sums(0, 20))
    changes = {"evaluate_every": 1, "checkpoints": [4]}
    start_script(
        train_sft, make_sft_options(tmp_path, tmp_path / "out", {"micro_batch": 4}, **changes)
    )
    losses = pd.read_csv(tmp_path / "out" / "losses.csv")
    assert losses["epoch"].tolist() == [0.0, 0.4, 0.8, 1.0, 1.4]


def test_a_chat_model_is_trained_and_answers_in_its_template(
    start_script: Any, tmp_path: Path
) -> None:
    write_training_files(tmp_path)
    write_chat_base(tmp_path)
    sft = tmp_path / "sft"
    execution = {"sft": {"micro_batch": 4}}
    recipe = {"max_length": 256}
    start_script(train_sft, make_sft_options(tmp_path, sft, execution["sft"], recipe=recipe))
    checkpoint = sft / "checkpoints" / "step-000004"
    tokenizer = load_tokenizer(checkpoint)
    ends = [tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids(TEMPLATE_END)]
    assert list_stop_ids(tokenizer) == ends
    declared = json.loads((checkpoint / "generation_config.json").read_text())
    assert declared["eos_token_id"] == ends

    write_manifest(sft / "manifest.json", sft / "checkpoints", seed=0, steps=[2, 4])
    (tmp_path / "base").rename(tmp_path / "first")
    sft.rename(tmp_path / "base")
    rl = tmp_path / "rl"
    start_script(train_rl, make_rl_options(tmp_path, rl, {}, sft_step=4))
    answers = pd.read_parquet(rl / "generations.parquet")
    assert len(answers) == 10
    assert answers["n_tokens"].between(1, 4).all()
    history = pd.read_parquet(rl / "history.parquet")
    prompt = len(encode_prompt(tokenizer, make_sums(30, 1)["prompt"][0]))
    assert (history["paradigm/tokens_generated"] >= 16 * (prompt + 1)).all()


def test_prompts_of_a_chat_model_are_conversations() -> None:
    prompts = Dataset.from_dict({"prompt": ["p", "q"], "gold": ["1", "2"]})
    assert format_prompts(prompts, TOKENIZER) is prompts
    chat = format_prompts(prompts, make_chat_tokenizer())
    assert chat["prompt"][1] == [{"role": "user", "content": "q"}]
    assert chat["gold"][:] == ["1", "2"]


def test_weights_that_are_trained_are_float32_without_deepspeed(tmp_path: Path) -> None:
    write_training_files(tmp_path)
    checkpoint = tmp_path / "base" / "checkpoints" / "step-000000"
    execution = Execution(dtype="bfloat16")
    model = load_trainable(checkpoint, execution, execution.sft, TOKENIZER)
    assert model.dtype == torch.float32
    assert model.generation_config.eos_token_id == TOKENIZER.eos_token_id
    assert "RANK" not in os.environ
