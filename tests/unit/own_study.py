"""`retu new-study mine` and `retu check --study mine`, called in this process."""

import argparse
from pathlib import Path
from typing import Any

import pytest
from files_fixtures import draw_sums

from retu.cli import check_command, new_study_command
from retu.core.errors import InputError

Row = dict[str, Any]


def parse_options(module: object, *words: str) -> argparse.Namespace:
    """The options of a command."""
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)  # type: ignore[attr-defined]
    return parser.parse_args(words)


def write_study(*words: str) -> None:
    """Call `retu new-study mine`."""
    new_study_command.main(parse_options(new_study_command, "mine", *words))


def check_study(*words: str) -> int:
    """Call `retu check --study mine`; its exit status."""
    return check_command.main(parse_options(check_command, "--study", "mine", *words))


def make_rows() -> list[Row]:
    """question, response and gold of different sums."""
    return [
        {"question": p.question, "response": p.write_trajectory(), "gold": p.gold}
        for p in draw_sums()
    ]


def refuse_study(model: Path, studies: Path, *words: str) -> str:
    """The message of `retu new-study`, which leaves nothing."""
    with pytest.raises(InputError) as refused:
        write_study("--model", str(model), *words)
    message = str(refused.value)
    assert "\n" not in message
    assert "delete" not in message
    assert not list(studies.iterdir())
    return message
