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
    """Steps done, loss or reward, and time left, at most every `EVERY_SECONDS`.

    Between two steps, after a line of the log, and after each micro-batch of a long step.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.started = self.told = time.monotonic()
        self.first_step = 0
        self.parts = 0
        self.latest: dict[str, float] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock; a resumed run counts from where it resumed."""
        self.started = self.told = time.monotonic()
        self.first_step = state.global_step

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tell of the steps before; their figures have been logged by now."""
        self.parts = 0
        if state.global_step > self.first_step:
            self.tell_when_due(state)

    def on_substep_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tell of a micro-batch, so that a step of many minutes shows that it goes on."""
        self.parts += 1
        self.tell_when_due(state, args.gradient_accumulation_steps)

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        """Remember the newest figures and tell them when it is time."""
        for key, name in SHOWN_METRICS:
            if key in (logs or {}):
                self.latest[name] = float((logs or {})[key])
        if state.global_step < state.max_steps:
            self.tell_when_due(state)

    def tell_when_due(self, state: Any, of_parts: int = 0) -> None:
        """Print a line, unless the last one is fresh.

        Args:
            state: the trainer's.
            of_parts: micro-batches of the step that runs; 0: between two steps.
        """
        now = time.monotonic()
        if now - self.told < EVERY_SECONDS:
            return
        self.told = now
        share = self.parts / of_parts if of_parts else 0.0
        done = state.global_step - self.first_step + share
        rest = state.max_steps - state.global_step - share
        left = f"{format_seconds((now - self.started) / done * rest)} left" if done else ""
        step = f"step {state.global_step} of {state.max_steps}"
        part = f"micro-batch {self.parts} of {of_parts} of the next" if of_parts else ""
        told = filter(None, (step, part, self.figures(), left))
        print_progress(f"{self.title}: {', '.join(told)}")

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Say that the run is over, or that it was asked to stop."""
        seconds = time.monotonic() - self.started
        ended = "done" if state.global_step >= state.max_steps else "stopped"
        steps = f"{state.global_step} steps in {seconds:.0f} s"
        print_progress(f"{self.title}: {ended}, {steps}, {self.figures()}")

    def figures(self) -> str:
        """The newest figures as text."""
        return ", ".join(f"{name} {value:.3f}" for name, value in self.latest.items())


def format_seconds(seconds: float) -> str:
    """A time as one reads it: seconds, then minutes, then hours."""
    if seconds < 180:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
