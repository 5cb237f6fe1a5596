"""Progress: always in the log, and on the terminal if the job was given one."""

import os
from types import SimpleNamespace

import pytest

from retu.runtime.launch import PROGRESS
from retu.runtime.progress import (
    EVERY_SECONDS,
    ProgressCallback,
    format_seconds,
    print_progress,
)


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


def test_a_long_step_shows_that_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = [0.0]
    monkeypatch.setattr("retu.runtime.progress.time.monotonic", lambda: clock[0])
    monkeypatch.delenv(PROGRESS, raising=False)
    progress, state = ProgressCallback("SFT X"), SimpleNamespace(global_step=0, max_steps=10)
    args = SimpleNamespace(gradient_accumulation_steps=4)
    progress.on_train_begin(args, state, None)
    # Validation before the first step: nothing is done from which to tell what is left.
    clock[0] = 20.0
    progress.on_log(args, state, None, logs={"eval_loss": 3.0})
    assert capsys.readouterr().out == "SFT X: step 0 of 10, validation loss 3.000\n"
    for clock[0], step in ((25.0, "begin"), (29.0, "sub"), (40.0, "sub"), (60.0, "sub")):
        if step == "begin":
            progress.on_step_begin(args, state, None)
        else:
            progress.on_substep_end(args, state, None)
    assert capsys.readouterr().out == (
        "SFT X: step 0 of 10, micro-batch 2 of 4 of the next, validation loss 3.000, 13 min left\n"
        "SFT X: step 0 of 10, micro-batch 3 of 4 of the next, validation loss 3.000, 12 min left\n"
    )
    clock[0], state.global_step = 100.0, 1
    progress.on_step_begin(args, state, None)
    told = "SFT X: step 1 of 10, validation loss 3.000, 15 min left\n"
    assert capsys.readouterr().out == told


@pytest.mark.parametrize(
    ("seconds", "text"), [(33.4, "33 s"), (179, "179 s"), (180, "3 min"), (9000, "2.5 h")]
)
def test_times_are_told_as_one_reads_them(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text
