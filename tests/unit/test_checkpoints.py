"""Training state and published checkpoints: nothing half-written or of another run is trusted."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from workflow_scripts.errors import InputError
from workflow_scripts.training.checkpoints import (
    MARKER,
    SaveAtSteps,
    StopOnNan,
    checkpoint_at,
    checkpoint_steps,
    close_state,
    latest_complete,
    model_config,
    open_state,
    publish_checkpoints,
    train_resumably,
)


def save(state: Path, step: int, complete: bool = True) -> Path:
    """A checkpoint as a trainer leaves it."""
    folder = state / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    for name in ("model.safetensors", "config.json", "optimizer.pt", "rng_state.pth"):
        (folder / name).write_text(f"{name} {step}")
    if complete:
        (folder / MARKER).touch()
    return folder


def control() -> SimpleNamespace:
    """What a callback tells the trainer to do."""
    return SimpleNamespace(should_save=False, should_evaluate=False, should_log=False)


def test_state_of_the_same_request_stays(tmp_path: Path) -> None:
    open_state(tmp_path / "s", "code", "spec")
    kept = save(tmp_path / "s", 10)
    open_state(tmp_path / "s", "code", "spec")
    assert latest_complete(tmp_path / "s") == kept


@pytest.mark.parametrize("request_", [("code", "other"), ("codespec",), ("spec", "code")])
def test_state_of_another_request_goes(tmp_path: Path, request_: tuple[str, ...]) -> None:
    open_state(tmp_path / "s", "code", "spec")
    save(tmp_path / "s", 10)
    open_state(tmp_path / "s", *request_)
    assert latest_complete(tmp_path / "s") is None


def test_a_folder_of_unknown_origin_goes(tmp_path: Path) -> None:
    save(tmp_path / "s", 10)
    open_state(tmp_path / "s", "code", "spec")
    assert latest_complete(tmp_path / "s") is None


def test_the_newest_complete_checkpoint_counts_and_unfinished_ones_go(tmp_path: Path) -> None:
    save(tmp_path, 8)
    newest = save(tmp_path, 16)
    unfinished = save(tmp_path, 24, complete=False)
    assert latest_complete(tmp_path) == newest
    assert not unfinished.exists()


def test_a_closed_state_is_gone(tmp_path: Path) -> None:
    open_state(tmp_path / "s", "code", "spec")
    close_state(tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_saves_and_evaluates_at_its_steps_and_logs_first() -> None:
    callback = SaveAtSteps([10, 20], evaluate=True)
    wanted = {}
    for step in (9, 10, 11, 20):
        state, told = SimpleNamespace(global_step=step), control()
        callback.on_step_end(None, state, told)
        wanted[step] = (told.should_log, told.should_evaluate, told.should_save)
    assert wanted == {9: (False,) * 3, 10: (True,) * 3, 11: (False,) * 3, 20: (True,) * 3}


def test_a_save_without_evaluation_keeps_a_log_that_is_due() -> None:
    callback, told = SaveAtSteps([10], evaluate=False), control()
    told.should_log = True
    callback.on_step_end(None, SimpleNamespace(global_step=5), told)
    assert (told.should_log, told.should_save) == (True, False)
    callback.on_step_end(None, SimpleNamespace(global_step=10), told)
    assert (told.should_evaluate, told.should_save) == (False, True)


def test_the_mark_comes_after_the_save(tmp_path: Path) -> None:
    folder = save(tmp_path, 10, complete=False)
    arguments = SimpleNamespace(output_dir=str(tmp_path))
    SaveAtSteps([10], False).on_save(arguments, SimpleNamespace(global_step=10), control())
    assert (folder / MARKER).read_text() == "10"


@pytest.mark.parametrize(
    "logs",
    [
        *({"loss": float("nan")}, {"loss": "nan"}, {"eval_loss": float("inf")}),
        *({"loss": 1.0, "grad_norm": float("nan")}, {"train_loss": float("-inf")}),
    ],
)
def test_a_diverged_run_ends(logs: dict[str, float | str]) -> None:
    state = SimpleNamespace(global_step=7)
    with pytest.raises(InputError, match=r"training: \w+ is -?(nan|inf) at step 7; lower learning"):
        StopOnNan().on_log(None, state, control(), logs=logs)


@pytest.mark.parametrize("logs", [None, {}, {"loss": 1.5, "grad_norm": 0.0}, {"reward": "nan"}])
def test_a_healthy_run_goes_on(logs: dict[str, float | str] | None) -> None:
    StopOnNan().on_log(None, SimpleNamespace(global_step=7), control(), logs=logs)


class Trainer:
    """Stands for a trainer: remembers how it was started, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.state = SimpleNamespace(global_step=3)
        self.error = error
        self.resumed: list[str | None] = []

    def train(self, resume_from_checkpoint: str | None) -> None:
        self.resumed.append(resume_from_checkpoint)
        if self.error:
            raise self.error


def test_training_starts_over_or_resumes(tmp_path: Path) -> None:
    trainer = Trainer()
    train_resumably(trainer, tmp_path)
    save(tmp_path, 4)
    train_resumably(trainer, tmp_path)
    assert trainer.resumed == [None, str(tmp_path / "checkpoint-4")]


def test_only_the_errors_of_diverged_sampling_are_explained(tmp_path: Path) -> None:
    nan = RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    with pytest.raises(InputError, match="no probabilities to sample from after step 3; lower"):
        train_resumably(Trainer(nan), tmp_path)
    with pytest.raises(RuntimeError, match="out of memory"):
        train_resumably(Trainer(RuntimeError("out of memory")), tmp_path)


def test_published_checkpoints_hold_the_model_only(tmp_path: Path) -> None:
    for step in (40, 80):
        save(tmp_path / "state", step)
    publish_checkpoints(tmp_path / "state", {80: 0}, tmp_path / "base")
    publish_checkpoints(tmp_path / "state", {80: 80, 40: 40}, tmp_path / "sft")
    assert list(checkpoint_steps(tmp_path / "base")) == [0]
    assert list(checkpoint_steps(tmp_path / "sft")) == [40, 80]
    folder = tmp_path / "base" / "step-000000"
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert (folder / "config.json").read_text() == "config.json 80"


def test_unknown_steps_are_named(tmp_path: Path) -> None:
    for step in (40, 80):
        save(tmp_path / "state", step)
    publish_checkpoints(tmp_path / "state", {40: 40, 80: 80}, tmp_path / "sft")
    assert checkpoint_at(tmp_path / "sft", 80).name == "step-000080"
    with pytest.raises(InputError, match="has no checkpoint of step 60, only of 40, 80"):
        checkpoint_at(tmp_path / "sft", 60)
    with pytest.raises(InputError, match="holds no checkpoint; delete it and run again"):
        checkpoint_steps(tmp_path / "state")


def test_the_configuration_of_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"hidden_size": 32}')
    assert model_config(tmp_path) == {"hidden_size": 32}
