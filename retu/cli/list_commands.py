"""Commands and exit statuses as tables of docs/commands.md: `python -m retu.cli.list_commands`."""

from pathlib import Path

from retu.cli.command_line import PACKAGE
from retu.cli.command_registry import EXIT_STATUSES, SUBCOMMANDS, TASKS
from retu.core.markdown import make_table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "commands.md"
MARK = "<!-- by python -m retu.cli.list_commands: {} -->\n"
END = "<!-- end -->\n"


def format_commands() -> str:
    """A Markdown table: every command by its task, what it is for, and an example."""
    commands = sorted(SUBCOMMANDS.items(), key=lambda one: TASKS.index(one[1].task))
    tasks = [command.task for _, command in commands]
    first = ["" if task in tasks[:i] else task for i, task in enumerate(tasks)]
    examples = [" ".join((PACKAGE, command.example)) for _, command in commands]
    return make_table(
        [
            ("To", False, first),
            ("Command", False, [f"`{name}`" for name, _ in commands]),
            ("What it is for", False, [command.summary for _, command in commands]),
            (
                "Example",
                False,
                [f"`{example}`" for example in examples],
            ),
        ]
    ).format_markdown()


def format_exit_statuses() -> str:
    """A Markdown table of exit statuses."""
    return make_table(
        [
            ("Status", True, [str(status) for status in EXIT_STATUSES]),
            ("Meaning", False, list(EXIT_STATUSES.values())),
        ]
    ).format_markdown()


def replace_tables(text: str) -> str:
    """A page with the tables between its marks made anew."""
    for name, table in (("commands", format_commands()), ("exit", format_exit_statuses())):
        mark = MARK.format(name)
        before, _, rest = text.partition(mark)
        text = before + mark + table + END + rest.partition(END)[2]
    return text


if __name__ == "__main__":
    PAGE.write_text(replace_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
