"""The errors a user is meant to read, in one line each."""

import shlex
from pathlib import Path


class InputError(Exception):
    """Bad input, told in one line: what is wrong, where (file, key), and what to do about it."""


def advise_making(path: Path) -> str:
    """What to do about a file that is not there: the command of its rule, if it is one's output."""
    tree, _, rest = path.as_posix().partition("/")
    if tree not in ("results", "data") or "/" not in rest:
        return "run the rule that makes it, or correct the path"
    command = ["snakemake", path.as_posix(), "--config", f"study={rest.partition('/')[0]}"]
    return f"run the rule that makes it ({shlex.join(command)})"


class JobInterrupted(BaseException):
    """A job was stopped by SIGTERM after saving its state; the same command resumes it.

    It is no `Exception`: a signal raises it in the middle of any library, which must not catch it.
    """

    def __init__(self, message: str, progressed: bool = False) -> None:
        super().__init__(message)
        self.progressed = progressed
