"""Commands that tests run in processes of their own."""

import os
import subprocess
from collections.abc import Sequence
from typing import Any


def run_command(
    command: Sequence[str | os.PathLike[str]], **options: Any
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end, whatever that is, and keep what it prints.

    `options` are those of `subprocess.run`, such as `cwd` and `env`.
    """
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.run(command, text=True, check=False, **pipes)


def run_as_on_terminal(
    command: Sequence[str | os.PathLike[str]], **options: Any
) -> "subprocess.CompletedProcess[str]":
    """Like `run_command`; stdout and stderr come back as one text in `stdout`."""
    return run_command(command, stderr=subprocess.STDOUT, **options)


def read_output(command: Sequence[str | os.PathLike[str]], **options: Any) -> str:
    """What a command prints on both streams; it must succeed."""
    done = run_as_on_terminal(command, **options)
    assert done.returncode == 0, done.stdout
    return done.stdout
