"""A job of several processes that does what it is told: `python -m launch_toy ACTION STEPS`.

It stands for `retu.cli.run_job`: joins, trains in step with the others, and reports.
"""

import os
import sys
import time
from pathlib import Path

from retu.core.errors import InputError, JobInterrupted
from retu.runtime.interruption import listen_for_sigterm
from retu.runtime.launch import join_processes, report_error
from retu.runtime.processes import (
    get_rank,
    get_world_size,
    is_main_process,
    is_true_in_any_process,
    wait_for_everyone,
)
from retu.runtime.script import exit_process

SAVING_SECONDS = 3.0


def main() -> None:
    """Take one's place, act, and say how it ended."""
    action, steps = sys.argv[1], int(sys.argv[2])
    with listen_for_sigterm() as request:
        try:
            join_processes(2)
            print(f"process {get_rank()} of {get_world_size()}", flush=True)
            fail_in_process_one(action)
            request.patient = True
            wait_for_everyone()
            for step in range(steps):
                Path("started").touch()
                time.sleep(0.1)
                if is_true_in_any_process(request.asked):
                    save_slowly(step)
            if is_main_process():
                Path("finished").touch()
        except (InputError, JobInterrupted) as error:
            exit_process(report_error(error))
    exit_process(0)


def fail_in_process_one(action: str) -> None:
    """Let process 1 fail while the other is loading."""
    if action != "work" and is_main_process():
        time.sleep(60.0)
    if action == "bad":
        raise InputError("study: key: correct it")
    if action == "crash":
        raise RuntimeError("lost a GPU")


def save_slowly(step: int) -> None:
    """Take longer for it than torchrun would wait; more signals may come."""
    time.sleep(SAVING_SECONDS)
    Path(f"saved-{get_rank()}").write_text(os.environ["LOCAL_RANK"])
    wait_for_everyone()
    raise JobInterrupted(f"at step {step}", progressed=True)


if __name__ == "__main__":
    main()
