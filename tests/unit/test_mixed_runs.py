"""Short real runs of every paradigm: figures of the history, guards, and exact resumption."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from mixed_fixtures import (
    LIMIT,
    PRESETS,
    SHAPE,
    list_steps,
    make_mixed_trainer,
    make_preset,
    reward_form,
)
from transformers import TrainerCallback

from retu.core.errors import InputError
from retu.models.loading import build_model
from retu.training.checkpoints import NanGuard, SaveCallback, train_resumably
from retu.training.paradigms.resume import STATE_FILE
from retu.training.training_state import find_latest_complete

EVERYWHERE = {
    *("rows_generated", "tokens_generated", "rows_trained", "tokens_trained", "truncated"),
    *("success_on_policy", "steps_skipped"),
}
MIXED = {"ratio_mean", "ratio_max", "old_kl", "entropy", "entropy_sampled", "entropy_expert"}
CLIPPED = {"clip_low", "clip_high"}
SAMPLED = {"sampling/rounds", "sampling/samples_generated", "sampling/samples_discarded"}
EXPERT = {"success_expert", "expert_prob", "expert_shaped_prob", "loss/entropy_bonus"}
FIGURES = {
    "grpo": set(),
    "dapo_dc": MIXED | CLIPPED | SAMPLED | {"loss/policy", "clip_dual"},
    "dapo_d": MIXED | CLIPPED | SAMPLED | {"loss/policy", "loss/entropy_bonus"},
    "luffy": MIXED | EXPERT | {"loss/policy", "loss/expert"},
    "srft": MIXED | EXPERT | {"loss/sft_demo", "loss/rl_demo", "loss/rl_self"},
    "upt": MIXED | EXPERT | {"loss/policy", "loss/expert", "loss/sft", "gate/rl", "gate/sft"},
    "prefix_rft": MIXED
    | CLIPPED
    | {"loss/policy", "success_hybrid", "prefix_tokens", "prefix_share", "prefix_frozen_share"},
}


def train_preset(folder: Path, name: str, **arguments: Any) -> Any:
    """A trained run of a preset; the run stops at the first value that is not finite."""
    changes = {"callbacks": [NanGuard()], **arguments.pop("changes", {})}
    run = make_mixed_trainer(
        folder, arguments.pop("paradigm", make_preset(name)), changes, **arguments
    )
    run.train()
    return run


@pytest.mark.parametrize("name", PRESETS)
def test_a_short_run_of_every_paradigm(tmp_path: Path, name: str) -> None:
    run = train_preset(tmp_path, name, max_steps=4, gradient_accumulation_steps=2)
    history = list_steps(run)
    assert [entry["step"] for entry in history] == [1, 2, 3, 4]
    for entry in history:
        assert all(math.isfinite(value) for value in entry.values())
        figures = {key.removeprefix("paradigm/") for key in entry if key.startswith("paradigm/")}
        assert figures >= EVERYWHERE | FIGURES[name]
        terms = [entry[f"paradigm/{key}"] for key in figures if key.startswith("loss/")]
        if terms:
            assert sum(terms) == pytest.approx(entry["loss"], rel=1e-5, abs=1e-6)
        assert entry["grad_norm"] > 0
        assert entry["entropy"] > 1


def test_costs_are_counted_for_every_update(tmp_path: Path) -> None:
    luffy = list_steps(train_preset(tmp_path / "luffy", "luffy", gradient_accumulation_steps=2))
    assert [entry["paradigm/rows_generated"] for entry in luffy] == [12.0, 12.0]
    assert [entry["paradigm/rows_trained"] for entry in luffy] == [16.0, 16.0]
    dapo = list_steps(train_preset(tmp_path / "dapo", "dapo_dc"))
    for entry in dapo:
        assert entry["paradigm/rows_generated"] == entry["paradigm/sampling/samples_generated"] > 8
        assert entry["paradigm/rows_trained"] == 8.0
        assert entry["paradigm/tokens_trained"] < entry["paradigm/tokens_generated"]
    # TRL's own count of tokens is the sum of ours.
    tokens = sum(entry["paradigm/tokens_generated"] for entry in dapo)
    assert tokens == dapo[-1]["num_tokens"]


def test_success_is_told_by_author(tmp_path: Path) -> None:
    paradigm = make_preset("luffy")
    run = train_preset(tmp_path, "luffy", paradigm=paradigm, changes={"reward_funcs": reward_form})
    for entry in list_steps(run):
        assert entry["paradigm/success_on_policy"] == 0.0
        assert entry["paradigm/success_expert"] == 1.0
        assert entry["reward"] == 0.25


def test_luffys_loss_is_its_formula(tmp_path: Path) -> None:
    run = train_preset(tmp_path, "luffy", max_steps=1)
    (rows,) = run._buffered_inputs
    model = build_model(SHAPE, seed=3)
    ids = torch.cat([rows["prompt_ids"], rows["completion_ids"]], dim=1)
    seen = torch.cat([rows["prompt_mask"], rows["completion_mask"]], dim=1)
    with torch.no_grad():
        logits = model(input_ids=ids, attention_mask=seen).logits
    width = rows["completion_ids"].shape[1]
    every = logits[:, -width - 1 : -1].log_softmax(-1)
    own = every.gather(-1, rows["completion_ids"][..., None])[..., 0]
    entropy = -(every.exp() * every).sum(-1)
    total = 0.0
    mask = rows["completion_mask"].bool()
    for row in range(8):
        mates = (rows["prompt_ids"] == rows["prompt_ids"][row]).all(1)
        advantage = float(rows["accuracy"][row] - rows["accuracy"][mates].mean())
        probability = own[row][mask[row]].exp()
        shaped = probability / (probability + 0.1)
        ratio = shaped if bool(rows["expert_row"][row]) else torch.ones_like(probability)
        total += float((-advantage * ratio).sum()) / LIMIT
    total -= 0.001 * float(entropy[mask].mean())
    assert list_steps(run)[0]["loss"] == pytest.approx(total, abs=1e-6)
    assert abs(total) > 0.01


def test_micro_batches_do_not_change_an_update(tmp_path: Path) -> None:
    runs = [
        train_preset(
            tmp_path / f"{size}",
            "srft",
            max_steps=1,
            optim="sgd",
            per_device_train_batch_size=size,
            gradient_accumulation_steps=16 // size,
        )
        for size in (16, 4)
    ]
    whole, split = (list_steps(run)[0] for run in runs)
    for key in ("loss", "grad_norm", "paradigm/loss/sft_demo", "paradigm/entropy_expert"):
        assert split[key] == pytest.approx(whole[key], rel=1e-4), key
    for name, weight in runs[0].model.state_dict().items():
        torch.testing.assert_close(runs[1].model.state_dict()[name], weight, atol=1e-5, rtol=1e-5)


def test_updates_with_too_large_a_gradient_are_left_out(tmp_path: Path) -> None:
    arguments = {"max_steps": 3, "weight_decay": 0.1}
    strict = make_preset("upt", skip_step_grad_norm=1e-6)
    run = train_preset(tmp_path / "strict", "upt", paradigm=strict, **arguments)
    assert [entry["paradigm/steps_skipped"] for entry in list_steps(run)] == [1, 2, 3]
    assert not run.optimizer.state, "moments moved"
    start = make_mixed_trainer(tmp_path / "start", strict).model.state_dict()
    assert all(torch.equal(weight, start[name]) for name, weight in run.model.state_dict().items())
    free = train_preset(tmp_path / "free", "upt", **arguments)
    assert [entry["paradigm/steps_skipped"] for entry in list_steps(free)] == [0, 0, 0]
    assert list_steps(free)[0]["grad_norm"] == list_steps(run)[0]["grad_norm"]
    assert not all(torch.equal(w, start[name]) for name, w in free.model.state_dict().items())


CASES = {
    "dapo_dc": {},
    "prefix_rft": {},
    # Two updates are a pass over the prompts, so this resumes in the second one.
    "upt": {"gradient_accumulation_steps": 2},
    # Saved between two updates with the same rows: these go on from the checkpoint, too.
    "luffy": {"steps_per_generation": 2},
    "grpo": {"num_iterations": 2},
}


def make_killer(step: int) -> TrainerCallback:
    """A callback that ends a run in the middle of things, at the end of a step."""

    def kill(args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == step:
            raise KeyboardInterrupt

    callback = TrainerCallback()
    callback.on_step_end = kill
    return callback


@pytest.mark.parametrize("name", CASES)
def test_a_resumed_run_is_the_same_run(tmp_path: Path, name: str) -> None:
    arguments: dict[str, Any] = {"max_steps": 6, **CASES[name]}

    def make_saving_trainer(folder: Path, *others: Any) -> Any:
        callbacks = [SaveCallback([3, 5]), *others]
        return make_mixed_trainer(folder, make_preset(name), {"callbacks": callbacks}, **arguments)

    left_alone = make_saving_trainer(tmp_path / "alone")
    train_resumably(left_alone, tmp_path / "alone")
    with pytest.raises(KeyboardInterrupt):
        train_resumably(
            make_saving_trainer(tmp_path / "killed", make_killer(step=4)), tmp_path / "killed"
        )
    found = find_latest_complete(tmp_path / "killed")
    assert found is not None
    assert found.name == "checkpoint-3"
    again = make_saving_trainer(tmp_path / "killed")
    train_resumably(again, tmp_path / "killed")
    assert list_steps(again) == list_steps(left_alone)
    weights, expected = again.model.state_dict(), left_alone.model.state_dict()
    assert all(torch.equal(weights[key], expected[key]) for key in expected)
    between = list((tmp_path / "alone" / "checkpoint-5").glob("paradigm_rows_0.safetensors"))
    assert len(between) == (name in {"luffy", "grpo"})


def test_state_of_another_recipe_is_refused(tmp_path: Path) -> None:
    save = SaveCallback([2])
    make_mixed_trainer(tmp_path, make_preset("dapo_dc"), {"callbacks": [save]}).train()
    larger: dict[str, Any] = {"num_generations": 8, "per_device_train_batch_size": 16}
    other = make_mixed_trainer(tmp_path, make_preset("dapo_d"), max_steps=3, **larger)
    with pytest.raises(InputError, match=rf"{STATE_FILE}: the state of dynamic sampling is not"):
        other.train(resume_from_checkpoint=str(tmp_path / "checkpoint-2"))
