"""The command `retu`: what this project can be asked besides running it.

    retu update                                        check all results, mend what is not right
    retu lineage why results/lab/tables/table_4.csv    where a table comes from
    retu lineage verify --study lab                    whether results are as recorded
    retu grade answers.jsonl --grader math_verify      grade answers of your own
    retu fit curves.csv                                ceilings and forecasts of your own curves
    retu advise released                               where to start RL, and what to expect
    retu claim table 4 hard 1080                       what the paper says, and what became of it
    retu new-study mine --model FOLDER --train FILE    write a study of your own model and files
    retu check --study mine                            whether it can be run, before it is
    retu plan --study paper                            what a study costs before it is run
    retu cluster check --study paper                   whether a launch on SLURM can succeed

Studies themselves are run by Snakemake (README.md). Every command has its own --help.
"""

import argparse
import os
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from retu.core.errors import InputError
from retu.core.text import join_names

INVALID = re.compile(r"invalid choice: '(?P<word>.*?)' \(choose from (?P<known>.*)\)")
EXIT_BAD_INPUT = 2
PACKAGE = "retu"
PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


@dataclass(frozen=True)
class Subcommand:
    """A sub-command: its module has `add_arguments(parser)` and `main(options)`."""

    module: str
    summary: str
    needs_project: bool = True
    """It asks about studies, rules and results, which an installed package alone has not."""


# Modules are imported when they are asked for: help comes at once.
SUBCOMMANDS = {
    "update": Subcommand(
        "retu.cli.update_command",
        "make again what is missing, edited or stale among a study's results",
    ),
    "lineage": Subcommand(
        "retu.cli.lineage_command",
        "what made a result: ask, verify, compare, restore, export",
    ),
    "grade": Subcommand(
        "retu.cli.grade_command", "grade answers with a study's graders", needs_project=False
    ),
    "fit": Subcommand(
        "retu.cli.fit_command",
        "ceilings, forecasts and verdicts of your own RL curves",
        needs_project=False,
    ),
    "advise": Subcommand(
        "retu.cli.advise_command",
        "where to start RL, what to expect of it, what to run next",
        needs_project=False,
    ),
    "claim": Subcommand(
        "retu.cli.claim_command", "find what the paper says, its verdict and how to trace it"
    ),
    "new-study": Subcommand(
        "retu.cli.new_study_command", "write a study of your own model and files"
    ),
    "check": Subcommand(
        "retu.cli.check_command", "look at a study of your own files before it is run"
    ),
    "plan": Subcommand("retu.cli.plan_command", "what a study costs: GPU-hours, days, disk"),
    "cluster": Subcommand(
        "retu.cli.cluster_command",
        "jobs on a SLURM cluster: check a launch, status, wait, cancel, unlock",
    ),
}


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
            # It reads YAML, which help need not wait for.
            from retu.core.yaml_files import suggest_word

            known = re.findall(r"[\w-]+", found["known"])
            message = f"there is no {found['word']}; {suggest_word(found['word'], known)}"
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


def build_parser(chosen: str | None) -> argparse.ArgumentParser:
    """The parser of `retu`, with the arguments of the `chosen` sub-command only."""
    style = argparse.RawDescriptionHelpFormatter
    parser = CommandParser("retu", description=__doc__, formatter_class=style, allow_abbrev=False)
    parser.add_argument(
        "--version", action=VersionAction, nargs=0, help="print the version and end"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in SUBCOMMANDS.items():
        module = import_module(command.module) if name == chosen else None
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
        options = build_parser(chosen).parse_args(given)
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
