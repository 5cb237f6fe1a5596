r"""Which column of other people's rows holds the problem, the worked answer and the final answer.

Names are those in use: prompt and completion, question and answer, problem and solution,
instruction and output, messages (with or without a system turn), and the columns of verl. Where two
could be meant, nothing is guessed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from retu.config.files_study import Columns
from retu.core.errors import InputError

PROMPTS = ("prompt", "question", "problem", "instruction", "query", "input")
RESPONSES = ("response", "completion", "solution", "output", "trajectory", "generation")
GOLDS = (
    *("gold", "final_answer", "ground_truth", "expected_answer", "gold_answer", "target"),
    *("reward_model.ground_truth", "extra_info.ground_truth", "label"),
)
CHATS = ("messages", "conversations")
EITHER = "answer"
"""The worked answer where there is no other, else the final one."""
NESTED_PROMPTS, NESTED_RESPONSES = ("extra_info.question",), ("extra_info.answer",)
BOX, HASHES = "box", "hashes"
MARK = "####"


@dataclass(frozen=True)
class RowLayout:
    """Where a row has what; prompt and response may be turns of one chat."""

    prompt: str
    response: str | None
    gold: str

    @property
    def is_chat(self) -> bool:
        """Whether problem and worked answer are turns of one conversation."""
        return self.prompt == self.response

    def describe(self) -> str:
        """In words."""
        gold = {BOX: "the last box", HASHES: f"what follows {MARK}"}.get(self.gold, self.gold)
        response = f", worked answer from {self.response}" if self.response else ""
        return f"problem from {self.prompt}{response}, final answer from {gold}"


def has_column(row: Mapping[str, Any], name: str) -> bool:
    """Whether a row has a column, or the key of a struct (`a.b`)."""
    if name in row:
        return True
    outer, dot, inner = name.partition(".")
    return bool(dot) and isinstance(row.get(outer), Mapping) and inner in row[outer]


def find_layout(
    rows: Sequence[Mapping[str, Any]], columns: Columns, where: str, responses: bool
) -> RowLayout:
    """Which column holds what.

    Args:
        rows: the first rows of the file.
        columns: what the study says.
        where: how messages call the file.
        responses: whether worked answers are wanted.

    Raises:
        InputError: a named column is missing, none or several could be meant.
    """
    first = rows[0]
    for key, name in columns.model_dump(exclude_none=True).items():
        if name not in (BOX, HASHES) and not has_column(first, name):
            raise InputError(
                f"{where}: columns.{key}: there is no column {name}; there are {', '.join(first)}"
            )
    if columns.prompt is None and (chat := find_chat(first, columns.response, where)):
        return RowLayout(chat, chat, find_gold(rows, columns, where, chat))
    prompt = columns.prompt or choose_column(first, PROMPTS, where, "prompt")
    prompt = prompt or choose_column(first, NESTED_PROMPTS, where, "prompt")
    if prompt is None:
        refuse_columns(first, where, "the problem", "prompt")
    response = columns.response or choose_response(first, where)
    if responses and response is None:
        refuse_columns(first, where, "the worked answer", "response")
    return RowLayout(prompt, response, find_gold(rows, columns, where, response))


def find_chat(row: Mapping[str, Any], named: str | None, where: str) -> str | None:
    """The column that holds problem and answer as a conversation; None without one."""
    if named is None:
        return choose_column(row, CHATS, where, "response")
    turns = row.get(named)
    return named if isinstance(turns, list) and len(turns) > 1 else None


def choose_response(row: Mapping[str, Any], where: str) -> str | None:
    """The column of the worked answer; `answer` only where nothing else is."""
    found = choose_column(row, RESPONSES, where, "response")
    found = found or choose_column(row, NESTED_RESPONSES, where, "response")
    return found or (EITHER if EITHER in row else None)


def find_gold(
    rows: Sequence[Mapping[str, Any]], columns: Columns, where: str, response: str | None
) -> str:
    """Where the final answer is: a column, else what the worked answer marks."""
    if columns.gold:
        return columns.gold
    known = GOLDS if response == EITHER else (*GOLDS, EITHER)
    named = choose_column(rows[0], known, where, "gold")
    if named:
        return named
    if response is None:
        refuse_columns(rows[0], where, "the final answer", "gold")
    return HASHES if has_marks(rows, response) else BOX


def has_marks(rows: Sequence[Mapping[str, Any]], column: str) -> bool:
    """Whether the texts of a column mark the final answer by `####`, as GSM8K does."""
    texts = [str(row.get(column, "")) for row in rows]
    return all(MARK in text for text in texts)


def choose_column(row: Mapping[str, Any], names: Sequence[str], where: str, key: str) -> str | None:
    """The only one of these columns that there is; InputError when there are several."""
    found = [name for name in names if has_column(row, name)]
    if len(found) > 1:
        raise InputError(
            f"{where}: {' and '.join(found)} could both be meant; say which one, as in columns:"
            f" {{{key}: {found[0]}}}"
        )
    return found[0] if found else None


def refuse_columns(row: Mapping[str, Any], where: str, what: str, key: str) -> NoReturn:
    """InputError: no column can be told to hold something."""
    raise InputError(
        f"{where}: which column holds {what}? There are {', '.join(row)}; name it, as in columns:"
        f" {{{key}: {next(iter(row))}}}"
    )
