"""The command `retu`: its parser, its mistakes told in a line, its exit status.

What there is to ask stands in `retu.cli.command_registry`.
"""

import argparse
import os
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from retu.cli.command_registry import SUBCOMMANDS, format_overview
from retu.core.errors import InputError
from retu.core.text import join_names

INVALID = re.compile(r"invalid choice: '(?P<word>.*?)' \(choose from (?P<known>.*)\)")
EXIT_BAD_INPUT = 2
HELP_WIDTH = 100
"""Columns of help where there is no terminal."""
PACKAGE = "retu"
PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


class CommandParser(argparse.ArgumentParser):
    """A parser that tells a mistake in one line, with the word that was probably meant."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse the whole command line; a word that has no place ends it."""
        options, rest = self.parse_known_args(args, namespace)
        if rest:
            self.error(explain_leftover_words(self.prog, options, rest))
        return options

    def error(self, message: str) -> NoReturn:
        """Say in a line what is wrong and where help is, and end."""
        found = INVALID.search(message)
        if found:
            from retu.core.near_words import suggest_near

            known = re.findall(r"[\w-]+", found["known"])
            message = f"there is no {found['word']}; {suggest_near(found['word'], known)}"
        elif "are required: COMMAND" in message:
            message = f"name a command: {', '.join(self.list_commands())}"
        told = f"{self.prog}: {' '.join(message.split())} (see {self.prog} --help)"
        self.exit(EXIT_BAD_INPUT, f"error: {told}\n")

    def list_commands(self) -> list[str]:
        """The names of its sub-commands."""
        groups = [one for one in self._actions if isinstance(one, argparse._SubParsersAction)]
        return [name for group in groups for name in group.choices]


def explain_leftover_words(program: str, options: argparse.Namespace, rest: Sequence[str]) -> str:
    """What was probably meant by words that have no place."""
    program = f"{program} {options.command}"
    word = rest[0]
    if not word.startswith("-") and hasattr(options, "study") and options.study is None:
        return f"{word} has no place here; a study is named by --study: {program} --study {word}"
    return f"{join_names(rest, 3)} has no place in {program}"


class VersionAction(argparse.Action):
    """Print the version of this project and end."""

    def __call__(self, parser: argparse.ArgumentParser, *rest: Any) -> None:
        """Look it up only now: nothing else needs it."""
        print(f"retu {read_project_version()}")
        parser.exit()


def read_project_version() -> str:
    """The version in pyproject.toml, or of the installed package where there is no checkout."""
    if not PROJECT.is_file():
        from importlib.metadata import version

        return version("retu")
    import tomllib

    with PROJECT.open("rb") as handle:
        return str(tomllib.load(handle)["project"]["version"])


class OverviewAction(argparse.Action):
    """Print what there is to ask, by task, and end."""

    def __call__(self, parser: argparse.ArgumentParser, *rest: Any) -> None:
        """Print it at the terminal's width."""
        print(format_overview(shutil.get_terminal_size((HELP_WIDTH, 0)).columns))
        parser.exit()


def build_parser(*chosen: str) -> argparse.ArgumentParser:
    """The parser of `retu`, with the arguments of the `chosen` sub-commands only."""
    style = argparse.RawDescriptionHelpFormatter
    parser = CommandParser("retu", add_help=False, formatter_class=style, allow_abbrev=False)
    told = "print the commands by task and end"
    parser.add_argument("-h", "--help", action=OverviewAction, nargs=0, help=told)
    parser.add_argument(
        "--version", action=VersionAction, nargs=0, help="print the version and end"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in SUBCOMMANDS.items():
        module = import_module(command.module) if name in chosen else None
        below = commands.add_parser(
            name,
            help=command.summary,
            description=module.__doc__ if module else None,
            formatter_class=style,
            allow_abbrev=False,
        )
        if module:
            module.add_arguments(below)
    return parser


def refuse_other_checkout(words: Sequence[str]) -> None:
    """Refuse to work in another checkout than the one that this command belongs to.

    An installed `retu` belongs to one checkout, whatever the current folder is.

    Raises:
        InputError: the current folder lies in another one; names the command for there.
    """
    here = Path.cwd()
    folders = (here, *here.parents)
    found = (f for f in folders if (f / "Snakefile").is_file() and (f / PACKAGE).is_dir())
    checkout = next(found, PROJECT.parent)
    if checkout.resolve() != PROJECT.parent.resolve():
        start = f"cd {shlex.quote(str(checkout))} && " if here != checkout else ""
        raise InputError(
            f"this retu belongs to {PROJECT.parent}, and the current folder to {checkout}; use"
            f" that one's own: {start}python -m {PACKAGE} {shlex.join(words)}"
        )


def refuse_without_project(command: str) -> None:
    """Refuse to ask about studies and results where there are none.

    Raises:
        InputError: this `retu` was installed as a package, not from a checkout.
    """
    if SUBCOMMANDS[command].needs_project and not (PROJECT.parent / "Snakefile").is_file():
        raise InputError(
            f"retu {command}: is about the studies and results of a checkout of this project, and"
            " this retu is installed without one; clone it and ask there"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit status is 0 (fine), 1 (findings) or 2 (bad input, told in a line)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    chosen = next((word for word in given if not word.startswith("-")), None)
    try:
        options = build_parser(*([chosen] if chosen else [])).parse_args(given)
        refuse_other_checkout(given)
        refuse_without_project(options.command)
        status = import_module(SUBCOMMANDS[options.command].module).main(options)
        sys.stdout.flush()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except BrokenPipeError:
        # The reader (head, less) has seen enough; what is left in the buffer has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return int(status or 0)


if __name__ == "__main__":
    sys.exit(main())
