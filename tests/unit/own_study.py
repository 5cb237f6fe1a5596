"""`retu new-study mine` and `retu check --study mine`, called in this process."""

import argparse

from retu.cli import check_command, new_study_command


def parse_options(module: object, *words: str) -> argparse.Namespace:
    """The options of a command."""
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)  # type: ignore[attr-defined]
    return parser.parse_args(words)


def write_study(*words: str) -> None:
    """Call `retu new-study mine`."""
    new_study_command.main(parse_options(new_study_command, "mine", *words))


def check_study() -> None:
    """Call `retu check --study mine`."""
    check_command.main(parse_options(check_command, "--study", "mine"))
