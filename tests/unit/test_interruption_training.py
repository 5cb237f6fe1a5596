"""Training that is asked to stop (SIGTERM) saves, and goes on to the same bytes."""

import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from mixed_fixtures import SHAPE, list_steps, make_lab_tokenizer, make_mixed_trainer, make_preset
from transformers import TrainerCallback
from trl import SFTConfig, SFTTrainer

from retu.core.errors import JobInterrupted
from retu.models.loading import build_model
from retu.training.checkpoints import SaveCallback, train_resumably
from retu.training.loss_curve import tabulate_losses
from retu.training.supervised import EvaluationCallback
from retu.training.training_state import find_latest_complete

pytestmark = pytest.mark.slow

SAVED, LAST = [4, 8], 8
TEXTS = [f"<bos> {n} b + {n % 7} ?" for n in range(10)]


def make_sigterm_callback(
    step: int, during: str = "on_step_begin", times: int = 1
) -> TrainerCallback:
    """A callback that sends SIGTERM to this process in the middle of a step."""

    def ask(args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == step - (during == "on_step_begin"):
            for _signal in range(times):
                os.kill(os.getpid(), signal.SIGTERM)

    callback = TrainerCallback()
    setattr(callback, during, ask)
    return callback


def make_small_sft_run(folder: Path, *callbacks: TrainerCallback) -> Any:
    """A small SFT run whose log lines lie between its saves, and whose passes do, too."""
    config = SFTConfig(
        output_dir=str(folder),
        max_steps=LAST,
        per_device_train_batch_size=4,
        learning_rate=1e-2,
        logging_steps=3,
        save_strategy="no",
        use_cpu=True,
        bf16=False,
        seed=5,
        gradient_checkpointing=False,
        dataloader_pin_memory=False,
        report_to="none",
        disable_tqdm=True,
        max_length=32,
    )
    rows = {"prompt": [f"{text} " for text in TEXTS], "completion": ["thus \\boxed{ 2 }"] * 10}
    return SFTTrainer(
        model=build_model(SHAPE, seed=3),
        args=config,
        train_dataset=Dataset.from_dict(rows),
        eval_dataset=Dataset.from_dict(rows),
        processing_class=make_lab_tokenizer(),
        callbacks=[SaveCallback(SAVED), EvaluationCallback(SAVED), *callbacks],
    )


def make_small_rl_run(folder: Path, *callbacks: TrainerCallback) -> Any:
    """A small RL run with dynamic sampling."""
    saving = SaveCallback(SAVED, published=[LAST])
    changes = {"callbacks": [saving, *callbacks]}
    return make_mixed_trainer(folder, make_preset("dapo_dc"), changes, max_steps=LAST)


def list_history(run: Any) -> list[dict[str, Any]]:
    """What the results keep of a history; TRL's SFT forgets its own means when it is resumed."""
    kept = ("step", "loss", "grad_norm", "learning_rate")
    if isinstance(run, SFTTrainer):
        return [{key: entry[key] for key in kept} for entry in list_steps(run)]
    return list_steps(run)


def assert_same_run(run: Any, expected: Any) -> None:
    """Two runs have the same weights and the same history."""
    weights = expected.model.state_dict()
    assert all(torch.equal(w, weights[name]) for name, w in run.model.state_dict().items())
    assert list_history(run) == list_history(expected)
    losses, wanted = (tabulate_losses(each.state.log_history, 8, 8) for each in (run, expected))
    assert losses.to_csv() == wanted.to_csv()


def interrupt_run(folder: Path, make: Any, step: int, *callbacks: TrainerCallback) -> None:
    """Let a run be asked to stop; it must save that very step, and say so."""
    said = f"at step {step} of {LAST}; saved; start it again to go on"
    with pytest.raises(JobInterrupted, match=said) as raised:
        train_resumably(make(folder, *callbacks), folder)
    assert raised.value.progressed
    found = find_latest_complete(folder)
    assert found is not None
    assert found.name == f"checkpoint-{step}"


@pytest.mark.parametrize("make", [make_small_sft_run, make_small_rl_run])
def test_a_run_that_is_stopped_again_and_again_is_the_same_run(tmp_path: Path, make: Any) -> None:
    alone = make(tmp_path / "alone")
    train_resumably(alone, tmp_path / "alone")
    draw = random.Random()
    first, second = sorted(draw.sample(range(1, LAST), 2))
    folder = tmp_path / f"stopped at {first} and {second}"
    interrupt_run(folder, make, first, make_sigterm_callback(first))
    interrupt_run(folder, make, second, make_sigterm_callback(second))
    again = make(folder)
    train_resumably(again, folder)
    assert_same_run(again, alone)


def test_a_second_signal_does_not_break_the_save(tmp_path: Path) -> None:
    alone = make_small_sft_run(tmp_path / "alone")
    train_resumably(alone, tmp_path / "alone")
    folder = tmp_path / "stopped"
    # The first comes in step 5; more come while that step is being saved.
    interrupt_run(
        folder,
        make_small_sft_run,
        5,
        make_sigterm_callback(5),
        make_sigterm_callback(5, during="on_save", times=3),
    )
    again = make_small_sft_run(folder)
    train_resumably(again, folder)
    assert_same_run(again, alone)


def test_who_is_asked_in_the_last_step_finishes(tmp_path: Path) -> None:
    run = make_small_sft_run(tmp_path, make_sigterm_callback(LAST))
    train_resumably(run, tmp_path)
    assert run.state.global_step == LAST
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_what_is_saved_between_the_scheduled_steps_does_not_stay(tmp_path: Path) -> None:
    interrupt_run(tmp_path, make_small_sft_run, 3, make_sigterm_callback(3))
    interrupt_run(tmp_path, make_small_sft_run, 6, make_sigterm_callback(6))
    assert sorted(path.name for path in tmp_path.glob("checkpoint-*")) == [
        *("checkpoint-4", "checkpoint-6")
    ]
    assert not (tmp_path / "checkpoint-4" / "optimizer.pt").exists()
