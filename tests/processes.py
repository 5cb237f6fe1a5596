"""Commands that tests run in processes of their own."""

import subprocess
from collections.abc import Sequence
from typing import Any


def run_command(command: Sequence[str], **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end, whatever that is, and keep what it prints.

    `options` are those of `subprocess.run`, such as `cwd` and `env`.
    """
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)
