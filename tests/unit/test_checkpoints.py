"""Training state and published checkpoints: nothing half-written or of another run is trusted."""

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from checkpoints_fixtures import MODEL, list_names, write_checkpoint

from retu.core.errors import InputError
from retu.runtime import script
from retu.training import training_state
from retu.training.checkpoints import NanGuard, ResumeCallback, SaveCallback, train_resumably
from retu.training.published_checkpoints import (
    find_checkpoint,
    list_checkpoints,
    publish_checkpoints,
    read_model_config,
)
from retu.training.training_state import MARKER, close_state, find_latest_complete, open_state


@pytest.fixture(autouse=True)
def no_exit_duties() -> Iterator[None]:
    """What a test leaves to the end of a script must not be done by another's."""
    yield
    script.AT_END.clear()


def make_control() -> SimpleNamespace:
    """What a callback tells the trainer to do."""
    return SimpleNamespace(should_save=False, should_evaluate=False, should_log=False)


def test_state_of_the_same_request_stays(tmp_path: Path) -> None:
    open_state(tmp_path / "s", "code", "spec")
    kept = write_checkpoint(tmp_path / "s", 10)
    open_state(tmp_path / "s", "code", "spec")
    assert find_latest_complete(tmp_path / "s") == kept


@pytest.mark.parametrize("request_", [("code", "other"), ("codespec",), ("spec", "code")])
def test_state_of_another_request_waits_aside_until_it_is_asked_for_again(
    tmp_path: Path, request_: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "s"
    open_state(state, "code", "spec")
    kept = write_checkpoint(state, 10)
    open_state(state, *request_)
    (aside,) = tmp_path.glob("s.*")
    assert f"kept as {aside} until this one is" in capsys.readouterr().out
    assert find_latest_complete(state) is None
    write_checkpoint(state, 20)
    open_state(state, "code", "spec")
    assert find_latest_complete(state) == kept
    open_state(state, *request_)
    assert find_latest_complete(state) == state / "checkpoint-20"


def test_a_request_that_has_saved_nothing_leaves_nothing(tmp_path: Path) -> None:
    open_state(tmp_path / "s", "code", "spec")
    open_state(tmp_path / "s", "code", "other")
    assert os.listdir(tmp_path) == ["s"]


def test_what_waited_aside_goes_with_the_state(tmp_path: Path) -> None:
    def main() -> None:
        for spec in ("spec", "other", "third"):
            open_state(tmp_path / "s", "code", spec)
            write_checkpoint(tmp_path / "s", 10)
        (tmp_path / "s2.0123456789abcdef").mkdir()
        close_state(tmp_path / "s")

    script.run_main(main)
    assert os.listdir(tmp_path) == ["s2.0123456789abcdef"]


def test_a_folder_of_unknown_origin_goes(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "s", 10)
    open_state(tmp_path / "s", "code", "spec")
    assert find_latest_complete(tmp_path / "s") is None


def test_a_closed_state_goes_when_the_job_has_succeeded(tmp_path: Path) -> None:
    def main() -> None:
        open_state(tmp_path / "s", "code", "spec")
        close_state(tmp_path / "s")
        # The record of the job is still to be written, and may fail.
        assert (tmp_path / "s").exists()

    script.run_main(main)
    assert not (tmp_path / "s").exists()


def test_state_stays_if_the_job_fails_after_training(tmp_path: Path) -> None:
    def main() -> None:
        open_state(tmp_path / "s", "code", "spec")
        close_state(tmp_path / "s")
        raise InputError("disk full")

    with pytest.raises(SystemExit):
        script.run_main(main)
    script.run_main(lambda: None)
    assert (tmp_path / "s").exists()


def test_other_processes_wait_for_the_main_one_and_write_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "s"
    open_state(state, "code", "old")
    write_checkpoint(state, 8)
    publish_checkpoints(state, {8: 8}, tmp_path / "made")
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    waiting = threading.Thread(target=open_state, args=(state, "code", "new"))
    waiting.start()
    waiting.join(0.3)
    assert waiting.is_alive()
    assert find_latest_complete(state) is not None
    monkeypatch.setenv("RANK", "0")
    open_state(state, "code", "new")
    waiting.join(5)
    assert not waiting.is_alive()
    assert find_latest_complete(state) is None
    monkeypatch.setenv("RANK", "1")
    publish_checkpoints(state, {}, tmp_path / "made")
    assert list(list_checkpoints(tmp_path / "made")) == [8]
    script.run_main(lambda: close_state(state))
    assert state.exists()


def test_a_main_process_that_shares_no_folder_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "3")
    monkeypatch.setattr(training_state, "MAIN_PROCESS_SECONDS", 0.0)
    with pytest.raises(InputError, match="does not appear to process 3; keep"):
        open_state(tmp_path / "s", "code")


