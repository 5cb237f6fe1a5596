"""Reading a user's file of generations: JSON lines with id, gold and generation."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.errors import InputError

NEEDED = ("id", "gold", "generation")
FINISHED = "finished"
ONLY = "all"


def read_rows(path: Path) -> pd.DataFrame:
    """One row per sample from JSON lines, in the order of the file.

    A line holds `id`, `gold` and `generation`: a text, null (an empty answer), or a list of them.
    Lines with the same id are samples of one problem; `benchmark` is optional. Samples are
    numbered from 0 in the order of the file. `finished` is optional too: true where the model
    ended the text itself, false where the token limit did; a list for a list of texts.

    Returns:
        Columns benchmark, problem_id, sample, gold, generation, and finished if the file has it.

    Raises:
        InputError: no such file, not UTF-8, not JSON, a key is missing or of another type, one id
            with several gold answers, only some lines with `finished`, or a file without rows.
    """
    rows = [row for number, line in lines(path) for row in samples(line, f"{path}:{number}")]
    if not rows:
        raise InputError(f"{path}: has no rows; expected lines with {', '.join(NEEDED)}")
    frame = pd.DataFrame(rows, columns=["benchmark", "problem_id", "gold", "generation", FINISHED])
    unknown = frame[FINISHED].isna()
    if unknown.all():
        frame = frame.drop(columns=FINISHED)
    elif unknown.any():
        name = frame.loc[unknown, "problem_id"].iloc[0]
        raise InputError(
            f"{path}: id {name!r} lacks finished, which other lines have; give it to all or to none"
        )
    problem = ["benchmark", "problem_id"]
    golds = frame.groupby(problem, sort=False)["gold"].nunique()
    if (golds > 1).any():
        name = golds[golds > 1].reset_index()["problem_id"].iloc[0]
        raise InputError(f"{path}: id {name!r} has several gold answers; give problems unique ids")
    frame.insert(2, "sample", frame.groupby(problem, sort=False).cumcount())
    return frame


def lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Numbered JSON objects of a file, empty lines left out."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        number = error.object[: error.start].count(b"\n") + 1
        raise InputError(f"{path}:{number}: not UTF-8; save the file as UTF-8") from error
    # Not splitlines: that would also cut at characters which JSON allows inside a string.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, parse_line(line, f"{path}:{number}")


def parse_line(line: str, where: str) -> dict[str, Any]:
    """The object of a line, with all keys that are needed."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not JSON ({error}); one object a line") from error
    if not isinstance(content, dict):
        raise InputError(f"{where}: not a JSON object; expected {', '.join(NEEDED)}")
    missing = [key for key in NEEDED if key not in content]
    if missing:
        raise InputError(f"{where}: lacks {', '.join(missing)}; a row has {', '.join(NEEDED)}")
    return content


def samples(content: dict[str, Any], where: str) -> list[tuple[str, str, str, str, bool | None]]:
    """The samples of a line."""
    benchmark, name = content.get("benchmark", ONLY), content["id"]
    if not is_scalar(name) or not isinstance(benchmark, str):
        raise InputError(f"{where}: id must be a text or a number, benchmark a text")
    gold, given = content["gold"], content["generation"]
    if not is_scalar(gold):
        raise InputError(f"{where}: gold is {type(gold).__name__}; write it as a text or a number")
    texts = given if isinstance(given, list) else [given]
    if not texts or not all(text is None or isinstance(text, str) for text in texts):
        raise InputError(f"{where}: generation must be a text, null or a list of texts, not empty")
    place = whole(benchmark), whole(str(name)), whole(str(gold))
    ends = read_ends(content, len(texts), where)
    return [(*place, whole(text or ""), end) for text, end in zip(texts, ends, strict=True)]


def read_ends(content: dict[str, Any], count: int, where: str) -> list[bool] | list[None]:
    """Whether the model ended each of the `count` texts of a line; None where it is not told."""
    given = content.get(FINISHED)
    if given is None:
        return [None] * count
    ends = given if isinstance(given, list) else [given] * count
    if len(ends) != count or not all(isinstance(end, bool) for end in ends):
        raise InputError(
            f"{where}: finished must be true or false, or a list of them, one for each generation"
        )
    return ends


def whole(text: str) -> str:
    """The text with halves of character pairs, which JSON allows and tables do not, escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def is_scalar(value: object) -> bool:
    """Whether it is a text or a number (JSON's true and false are neither)."""
    return isinstance(value, str | int | float) and not isinstance(value, bool)
