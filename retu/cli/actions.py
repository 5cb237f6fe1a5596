"""Actions of a command, such as `retu lineage why`: tables of what each one calls and takes."""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path


@dataclass(frozen=True)
class Action:
    """An action: `module.function(options)` carries it out; `arguments` add its options.

    `examples` are command lines; two blanks part a command from what is said of it.
    """

    module: str
    function: str
    summary: str
    examples: tuple[str, ...]
    details: str = ""
    arguments: tuple[Callable[[argparse.ArgumentParser], None], ...] = ()


def add_actions(parser: argparse.ArgumentParser, actions: Mapping[str, Action], root: Path) -> None:
    """Add the parsers of all actions below that of their command; `root` is the project's."""
    commands = parser.add_subparsers(dest="action", metavar="COMMAND", required=True)
    for name, action in actions.items():
        below = commands.add_parser(
            name,
            help=action.summary,
            description=describe_action(action),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        for add in action.arguments:
            add(below)
        below.set_defaults(root=root)


def describe_action(action: Action) -> str:
    """What its help says above the options."""
    told = f"{action.summary[0].upper()}{action.summary[1:]}."
    examples = "\n".join(f"    {line}" for line in action.examples)
    return f"{told}\n\nExamples:\n\n{examples}\n\n{action.details}"


def run_action(action: Action, options: argparse.Namespace) -> int:
    """Carry out an action; its exit status. Its module is imported only now: help comes at once."""
    return int(getattr(import_module(action.module), action.function)(options))