def test_saves_at_its_steps_and_logs_first() -> None:
    callback = SaveCallback([10, 20])
    wanted = {}
    for step in (9, 10, 11, 20):
        state, told = SimpleNamespace(global_step=step), make_control()
        callback.on_step_end(None, state, told)
        wanted[step] = (told.should_log, told.should_save, told.should_evaluate)
    due, not_due = (True, True, False), (False,) * 3
    assert wanted == {9: not_due, 10: due, 11: not_due, 20: due}


def test_a_log_that_is_due_stays_due() -> None:
    callback, told = SaveCallback([10]), make_control()
    told.should_log = True
    callback.on_step_end(None, SimpleNamespace(global_step=5), told)
    assert (told.should_log, told.should_save) == (True, False)
    callback.on_step_end(None, SimpleNamespace(global_step=10), told)
    assert (told.should_evaluate, told.should_save) == (False, True)


def test_the_mark_comes_after_the_save(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, 5)
    folder = write_checkpoint(tmp_path, 10, complete=False)
    callback = ResumeCallback(FakeTrainer(), tmp_path, published=[10])
    assert find_latest_complete(tmp_path) == tmp_path / "checkpoint-5"
    callback.on_save(None, SimpleNamespace(global_step=10), make_control())
    assert find_latest_complete(tmp_path) == folder
    assert (folder / MARKER).read_text() == '{"step": 10, "processes": 1}'
    assert list_names(tmp_path) == ["checkpoint-10"]


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
        NanGuard().on_log(None, state, make_control(), logs=logs)


@pytest.mark.parametrize("logs", [None, {}, {"loss": 1.5, "grad_norm": 0.0}, {"reward": "nan"}])
def test_a_healthy_run_goes_on(logs: dict[str, float | str] | None) -> None:
    NanGuard().on_log(None, SimpleNamespace(global_step=7), make_control(), logs=logs)


class FakeTensor(float):
    """Stands for a tensor of one number."""

    def item(self) -> float:
        return float(self)


class FakeTrainer:
    """Stands for a trainer: remembers how it was started, or fails."""

    def __init__(self, error: Exception | None = None, *callbacks: Any) -> None:
        self.state = SimpleNamespace(global_step=3)
        self.error = error
        self.resumed: list[str | None] = []
        self.callback_handler = SimpleNamespace(callbacks=list(callbacks))
        self._tr_loss, self._globalstep_last_logged = FakeTensor(0.25), 3

    def add_callback(self, callback: Any) -> None:
        self.callback_handler.callbacks.append(callback)

    def train(self, resume_from_checkpoint: str | None) -> None:
        self.resumed.append(resume_from_checkpoint)
        if self.error:
            raise self.error


def test_training_starts_over_or_resumes(tmp_path: Path) -> None:
    trainer = FakeTrainer()
    train_resumably(trainer, tmp_path)
    write_checkpoint(tmp_path, 4)
    train_resumably(trainer, tmp_path)
    assert trainer.resumed == [None, str(tmp_path / "checkpoint-4")]


def test_what_an_earlier_start_left_is_pruned_first(tmp_path: Path) -> None:
    for step in (2, 4, 6, 8):
        write_checkpoint(tmp_path, step, complete=step < 8)
    train_resumably(FakeTrainer(None, SaveCallback([2, 4, 6], published=[4])), tmp_path)
    assert list_names(tmp_path) == ["checkpoint-4", "checkpoint-6"]


