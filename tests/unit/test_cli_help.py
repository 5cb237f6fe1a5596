"""The help of `retu`: commands by task, examples that can be typed, exit statuses in one place."""

import argparse
import re
import shlex
from collections.abc import Iterator

import pytest

from retu.cli.command_line import build_parser, main
from retu.cli.command_registry import EXIT_STATUSES, SUBCOMMANDS, TASKS, format_overview
from retu.planning.stages import ROOT

EXAMPLES = re.compile(r"^Examples:\n\n((?: {4}.*\n)+)", re.MULTILINE)


def list_leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parsers that carry something out: commands, or their actions."""
    groups = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    for group in groups:
        for below in group.choices.values():
            yield below
            yield from list_leaves(below)


PARSERS = {parser.prog: parser for parser in list_leaves(build_parser(*SUBCOMMANDS))}


def read_examples(parser: argparse.ArgumentParser) -> list[str]:
    """The command lines below `Examples:`, without what is said of them."""
    (block,) = EXAMPLES.findall(parser.format_help())
    joined = re.sub(r"\\\n\s*", "", block)
    return [re.split(r"(?<=\S) {2,}", line.strip())[0] for line in joined.splitlines()]


def expand_braces(word: str) -> list[str]:
    """A word as bash has it: `a{0,1}` is two."""
    found = re.fullmatch(r"(.*)\{(.*,.*)\}(.*)", word)
    return [found[1] + part + found[3] for part in found[2].split(",")] if found else [word]


@pytest.mark.parametrize("name", PARSERS)
def test_every_command_has_examples_that_can_be_typed(name: str) -> None:
    examples = read_examples(PARSERS[name])
    assert examples
    for example in examples:
        program, *words = [part for word in shlex.split(example) for part in expand_braces(word)]
        assert program == "retu"
        options = build_parser(words[0]).parse_args(words)
        below = " ".join(filter(None, ("retu", options.command, getattr(options, "action", ""))))
        assert below.startswith(name), f"{example} is none of {name}"


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_the_example_of_the_overview_can_be_typed(name: str) -> None:
    options = build_parser(name).parse_args(shlex.split(SUBCOMMANDS[name].example))
    assert options.command == name


@pytest.mark.parametrize("width", [80, 120])
def test_the_overview_has_every_command_below_its_task_and_fits(width: int) -> None:
    text = format_overview(width)
    assert max(map(len, text.splitlines())) <= width
    places = [text.index(f"\n{task}:\n") for task in TASKS]
    assert places == sorted(places)
    ends = [*places[1:], text.index("\nExit status:\n")]
    for task, start, end in zip(TASKS, places, ends, strict=True):
        told = set(re.findall(r"^ {4}([a-z-]+) ", text[start:end], re.MULTILINE))
        assert told == {name for name, one in SUBCOMMANDS.items() if one.task == task}
        assert told


def test_help_tells_exit_statuses(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as raised:
        main(["-h"])
    assert raised.value.code == 0
    told = capsys.readouterr().out
    assert told == format_overview(80) + "\n"
    for status, meaning in EXIT_STATUSES.items():
        assert f"    {status}  {meaning}\n" in told


def test_the_page_of_commands_has_them_all() -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    for name, command in SUBCOMMANDS.items():
        assert f"| `{name}` |" in page
        assert f"`retu {command.example}`" in page
    for status, meaning in EXIT_STATUSES.items():
        assert f"| {status} | {meaning} |" in page
