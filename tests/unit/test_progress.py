"""Progress: always in the log, and on the terminal if the job was given one."""

import os
from types import SimpleNamespace

import pytest

from retu.runtime.launch import PROGRESS
from retu.runtime.progress import EVERY_SECONDS, ProgressCallback, print_progress


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> int:
    """A pipe in the place of the terminal; its reading end."""
    reading, writing = os.pipe()
    monkeypatch.setenv(PROGRESS, str(writing))
    return reading


def test_told_to_log_and_terminal(terminal: int, capsys: pytest.CaptureFixture[str]) -> None:
    print_progress("half way")
    assert capsys.readouterr().out == "half way\n"
    assert os.read(terminal, 100) == b"    half way\n"


def test_without_a_terminal_the_log_is_enough(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(PROGRESS, raising=False)
    print_progress("half way")
    assert capsys.readouterr().out == "half way\n"


def test_a_closed_terminal_does_not_end_a_job(
    terminal: int, capsys: pytest.CaptureFixture[str]
) -> None:
    os.close(terminal)
    print_progress("half way")
    assert capsys.readouterr().out == "half way\n"


def test_lines_are_rare_and_say_what_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = [100.0]
    monkeypatch.setattr("retu.runtime.progress.time.monotonic", lambda: clock[0])
    monkeypatch.delenv(PROGRESS, raising=False)
    progress, state = ProgressCallback("SFT X"), SimpleNamespace(global_step=20, max_steps=60)
    progress.on_train_begin(None, state, None)
    # Resumed at step 20: ten steps in eleven seconds leave thirty steps in thirty-three.
    for seconds, step in ((1.0, 21), (EVERY_SECONDS + 1, 30), (EVERY_SECONDS + 2, 31)):
        clock[0] = 100.0 + seconds
        state.global_step = step
        progress.on_log(None, state, None, logs={"loss": 0.5, "other": 1.0})
    assert capsys.readouterr().out == "SFT X: step 30 of 60, loss 0.500, 33 s left\n"
    state.global_step = 60
    progress.on_log(None, state, None, logs={"eval_loss": 0.25})
    progress.on_train_end(None, state, None)
    last = "SFT X: done, 60 steps in 12 s, loss 0.500, validation loss 0.250\n"
    assert capsys.readouterr().out == last
