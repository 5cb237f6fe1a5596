r"""Which column of other people's rows holds the problem, the worked answer and the final answer.

Names are those in use, in any case: prompt and completion, question and answer, problem and
solution, instruction and output, messages (with or without a system turn), the columns of verl, and
what ends in one of these words (`generated_solution`). Where two could be meant and do not say the
same, nothing is guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from retu.config.files_study import Columns
from retu.core.errors import InputError
from retu.data.column_names import (
    BESIDE_PROMPTS,
    BOX_COMMANDS,
    CHATS,
    EITHER,
    GOLDS,
    MARK,
    NESTED_PROMPTS,
    PROMPTS,
    Rows,
    find_beside,
    find_columns,
    find_response_columns,
    get_turns,
    has_column,
    is_filled,
    look_up,
    say_same,
)
from retu.planning.local_sources import SYSTEMS

BOX, HASHES = "box", "hashes"
LONGEST_FINAL = 80
"""Characters of a final answer that stands in a column of its own."""


@dataclass(frozen=True)
class RowLayout:
    """Where a row has what; prompt and response may be turns of one chat.

    `blank` are columns that would be part of the problem if they held anything; `system` is a
    column of system turns.
    """

    prompt: str
    response: str | None
    gold: str
    blank: tuple[str, ...] = ()
    system: str | None = None

    @property
    def is_chat(self) -> bool:
        """Whether problem and worked answer are turns of one conversation."""
        return self.prompt == self.response

    def describe(self) -> str:
        """In words."""
        gold = {BOX: "the last box", HASHES: f"what follows {MARK}"}.get(self.gold, self.gold)
        response = f", worked answer from {self.response}" if self.response else ""
        return f"problem from {self.prompt}{response}, final answer from {gold}"


def find_layout(rows: Rows, columns: Columns, where: str, responses: bool) -> RowLayout:
    """Which column holds what.

    Args:
        rows: the first rows of the file.
        columns: what the study says.
        where: how messages call the file.
        responses: whether worked answers are wanted; else they only may hold the final answers.

    Raises:
        InputError: a named column is missing, none or several could be meant.
    """
    check_named(rows, columns, where)
    system = choose_column(rows, find_columns(rows, SYSTEMS), where, None)
    chat = find_chat(rows, columns, where, responses)
    if chat:
        return RowLayout(chat, chat, find_gold(rows, columns, where, chat), system=system)
    prompt = columns.prompt or choose_prompt(rows, where)
    blank = [] if columns.prompt else find_columns(rows, (*PROMPTS, *BESIDE_PROMPTS), filled=False)
    response = columns.response or choose_response(rows, where, responses)
    if responses and response is None:
        refuse_columns(rows, where, "the worked answer", "response")
    gold = find_gold(rows, columns, where, response)
    if responses and gold == response:
        raise InputError(
            f"{where}: {response} has neither a box nor {MARK}: it may hold worked answers or final"
            " ones, and both are needed; name both, as in columns: {response: WORKED, gold: FINAL}"
        )
    if not responses and gold not in (BOX, HASHES):
        response = None
    return RowLayout(prompt, response, gold, tuple(blank), system)


def check_named(rows: Rows, columns: Columns, where: str) -> None:
    """InputError for a column that the study names and the file does not have."""
    for key, name in columns.model_dump(exclude_none=True).items():
        if not (key == "gold" and name in (BOX, HASHES)) and not has_column(rows, name):
            raise InputError(
                f"{where}: columns.{key}: there is no column {name}; there are {list_names(rows)}"
            )


def find_chat(rows: Rows, columns: Columns, where: str, responses: bool) -> str | None:
    """The column that holds problem and answer as a conversation; None without one.

    Raises:
        InputError: other columns hold a problem and an answer, too, and not the same.
    """
    if columns.prompt:
        return None
    if columns.response:
        is_chat = any(get_turns(row, columns.response)[1:] for row in rows)
        return columns.response if is_chat else None
    chat = choose_column(rows, find_columns(rows, CHATS), where, "response")
    prompts = find_columns(rows, (*PROMPTS, *NESTED_PROMPTS))
    if chat is None or not prompts:
        return chat
    worked = find_response_columns(rows)
    if not responses and (columns.gold or find_columns(rows, (*GOLDS, EITHER))):
        turn, others, key = "user", prompts, "prompt"
    elif worked:
        turn, others, key = "assistant", worked, "response"
    else:
        return chat
    if not all(say_same(rows, chat, other, turn) for other in others):
        refuse_several([chat, *others], where, "response" if responses else key)
    return None


def choose_prompt(rows: Rows, where: str) -> str:
    """The column of the problem.

    Raises:
        InputError: none or several could be meant, or a problem may be in two columns.
    """
    found = find_columns(rows, (*PROMPTS, *NESTED_PROMPTS))
    beside = find_beside(rows, found)
    prompt = choose_column(rows, [n for n in found if n not in beside], where, "prompt")
    if prompt is None:
        refuse_columns(rows, where, "the problem", "prompt")
    if beside:
        raise InputError(
            f"{where}: {beside[0]} may be part of the problem, beside {prompt}; write both into one"
            f" column, or name that of the problem, {show_naming('prompt', prompt)}"
        )
    return prompt


def choose_response(rows: Rows, where: str, responses: bool) -> str | None:
    """The column of the worked answer; `answer` only where nothing else is.

    Raises:
        InputError: several could be meant, and one is wanted.
    """
    found = find_response_columns(rows)
    if not found:
        return next(iter(find_columns(rows, (EITHER,))), None)
    if not responses:
        return found[0] if say_all_same(rows, found) else None
    return choose_column(rows, found, where, "response")


def find_gold(rows: Rows, columns: Columns, where: str, response: str | None) -> str:
    """Where the final answer is: a column, else what the worked answer marks."""
    if columns.gold:
        return columns.gold
    found = find_columns(rows, GOLDS)
    either = response is not None and response.lower() == EITHER
    found += [] if either else find_columns(rows, (EITHER,))
    found = [name for name in found if not isinstance(look_up(rows[0], name), bool)]
    named = choose_column(rows, found, where, "gold")
    if named:
        return named
    if response is None:
        refuse_columns(rows, where, "the final answer", "gold")
    texts = [str(look_up(row, response) or "") for row in rows]
    if all(MARK in text for text in texts):
        return HASHES
    boxed = any(command in text for text in texts for command in BOX_COMMANDS)
    short = max(map(len, texts)) <= LONGEST_FINAL and MARK not in "".join(texts)
    return response if either and short and not boxed else BOX


def say_all_same(rows: Rows, names: Sequence[str]) -> bool:
    """Whether columns say the same in every row."""
    return all(say_same(rows, names[0], name) for name in names[1:])


def choose_column(rows: Rows, found: Sequence[str], where: str, key: str | None) -> str | None:
    """The only one of some columns, or the first of those that say the same; None of none.

    Raises:
        InputError: they say different things.
    """
    if not found:
        return None
    if not say_all_same(rows, found):
        refuse_several(found, where, key)
    return found[0]


def refuse_several(found: Sequence[str], where: str, key: str | None) -> NoReturn:
    """InputError: several columns could be meant."""
    *first, last = found
    both = "both" if len(found) == 2 else "all"
    told = f"say which one, {show_naming(key, found[0])}" if key else "leave one out"
    raise InputError(f"{where}: {', '.join(first)} and {last} could {both} be meant; {told}")


def list_names(rows: Rows) -> str:
    """The columns of some rows, in words."""
    return ", ".join(dict.fromkeys(str(name) for row in rows for name in row))


def refuse_columns(rows: Rows, where: str, what: str, key: str) -> NoReturn:
    """InputError: no column can be told to hold something."""
    first = next((name for name, value in rows[0].items() if is_filled(value)), "NAME")
    raise InputError(
        f"{where}: which column holds {what}? There are {list_names(rows)}; name it,"
        f" {show_naming(key, first)}"
    )


def show_naming(key: str, column: str) -> str:
    """How a study and `retu new-study` name a column."""
    return f"as in columns: {{{key}: {column}}} (--column {key}={column} of retu new-study)"
