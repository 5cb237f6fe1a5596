"""What every thin script shares: the entry point and the command line for paths."""

import argparse
import atexit
import contextlib
import os
import sys
from collections.abc import Callable, Collection
from typing import Any, NoReturn, TypeVar

from pydantic import TypeAdapter

from retu.core.errors import InputError, JobInterrupted
from retu.core.validation import explain_mistakes
from retu.runtime.disk import explain_disk_error
from retu.runtime.usage import format_usage_line

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = os.EX_TEMPFAIL
AT_END: list[Callable[[], object]] = []
"""What is left to do when all of a job has succeeded: its record is the last that can fail."""
Job = TypeVar("Job")
Kind = type | Callable[[str], object]


def run_main(main: Callable[[], None]) -> None:
    """Run a script: an error meant for the user ends it with one line on stderr.

    The exit status is 2 for an `InputError` and for what a disk refuses, and 75 (try again) for a
    job that was asked to stop.
    """
    status, said = 0, ""
    try:
        main()
        while AT_END:
            AT_END.pop(0)()
        print(format_usage_line())
    except InputError as error:
        status, said = EXIT_BAD_INPUT, f"error: {error}"
    except JobInterrupted as error:
        status, said = EXIT_INTERRUPTED, f"interrupted: {error}"
    except Exception as error:
        explained = explain_disk_error(error)
        if explained is None:
            raise
        status, said = EXIT_BAD_INPUT, f"error: {explained}"
    finally:
        AT_END.clear()
    if said:
        print_last(said)
    if main.__module__ == "__main__":
        exit_process(status)
    if status:
        sys.exit(status)


def print_last(text: str) -> None:
    """Print a line to stderr, or to the terminal where stderr is a log on a full disk."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        # Without a terminal Snakemake's own last line has to do: it looks at the disk as well.
        with contextlib.suppress(OSError, ValueError):
            os.write(int(os.environ.get("RETU_PROGRESS_FD", "")), f"{text}\n".encode())


def exit_process(status: int) -> NoReturn:
    """End a script's own process with its exit handlers, but without tearing down its modules.

    Unloading torch and transformers takes over a second a process, for memory that the system
    takes back at once.
    """
    atexit._run_exitfuncs()
    # A log on a full disk takes nothing more: that fails a job, but changes no failure's status.
    with contextlib.suppress(*[OSError] if status else []):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def make_parser(doc: str | None) -> argparse.ArgumentParser:
    """A parser whose description is the script's docstring and that takes no abbreviations."""
    return argparse.ArgumentParser(
        description=doc, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def parse_arguments(
    doc: str | None, optional: Collection[str] = (), /, **options: Kind | list[Kind]
) -> argparse.Namespace:
    """Parse options given as `name=type`; `model_dir=Path` becomes `--model-dir PATH`.

    `fits=[Path]` takes one file or more. Those named in `optional` may be left out, and are then
    None or an empty list.
    """
    result = make_parser(doc)
    for name, kind in options.items():
        several: dict[str, Any] = {}
        if isinstance(kind, list):
            (kind,), several = kind, {"nargs": "*" if name in optional else "+", "default": []}
        option, required = "--" + name.replace("_", "-"), name not in optional
        result.add_argument(option, dest=name, type=kind, required=required, **several)
    return result.parse_args()


def make_spec_reader(model: type[Job]) -> Callable[[str], Job]:
    """Reads the JSON of `--spec` into `model`, a pydantic model or a dataclass.

    InputError names the first wrong key.
    """

    def read(text: str) -> Job:
        with explain_mistakes("--spec"):
            return TypeAdapter(model).validate_json(text)

    return read
