"""LoRA: what is published is a whole model, and a stopped run goes on to the same bytes."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from datasets import Dataset
from mixed_fixtures import SHAPE, list_steps, make_lab_tokenizer, make_mixed_trainer, make_preset
from transformers import TrainerCallback

from retu.config.execution import Execution
from retu.config.study import LoraSettings, Sampling, SftRecipe
from retu.config.study_checks import check_adapters
from retu.core.errors import InputError
from retu.evaluation import library_reader
from retu.evaluation.engine_transformers import TransformersEngine
from retu.models.loading import build_model, load_model
from retu.planning.jobs import SftJob
from retu.training.checkpoints import SaveCallback, train_resumably
from retu.training.memory import adapters
from retu.training.memory.adapters import make_adapter_config, merge_adapter
from retu.training.published_checkpoints import find_checkpoint, publish_checkpoints
from retu.training.supervised import SupervisedRun, make_sft_config, make_supervised_trainer

LORA = LoraSettings(rank=4, alpha=8.0, dropout=0.1)
LAST = 4
IDS = torch.tensor([[5, 6, 7, 8]])


def make_sft_run(folder: Path, **recipe: Any) -> Any:
    """An SFT run of four steps that saves at each second one."""
    rows = [[4, 5, 6, 7 + n % 5, 8] for n in range(16)]
    data = Dataset.from_dict({"input_ids": rows, "labels": rows, "length": [5] * 16})
    settings = {"batch_size": 4, "learning_rate": 1e-2, "scheduler": "constant", "lora": LORA}
    job = SftJob(
        recipe=SftRecipe.model_validate({**settings, "save_every": 2, **recipe}),
        checkpoints=[2, LAST],
        steps=LAST,
        seed=0,
        execution=Execution(),
    )
    torch.manual_seed(1)
    run = SupervisedRun("SFT", job, folder)
    parts = (build_model(SHAPE, seed=3), make_lab_tokenizer())
    return make_supervised_trainer(run, make_sft_config(run), *parts, data, data)


def make_rl_run(folder: Path) -> Any:
    """An RL run of four steps that saves at each second one."""
    torch.manual_seed(1)
    changes = {
        "peft_config": make_adapter_config(LORA),
        "callbacks": [SaveCallback([2, LAST], published=[2, LAST])],
    }
    return make_mixed_trainer(folder, make_preset("luffy"), changes, max_steps=LAST)


def publish_run(state: Path, folder: Path) -> dict[str, bytes]:
    """Publish the last checkpoint; its files by name."""
    publish_checkpoints(state, {LAST: LAST}, folder)
    return {
        path.name: path.read_bytes() for path in sorted(find_checkpoint(folder, LAST).iterdir())
    }


def stop_at(step: int) -> TrainerCallback:
    """A callback that asks the run to stop, as a signal would."""

    def stop(args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == step:
            control.should_save = control.should_training_stop = True

    callback = TrainerCallback()
    callback.on_step_end = stop
    return callback


@pytest.mark.parametrize("make", [make_sft_run, make_rl_run])
def test_a_whole_model_is_published(tmp_path: Path, make: Any) -> None:
    trainer = make(tmp_path / "state")
    train_resumably(trainer, tmp_path / "state")
    files = publish_run(tmp_path / "state", tmp_path / "out")
    whole = load_model(find_checkpoint(tmp_path / "out", LAST), Execution())
    before = build_model(SHAPE, seed=3)
    with torch.no_grad():
        trained = trainer.model.eval()(input_ids=IDS).logits
        torch.testing.assert_close(whole(input_ids=IDS).logits, trained, atol=1e-5, rtol=1e-5)
        assert (trained - before.eval()(input_ids=IDS).logits).abs().max() > 1e-3
    assert {"config.json", "generation_config.json", "model.safetensors"} <= files.keys()
    assert not [name for name in files if "adapter" in name or name == "README.md"]
    # Nothing but the adapter has moved, and it was added to a copy.
    names = dict(before.named_parameters())
    frozen = {n: p for n, p in trainer.model.get_base_model().named_parameters() if "lora" not in n}
    assert len(frozen) == len(names)
    for name, weight in frozen.items():
        assert torch.equal(weight, names[name.replace(".base_layer", "")])


@pytest.mark.parametrize("large", [False, True])
def test_an_adapted_model_answers_while_it_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large: bool
) -> None:
    trainer = make_sft_run(tmp_path / "state")
    train_resumably(trainer, tmp_path / "state")
    publish_run(tmp_path / "state", tmp_path / "out")
    whole = load_model(find_checkpoint(tmp_path / "out", LAST), Execution())
    monkeypatch.setattr(library_reader, "LARGE_VOCABULARY", 1 if large else 2**13)
    settings = Sampling(temperature=0.0, max_new_tokens=5)
    answers = [
        TransformersEngine(model, make_lab_tokenizer()).sample([[4, 5], [6]], settings, seed=1)
        for model in (trainer.model, whole)
    ]
    assert [a.token_ids for a in answers[0]] == [a.token_ids for a in answers[1]]


@pytest.mark.parametrize("make", [make_sft_run, make_rl_run])
def test_a_stopped_run_goes_on_to_the_same_bytes(tmp_path: Path, make: Any) -> None:
    train_resumably(make(tmp_path / "alone"), tmp_path / "alone")
    expected = publish_run(tmp_path / "alone", tmp_path / "published")
    stopped = make(tmp_path / "state")
    stopped.add_callback(stop_at(2))
    train_resumably(stopped, tmp_path / "state")
    resumed = make(tmp_path / "state")
    train_resumably(resumed, tmp_path / "state")
    assert list_steps(resumed)[-1]["step"] == LAST
    files = publish_run(tmp_path / "state", tmp_path / "again")
    assert files["model.safetensors"] == expected["model.safetensors"]
    assert files.keys() == expected.keys()


def test_only_named_layers_get_an_adapter(tmp_path: Path) -> None:
    lora = LORA.model_copy(update={"target_modules": ["q_proj"]})
    trainer = make_sft_run(tmp_path, lora=lora)
    trained = [name for name, p in trainer.model.named_parameters() if p.requires_grad]
    assert trained
    assert all("q_proj.lora_" in name for name in trained)
    assert merge_adapter(trainer.model).keys() == build_model(SHAPE, seed=3).state_dict().keys()


def test_without_settings_there_is_no_adapter(tmp_path: Path) -> None:
    assert make_adapter_config(None) is None
    trainer = make_sft_run(tmp_path / "state", lora=None)
    train_resumably(trainer, tmp_path / "state")
    assert not list((tmp_path / "state").rglob("adapter*"))


def test_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(module: str, where: str) -> None:
        raise InputError(f"study: {where}: needs the package {module}")

    monkeypatch.setattr(adapters, "check_package", refuse)
    with pytest.raises(InputError, match="needs the package peft"):
        make_adapter_config(LORA)


def test_an_adapter_needs_whole_weights() -> None:
    recipes = {"mine": SimpleNamespace(lora=LORA)}
    study: Any = SimpleNamespace(
        execution=Execution.model_validate({"rl": {"zero": 3}}),
        recipes=SimpleNamespace(sft=recipes, rl=recipes),
    )
    with pytest.raises(InputError, match=r"recipes\.rl\.mine\.lora: needs whole weights"):
        check_adapters(study, Path("study.yaml"))
    study.execution = Execution.model_validate({"rl": {"zero": 2}})
    check_adapters(study, Path("study.yaml"))


def test_the_head_gets_no_adapter() -> None:
    headed = LORA.model_copy(update={"target_modules": ["q_proj", "lm_head"]})
    study: Any = SimpleNamespace(
        execution=Execution(),
        recipes=SimpleNamespace(sft={"mine": SimpleNamespace(lora=headed)}, rl={}),
    )
    with pytest.raises(InputError, match=r"recipes\.sft\.mine\.lora\.target_modules: the head"):
        check_adapters(study, Path("study.yaml"))
