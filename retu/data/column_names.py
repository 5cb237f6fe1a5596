"""Names that columns of problems and answers go by, and what the first rows say in them."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

Rows = Sequence[Mapping[str, Any]]
PROMPTS = ("prompt", "question", "problem", "instruction", "query", "input")
BESIDE_PROMPTS = ("context",)
"""What a problem may need beside its own column."""
INSTRUCTION, INPUT = "instruction", "input"
"""Alpaca's two parts of a problem: the second by itself is a problem of its own."""
NESTED_PROMPTS, NESTED_RESPONSES = ("extra_info.question",), ("extra_info.answer",)
RESPONSE_WORDS = frozenset(
    (
        *("response", "completion", "solution", "output", "trajectory", "generation", "attempt"),
        *("responses", "completions", "solutions", "outputs", "trajectories", "generations"),
        *("attempts", "reasoning", "rationale", "cot"),
    )
)
"""The last words of names of worked answers: `generated_solution`, `r1_solution_1`."""
GOLDS = (
    *("gold", "final_answer", "ground_truth", "expected_answer", "gold_answer", "target"),
    *("reference_answer", "correct_answer", "label"),
    *("reward_model.ground_truth", "extra_info.ground_truth"),
)
CHATS = ("messages", "conversations", "conversation")
EITHER = "answer"
"""The worked answer where there is no other, else the final one."""
MARK = "####"
"""What stands before the final answer of a worked one, where it is in no box."""
BOX_COMMANDS = ("\\boxed", "\\fbox")
TURN_KEYS = (("role", "content"), ("from", "value"))
ROLES = {"human": "user", **dict.fromkeys(("gpt", "chatgpt", "bot", "model"), "assistant")}


def look_up(row: Mapping[str, Any], name: str) -> Any:
    """A cell, or the key of a struct (`a.b`); None if there is none."""
    if name in row:
        return row[name]
    outer, dot, inner = name.partition(".")
    struct = row.get(outer) if dot else None
    return struct.get(inner) if isinstance(struct, Mapping) else None


def has_column(rows: Rows, name: str) -> bool:
    """Whether one of the rows has a column, or a struct with such a key."""
    outer, dot, inner = name.partition(".")
    structs = [row.get(outer) for row in rows] if dot else []
    return any(name in row for row in rows) or any(
        isinstance(struct, Mapping) and inner in struct for struct in structs
    )


def is_filled(value: object) -> bool:
    """Whether a cell holds anything: no null, no NaN, no blank text, no empty list."""
    if isinstance(value, str):
        return bool(value.strip())
    return value is not None and value == value and value not in ([], {})


def list_columns(rows: Rows) -> list[str]:
    """Columns and keys of structs (`a.b`) of some rows, in their order."""
    names: dict[str, None] = {}
    for row in rows:
        for name, value in row.items():
            names[name] = None
            if isinstance(value, Mapping):
                names.update(dict.fromkeys(f"{name}.{key}" for key in value))
    return list(names)


def find_columns(rows: Rows, names: Sequence[str], filled: bool = True) -> list[str]:
    """Columns of one of the names, in any case, that some row fills (or, if asked, that none does).

    They come in the order of `names`.
    """
    found = [name for name in list_columns(rows) if name.lower() in names]
    found.sort(key=lambda name: names.index(name.lower()))
    return [name for name in found if any(is_filled(look_up(r, name)) for r in rows) == filled]


def find_beside(rows: Rows, prompts: Sequence[str]) -> list[str]:
    """Columns that may be part of the problem beside its own.

    Args:
        rows: the first rows.
        prompts: columns of them with the name of a problem.
    """
    beside = find_columns(rows, BESIDE_PROMPTS)
    if any(name.lower() == INSTRUCTION for name in prompts):
        beside += [name for name in prompts if name.lower() == INPUT]
    return beside


def find_response_columns(rows: Rows) -> list[str]:
    """Columns of texts, or of lists of them, whose name ends like that of a worked answer."""
    found = []
    for name in list_columns(rows):
        words = [word for word in re.split(r"[^a-z]+", name.lower()) if word]
        nested = name.lower() in NESTED_RESPONSES
        if not nested and ("." in name or not words or words[-1] not in RESPONSE_WORDS):
            continue
        cells = [look_up(row, name) for row in rows]
        if any(isinstance(cell, str | list) and is_filled(cell) for cell in cells):
            found.append(name)
    return found


def get_turns(row: Mapping[str, Any], name: str) -> list[tuple[str, str]]:
    """Roles and texts of a cell that is a chat or its JSON; empty for anything else."""
    value = look_up(row, name)
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return []
    turns = value if isinstance(value, list) else []
    found = []
    for turn in turns:
        keys = find_turn_keys(turn)
        if keys is None:
            return []
        role = str(turn[keys[0]])
        found.append((ROLES.get(role, role), str(turn[keys[1]]).strip()))
    return found


def find_turn_keys(turn: object) -> tuple[str, str] | None:
    """The keys of role and text of a turn; None if it is none."""
    if not isinstance(turn, Mapping):
        return None
    return next((keys for keys in TURN_KEYS if set(keys) <= set(turn)), None)


def tell_text(row: Mapping[str, Any], name: str, role: str | None = None) -> str | None:
    """The text of a cell; of a chat that of its only turn (of a role)."""
    turns = [turn for turn in get_turns(row, name) if turn[0] != "system"]
    turns = [turn for turn in turns if role in (None, turn[0])]
    if turns:
        return turns[0][1] if len(turns) == 1 else None
    value = look_up(row, name)
    return str(value).strip() if is_filled(value) and not isinstance(value, list) else None


def say_same(rows: Rows, one: str, other: str, role: str | None = None) -> bool:
    """Whether two columns (or the turn of a role, in a chat) say the same in every row."""
    pairs = [(tell_text(row, one, role), tell_text(row, other, role)) for row in rows]
    return all(left is not None and left == right for left, right in pairs)
