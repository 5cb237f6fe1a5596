"""The errors a user is meant to read, in one line each."""

import shlex
from pathlib import Path

CHECKPOINTS = "checkpoints"
"""The folder of a run that holds its checkpoints, a folder each."""


class InputError(Exception):
    """Bad input, told in one line: what is wrong, where (file, key), and what to do about it."""


def advise_making(path: Path) -> str:
    """What to do about a file that is not there: the command of its rule, if it is one's output."""
    tree, _, rest = path.as_posix().partition("/")
    if tree not in ("results", "data") or "/" not in rest:
        return "run the rule that makes it, or correct the path"
    command = ["snakemake", path.as_posix(), "--config", f"study={rest.partition('/')[0]}"]
    return f"run the rule that makes it ({shlex.join(command)})"


def advise_making_again(path: Path) -> str:
    """What to do about a file that is there and no good: the command that makes it once more.

    A checkpoint is made again with the others of its folder, which are one output. A file of
    nobody's rule is the user's own.
    """
    tree, _, rest = path.as_posix().partition("/")
    if tree not in ("results", "data") or "/" not in rest:
        return "make it again, or name another"
    parts = path.parts
    target = Path(*parts[: parts.index(CHECKPOINTS) + 1]) if CHECKPOINTS in parts else path
    study = rest.partition("/")[0]
    command = ["snakemake", "--force", target.as_posix(), "--config", f"study={study}"]
    return f"make it again ({shlex.join(command)})"


class JobInterrupted(BaseException):
    """A job was stopped by SIGTERM after saving its state; the same command resumes it.

    It is no `Exception`: a signal raises it in the middle of any library, which must not catch it.
    """

    def __init__(self, message: str, progressed: bool = False) -> None:
        super().__init__(message)
        self.progressed = progressed
