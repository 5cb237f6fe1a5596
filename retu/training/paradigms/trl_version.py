"""The door to TRL: private methods of its trainer are overridden, so one version is supported."""

import importlib.metadata
from typing import Any

from retu.core.errors import InputError

SUPPORTED = "1.16.0"
"""The version of TRL whose `GRPOTrainer` the overridden hooks belong to."""


def check_version() -> None:
    """Refuse any other TRL before it is imported.

    Raises:
        InputError: TRL is missing or of another version; private methods change between any two.
    """
    try:
        installed = importlib.metadata.version("trl")
    except importlib.metadata.PackageNotFoundError:
        installed = "none"
    if installed != SUPPORTED:
        raise InputError(
            f"trl: version {installed} is installed, and the trainer of the paradigms overrides"
            f" private methods of version {SUPPORTED}; run: pip install trl=={SUPPORTED}"
        )


def import_grpo_trainer() -> Any:
    """The class `trl.GRPOTrainer` of the supported version.

    Raises:
        InputError: as `check_version`.
    """
    check_version()
    from trl import GRPOTrainer

    return GRPOTrainer
