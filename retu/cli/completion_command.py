"""Print a script that lets a shell complete commands, options and the names of this project.

Examples:

    retu completion bash     eval "$(retu completion bash)", or save it where bash looks
    retu completion zsh      retu completion zsh > FOLDER_OF_FPATH/_retu

Studies are listed when you press the tab key; targets, protocols, graders and formats of logs are
those of the moment at which the script was printed.
"""

import argparse
import shlex
from collections.abc import Iterator
from pathlib import Path

import shtab

from retu.cli.command_registry import SUBCOMMANDS
from retu.config.graders import load_graders
from retu.config.load import STUDIES
from retu.config.protocols import load_protocols
from retu.logs.log_formats import ALIASES, FORMATS
from retu.planning.artefact_choice import ARTEFACT_TITLES

SHELLS = ("bash", "zsh")
# What an argument of this name means, whatever the command.
STUDY_ARGUMENTS = ("study", "source")
WORDS_OF_ARGUMENTS = {
    "targets": lambda: list(ARTEFACT_TITLES),
    "protocol": lambda: list(load_protocols()),
    "grader": lambda: list(load_graders()),
    "compare": lambda: list(load_graders()),
    "format": lambda: [one.name for one in FORMATS] + [*ALIASES],
}
FILE_ARGUMENTS = (
    *("file", "output", "target", "a", "b", "out", "key"),
    *("train", "validation", "prompts"),
)
FOLDER_ARGUMENTS = ("profile", "model")


def add_arguments(to: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    to.add_argument("shell", choices=SHELLS, help="the shell that shall complete")


def main(options: argparse.Namespace) -> None:
    """Print the script."""
    # The parser of all commands imports every one of them: only this command needs that.
    from retu.cli.command_line import build_parser

    parser = build_parser(*SUBCOMMANDS)
    for argument in list_arguments(parser):
        add_completion(argument)
    print(shtab.complete(parser, shell=options.shell))


def list_arguments(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """All arguments of a parser and of the parsers below it."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from list_arguments(below)


def add_completion(argument: argparse.Action) -> None:
    """Say what completes an argument, where its name tells."""
    name = argument.dest
    if name in STUDY_ARGUMENTS:
        found = shtab.cmd(f"cd {shlex.quote(str(STUDIES))} && ls *.yaml | sed 's/[.]yaml$//'")
    elif name in WORDS_OF_ARGUMENTS:
        found = shtab.cmd(f"echo {shlex.join(WORDS_OF_ARGUMENTS[name]())}")
    elif name in FOLDER_ARGUMENTS:
        found = shtab.DIRECTORY
    elif name in FILE_ARGUMENTS or argument.type is Path:
        found = shtab.FILE
    else:
        return
    argument.complete = found  # type: ignore[attr-defined]
