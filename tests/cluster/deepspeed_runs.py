"""A training script that dies after a step: `deepspeed_runs.py MODULE STEP OPTIONS` (0: never)."""

import importlib
import os
import sys
from typing import Any
from unittest import mock

from transformers import TrainerCallback

from retu.runtime.script import run_main
from retu.training import checkpoints


def make_process_killer(step: int) -> TrainerCallback:
    """Ends the process as a kill would, at the end of a step, before anything is saved for it."""

    def kill(args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == step:
            os._exit(9)

    callback = TrainerCallback()
    callback.on_step_end = kill
    return callback


def main() -> None:
    """Run the script with the options that are left."""
    module, step = sys.argv.pop(1), int(sys.argv.pop(1))
    script = importlib.import_module(f"workflow_scripts.{module}")
    train = checkpoints.train_resumably

    def train_and_die(trainer: Any, *others: Any, **options: Any) -> None:
        trainer.add_callback(make_process_killer(step))
        train(trainer, *others, **options)

    with mock.patch.object(script, "train_resumably", train_and_die):
        run_main(script.main)


if __name__ == "__main__":
    main()
