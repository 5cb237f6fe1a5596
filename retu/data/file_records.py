r"""Rows of a user's file in the columns of the workflow, checked one by one.

A gold answer is a column, what the worked answer boxes last, or what follows its last `####`. A
column that holds a whole solution (GSM8K's `answer`) is read in the same two ways.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from retu.data.benchmark_answers import (
    OPTION_LETTERS,
    THOUSANDS,
    check_options,
    format_options,
)
from retu.data.column_names import MARK, ROLES, find_turn_keys, is_filled, look_up
from retu.data.option_orders import OptionOrders
from retu.data.row_layout import BOX, HASHES, RowLayout
from retu.data.set_rules import hash_prompt
from retu.data.source_rows import CORRECT, SourceRow
from retu.data.text_records import TextRecord

BoxFinder = Callable[[str], list[str]]
r"""The contents of the boxes that are a text's final answer, empty without any."""
LOOKS = re.compile(r"\\(?:left|right|displaystyle)(?![A-Za-z])|\\[,!;: ]|[\s$]")
SHOWN = 60
"""Characters of a text that a message shows."""
TEXT_PART = {"type", "text"}
UNANSWERED_REMEDY = (
    r"give it one (a \boxed{...}, a line `#### ...`, or a column, named by columns.gold), or set"
    " unanswered: leave_out (--unanswered leave_out of retu new-study)"
)


@dataclass
class FileCounts:
    """What became of the rows of a file."""

    read: int = 0
    unanswered: int = 0
    repeated: int = 0
    judged: Counter[str] = field(default_factory=Counter)
    """Set that a row was left out for -> rows."""

    def describe(self) -> str:
        """In words, of what was left out."""
        parts = [f"{self.unanswered} without a final answer"] if self.unanswered else []
        parts += [f"{self.repeated} repeated problems"] if self.repeated else []
        parts += [f"{count} that are in {name}" for name, count in sorted(self.judged.items())]
        return f"; left out: {', '.join(parts)}" if parts else ""