def test_state_of_another_number_of_processes_is_not_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("WORLD_SIZE", "8")
        write_checkpoint(tmp_path, 4)
    with pytest.raises(InputError, match="was saved by 8 processes and there are 1 now; ask for 8"):
        train_resumably(FakeTrainer(), tmp_path)
    assert (tmp_path / "checkpoint-4" / MARKER).is_file()


def test_the_loss_since_the_last_log_line_is_taken_up(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, 5, complete=False)
    before, after = FakeTrainer(), FakeTrainer()
    state = SimpleNamespace(global_step=5)
    ResumeCallback(before, tmp_path, []).on_save(None, state, make_control())
    after._tr_loss, after._globalstep_last_logged = FakeTensor(0.0), 5
    ResumeCallback(after, tmp_path, []).on_train_begin(None, state, make_control())
    assert (after._tr_loss, after._globalstep_last_logged) == (0.25, 3)


def test_only_the_errors_of_diverged_sampling_are_explained(tmp_path: Path) -> None:
    nan = RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    with pytest.raises(InputError, match="no probabilities to sample from after step 3; lower"):
        train_resumably(FakeTrainer(nan), tmp_path)
    with pytest.raises(RuntimeError, match="out of memory"):
        train_resumably(FakeTrainer(RuntimeError("out of memory")), tmp_path)


def test_published_checkpoints_hold_the_model_only(tmp_path: Path) -> None:
    for step in (40, 80):
        write_checkpoint(tmp_path / "state", step)
    publish_checkpoints(tmp_path / "state", {80: 0}, tmp_path / "base")
    publish_checkpoints(tmp_path / "state", {80: 80, 40: 40}, tmp_path / "sft")
    assert list(list_checkpoints(tmp_path / "base")) == [0]
    assert list(list_checkpoints(tmp_path / "sft")) == [40, 80]
    folder = tmp_path / "base" / "step-000000"
    assert list_names(folder) == sorted(MODEL)
    assert (folder / "config.json").read_text() == "config.json 80"


def test_publishing_copies_only_where_files_cannot_be_linked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_checkpoint(tmp_path / "state", 40) / "model.safetensors"
    publish_checkpoints(tmp_path / "state", {40: 40}, tmp_path / "linked")
    assert (find_checkpoint(tmp_path / "linked", 40) / source.name).samefile(source)

    def fail_to_link(*_: object) -> None:
        raise OSError("Invalid cross-device link")

    monkeypatch.setattr(os, "link", fail_to_link)
    publish_checkpoints(tmp_path / "state", {40: 40}, tmp_path / "copied")
    copy = find_checkpoint(tmp_path / "copied", 40) / source.name
    assert not copy.samefile(source)
    assert copy.read_text() == source.read_text()
    shutil.rmtree(tmp_path / "state")
    assert copy.read_text() == (tmp_path / "linked/step-000040" / source.name).read_text()


def test_a_checkpoint_without_weights_is_not_published(tmp_path: Path) -> None:
    (write_checkpoint(tmp_path / "state", 40) / "model.safetensors").unlink()
    with pytest.raises(InputError, match="holds no weights; ZeRO stage 3 gathers them only with"):
        publish_checkpoints(tmp_path / "state", {40: 40}, tmp_path / "sft")
    assert not (tmp_path / "sft").exists()


def test_unknown_steps_are_named(tmp_path: Path) -> None:
    for step in (40, 80):
        write_checkpoint(tmp_path / "state", step)
    publish_checkpoints(tmp_path / "state", {40: 40, 80: 80}, tmp_path / "sft")
    assert find_checkpoint(tmp_path / "sft", 80).name == "step-000080"
    with pytest.raises(InputError, match="has no checkpoint of step 60, only of 40, 80"):
        find_checkpoint(tmp_path / "sft", 60)
    with pytest.raises(InputError, match="holds no checkpoint; make it again"):
        list_checkpoints(tmp_path / "state")


def test_the_configuration_of_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"hidden_size": 32}')
    assert read_model_config(tmp_path) == {"hidden_size": 32}
