"""A job of several processes that does what it is told: `python -m launch_toy ACTION STEPS`.

It stands for `retu.cli.run_job`: joins, trains in step with the others, and reports.
"""

import os
import sys
import time
from pathlib import Path

from retu.core.errors import InputError, Interrupted
from retu.runtime.interruption import listening
from retu.runtime.launch import join, report
from retu.runtime.processes import (
    in_any_process,
    is_main,
    rank,
    wait_for_everyone,
    world_size,
)
from retu.runtime.script import leave

SAVING_SECONDS = 3.0


def main() -> None:
    """Take one's place, act, and say how it ended."""
    action, steps = sys.argv[1], int(sys.argv[2])
    with listening() as request:
        try:
            join(2)
            print(f"process {rank()} of {world_size()}", flush=True)
            fail(action)
            request.patient = True
            wait_for_everyone()
            for step in range(steps):
                Path("started").touch()
                time.sleep(0.1)
                if in_any_process(request.asked):
                    save(step)
            if is_main():
                Path("finished").touch()
        except (InputError, Interrupted) as error:
            leave(report(error))
    leave(0)


def fail(action: str) -> None:
    """Let process 1 fail while the other is loading."""
    if action != "work" and is_main():
        time.sleep(60.0)
    if action == "bad":
        raise InputError("study: key: correct it")
    if action == "crash":
        raise RuntimeError("lost a GPU")


def save(step: int) -> None:
    """Take longer for it than torchrun would wait; more signals may come."""
    time.sleep(SAVING_SECONDS)
    Path(f"saved-{rank()}").write_text(os.environ["LOCAL_RANK"])
    wait_for_everyone()
    raise Interrupted(f"at step {step}", progressed=True)


if __name__ == "__main__":
    main()
