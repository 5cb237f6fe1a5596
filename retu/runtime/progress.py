"""Telling the person who waits: one line now and then on the terminal, all of it in the log.

Rules send a job's output to its log file and hand the terminal over as another file descriptor
(`3>&2 > log 2>&1`), whose number stands in `RETU_PROGRESS_FD`: without it, descriptor 3 would be
whatever file a job opened first. Started by hand, a job tells its progress to the log alone.
"""

import contextlib
import os
import time
from typing import Any

from transformers import TrainerCallback

from retu.runtime.launch import PROGRESS

EVERY_SECONDS = 10.0
SHOWN_METRICS = (("loss", "loss"), ("reward", "reward"), ("eval_loss", "validation loss"))


def print_progress(text: str) -> None:
    """Print to the log, and to the terminal if the job was given one."""
    print(text, flush=True)
    if PROGRESS in os.environ:
        # The terminal may be closed long before the job is done: the log has the line anyway.
        with contextlib.suppress(OSError):
            os.write(int(os.environ[PROGRESS]), f"    {text}\n".encode())


class ProgressCallback(TrainerCallback):
    """Steps done, loss or reward, and time left, at most every `EVERY_SECONDS`."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.started = self.told = time.monotonic()
        self.first_step = 0
        self.latest: dict[str, float] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock; a resumed run counts from where it resumed."""
        self.started = self.told = time.monotonic()
        self.first_step = state.global_step

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        """Remember the newest figures and tell them when it is time."""
        for key, name in SHOWN_METRICS:
            if key in (logs or {}):
                self.latest[name] = float((logs or {})[key])
        now = time.monotonic()
        if now - self.told < EVERY_SECONDS or state.global_step >= state.max_steps:
            return
        self.told = now
        done = state.global_step - self.first_step
        left = (now - self.started) / max(done, 1) * (state.max_steps - state.global_step)
        step = f"step {state.global_step} of {state.max_steps}"
        print_progress(f"{self.title}: {step}, {self.figures()}, {left:.0f} s left")

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Say that the run is over, or that it was asked to stop."""
        seconds = time.monotonic() - self.started
        ended = "done" if state.global_step >= state.max_steps else "stopped"
        steps = f"{state.global_step} steps in {seconds:.0f} s"
        print_progress(f"{self.title}: {ended}, {steps}, {self.figures()}")

    def figures(self) -> str:
        """The newest figures as text."""
        return ", ".join(f"{name} {value:.3f}" for name, value in self.latest.items())
