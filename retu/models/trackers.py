"""Trackers that watch a training: W&B, TensorBoard, MLflow, as `config.yaml` names them.

They change no result, so no specification and no key knows of them: the Snakefile hands their names
to every job in its environment. A job that is started by hand reads them there, too.
"""

import importlib.util
import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from retu.core.errors import InputError

REPORT_TO = "RETU_REPORT_TO"
"""Names of trackers, with commas between them."""
TENSORBOARD_FOLDER = "TENSORBOARD_LOGGING_DIR"
RUNS = Path("runs")
"""Where TensorBoard's files go if its variable is not set: the state of a run goes with its end."""
PACKAGES = {
    "wandb": ("wandb",),
    "tensorboard": ("tensorboard", "tensorboardX"),
    "mlflow": ("mlflow",),
}
"""Tracker -> the packages of which it needs one."""


def make_tracker_arguments(
    state: Path, environment: MutableMapping[str, str] | None = None
) -> dict[str, Any]:
    """The trainer's arguments about trackers: which of them, and what the run is called there.

    Args:
        state: the folder of the run's state, whose last parts name the run.
        environment: of the process, in which TensorBoard is told its folder.

    Raises:
        InputError: an unknown tracker, or one whose package is not installed.
    """
    variables = os.environ if environment is None else environment
    names = [name for name in variables.get(REPORT_TO, "").split(",") if name]
    if not names:
        return {"report_to": "none"}
    for name in names:
        if name not in PACKAGES:
            raise InputError(f"{REPORT_TO}: {name!r} is none of {', '.join(PACKAGES)}; correct it")
        if not any(importlib.util.find_spec(package) for package in PACKAGES[name]):
            raise InputError(
                f"config.yaml: report_to: {name} needs the package {PACKAGES[name][0]}, which is"
                " not installed; install it or leave it out"
            )
    title = "/".join(state.parts[1:] if state.parts[:1] == (".state",) else state.parts[-5:])
    variables.setdefault(TENSORBOARD_FOLDER, str(RUNS / title.strip("/")))
    return {"report_to": names, "run_name": title}
