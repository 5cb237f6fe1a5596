"""Snakemake with a SLURM executor that asks for its jobs every two seconds.

The executor waits ten seconds longer after every question without news, up to three minutes: right
for jobs of hours, but tests would mostly wait. Nothing else is changed, and jobs run the original.
"""

import sys

from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor

SECONDS = 2


def get_short_interval(executor: Executor) -> int:
    """What the executor reads before it sleeps."""
    return SECONDS


def ignore_interval(executor: Executor, seconds: int) -> None:
    """The longer and longer times that the executor sets."""


if __name__ == "__main__":
    Executor.next_seconds_between_status_checks = property(get_short_interval, ignore_interval)
    sys.exit(main())