@dataclass(frozen=True)
class RecordReader:
    """Reads rows by their layout.

    `unanswered` and `box_answers` are those of `FileRows`. `system` is the study's system turn:
    rows that bring one must bring the same. `suffix` is added to every problem. `options` is the
    column with the options of a multiple choice, which stand below the question.
    """

    layout: RowLayout
    find_boxes: BoxFinder
    unanswered: Literal["error", "leave_out"] = "error"
    box_answers: bool = False
    system: str | None = None
    suffix: str = ""
    options: str | None = None

    def read_records(
        self, rows: Iterable[SourceRow], counts: FileCounts
    ) -> Iterator[tuple[SourceRow, TextRecord]]:
        """Rows with their records: problem_id, prompt, gold, and the trajectory if there is one.

        Raises:
            InputError: a row is not of the layout, has no final answer, or two differ in the gold
                answer to one problem or two files in the order of its options.
        """
        seen: dict[str, tuple[str, str]] = {}
        orders = OptionOrders()
        for row in rows:
            counts.read += 1
            record = self.read_record(row)
            if record is None:
                counts.unanswered += 1
                continue
            identity = hash_prompt(record["prompt"])
            where, gold = seen.setdefault(identity, (row.where, record["gold"]))
            if unify_spelling(gold) != unify_spelling(record["gold"]):
                row.refuse(
                    f"has the problem of {where} with another final answer"
                    f" ({record['gold'][:SHOWN]!r} instead of {gold[:SHOWN]!r})",
                    "correct one of them",
                )
            if self.options:
                orders.check(row, self.read_turns(row)[0], self.read_options(row))
            yield row, {"problem_id": identity, **record}

    def read_record(self, row: SourceRow) -> TextRecord | None:
        """A row's record; None for one without a final answer that the study leaves out."""
        self.check_beside(row)
        prompt, response = self.read_turns(row)
        gold = self.read_gold(row, response)
        if gold is None:
            if self.unanswered == "leave_out":
                return None
            row.refuse("has no final answer", UNANSWERED_REMEDY)
        if self.options:
            options = self.read_options(row)
            gold = self.read_letter(row, gold, options)
            # Training on the question alone would be a leak.
            bare = {"question": prompt + self.suffix}
            prompt += format_options(options)
            return {"prompt": prompt + self.suffix, "gold": gold, **bare}
        record = {"prompt": prompt + self.suffix, "gold": gold}
        if response is None:
            return record
        return {**record, "trajectory": box_mark(response) if self.box_answers else response}

    def read_options(self, row: SourceRow) -> list[str]:
        """The texts of a multiple choice's options, A first; InputError unless all differ."""
        column = str(self.options)
        value = get_cell(row, column)
        if not isinstance(value, list):
            row.refuse(f"{column} is no list of options", "name the column that has it")
        return check_options(row, [row.convert_to_text(text, column) for text in value])

    def read_letter(self, row: SourceRow, gold: str, options: list[str]) -> str:
        """The letter of the right option; InputError unless it is one of the options'."""
        letter = gold.strip("() .")
        letters = OPTION_LETTERS[: len(options)]
        if len(letter) != 1 or letter not in letters:
            row.refuse(
                f"its gold answer is {gold[:SHOWN]!r}, and its options are {letters[0]} to"
                f" {letters[-1]}",
                "write the letter of the right option",
            )
        return letter

    def check_beside(self, row: SourceRow) -> None:
        """InputError where a row has more of a problem, or another system turn than the study."""
        for name in self.layout.blank:
            if is_filled(look_up(row.values, name)):
                row.refuse(
                    f"{name} is not empty, and {self.layout.prompt} is read as the whole problem",
                    "write both into one column, or name columns.prompt",
                )
        if self.layout.system and is_filled(look_up(row.values, self.layout.system)):
            self.check_system(row, row.convert_to_text(row.values[self.layout.system], "system"))

    def check_system(self, row: SourceRow, text: str) -> None:
        """InputError unless a row's system turn is the study's."""
        if text != (self.system or "").strip():
            row.refuse(
                f"its system turn is {text[:SHOWN]!r}, the study's is {self.system!r}",
                "all stages need one: set data.system to it, or take it out of the rows",
            )

    def read_turns(self, row: SourceRow) -> tuple[str, str | None]:
        """Problem and worked answer of a row."""
        layout = self.layout
        if layout.is_chat:
            turns = self.read_chat(row, layout.prompt)
            if [role for role, _ in turns] != ["user", "assistant"]:
                row.refuse(
                    f"{layout.prompt} has the turns {', '.join(role for role, _ in turns)}",
                    "one user turn and one assistant turn are needed (and a system turn may be)",
                )
            return turns[0][1], turns[1][1]
        prompt = self.read_single(row, layout.prompt, "user")
        if layout.response is None:
            return prompt, None
        return prompt, self.read_single(row, layout.response, "assistant")

    def read_single(self, row: SourceRow, column: str, role: str) -> str:
        """A cell that is a text, or a chat of one turn."""
        value = get_cell(row, column)
        if not isinstance(value, list):
            return row.convert_to_text(value, column)
        turns = self.read_chat(row, column)
        if [turn for turn, _ in turns] != [role]:
            row.refuse(f"{column} is no chat of one {role} turn", CORRECT)
        return turns[0][1]

    def read_chat(self, row: SourceRow, column: str) -> list[tuple[str, str]]:
        """The turns of a chat but for the system turn, which must be the study's."""
        turns: list[tuple[str, str]] = []
        for turn in row.get_chat(column):
            keys = find_turn_keys(turn)
            if keys is None:
                row.refuse(f"{column} has a turn without role and content", CORRECT)
            role, content = str(turn[keys[0]]), read_parts(turn[keys[1]])
            if turns or role != "system" or is_filled(content):
                turns.append(
                    (ROLES.get(role, role), row.convert_to_text(content, f"{column}.content"))
                )
        if turns and turns[0][0] == "system":
            self.check_system(row, turns[0][1])
            return turns[1:]
        return turns

    def read_gold(self, row: SourceRow, response: str | None) -> str | None:
        """The final answer of a row; None where it has none."""
        place = self.layout.gold
        if place not in (BOX, HASHES):
            value = unpack_single(look_up(row.values, place))
            if not is_filled(value):
                return None
            text = row.convert_to_text(value, place)
            return find_marked(text) or (self.find_boxed(text) or text)
        if response is None:
            row.refuse("has no worked answer to read the final answer from", "name columns.gold")
        return find_marked(response) if place == HASHES else self.find_boxed(response)

    def find_boxed(self, text: str) -> str | None:
        """What a text boxes last."""
        return ", ".join(self.find_boxes(text)).strip() or None


def get_cell(row: SourceRow, column: str) -> Any:
    """A cell, or the key of a struct (`reward_model.ground_truth`)."""
    outer, dot, inner = column.partition(".")
    if column in row.values or not dot:
        return row.get_value(column)
    return row.get_mapping(outer).get(inner)


def unify_spelling(gold: str) -> str:
    """A final answer without what LaTeX writes for looks: solutions of one problem differ in it."""
    return LOOKS.sub("", gold).replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac").rstrip(".")


def unpack_single(value: Any) -> Any:
    """The only entry of a list, which may be written as JSON (`["42"]`); else the value."""
    if isinstance(value, str) and value.lstrip().startswith('["'):
        try:
            found = json.loads(value)
        except ValueError:
            return value
        value = found if len(found) == 1 else value
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def read_parts(content: Any) -> Any:
    """The text of a turn whose content is a list of one part of text; else the content."""
    if not (isinstance(content, list) and len(content) == 1 and isinstance(content[0], Mapping)):
        return content
    part = {key: value for key, value in content[0].items() if value is not None}
    return part["text"] if set(part) == TEXT_PART and part["type"] == "text" else content


def find_marked(text: str) -> str | None:
    """What follows the last `####` in its line, without commas between thousands."""
    _, mark, rest = text.rpartition(MARK)
    gold = rest.strip().partition("\n")[0].strip()
    return (THOUSANDS.sub("", gold) or None) if mark else None


def box_mark(response: str) -> str:
    r"""A response with its last line `#### 42` written as a sentence with a box."""
    before, mark, rest = response.rpartition(MARK)
    if not mark:
        return response
    gold, _, after = rest.strip().partition("\n")
    boxed = f"{before.rstrip()}\nThe final answer is $\\boxed{{{gold.strip()}}}$."
    return f"{boxed}\n{after}" if after else boxed
