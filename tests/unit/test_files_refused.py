"""What `retu new-study` says of files that cannot be used: one line, and nothing is written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from files_fixtures import SYSTEM, write_lines
from own_study import Row, make_rows, refuse_study, write_study

from retu.config.files_study import Columns
from retu.core.errors import InputError
from retu.data.source_rows import read_source_rows
from retu.preparation.file_facts import read_file_facts

Change = Callable[[list[Row]], object]


def make_chats(system: str | None = None) -> list[Row]:
    """The same as messages."""
    start = [{"role": "system", "content": system}] if system else []
    return [
        {
            "messages": [
                *start,
                {"role": "user", "content": row["question"]},
                {"role": "assistant", "content": row["response"]},
            ]
        }
        for row in make_rows()
    ]


def spoil(rows: list[Row], change: Change) -> list[Row]:
    """Rows after a change of them."""
    change(rows)
    return rows


ROWS: dict[str, tuple[Change, str]] = {
    "no gold": (lambda r: r[3].update(gold=" "), "row 3: has no final answer"),
    "no key of the gold": (lambda r: r[3].pop("gold"), "row 3: has no final answer"),
    "several golds": (lambda r: r[3].update(gold=[1, 2]), "row 3: gold is list, not a text"),
    "no response": (lambda r: r[30].update(response=""), "row 30: response is empty"),
    "null response": (lambda r: r[3].update(response=None), "row 3: response is empty"),
    "no problem": (lambda r: r[3].update(question=None), "row 3: question is empty"),
    "damaged": (lambda r: r[3].update(response="a\ufffd"), "row 3: response holds damaged"),
    "another gold": (
        lambda r: r.append({**r[3], "gold": "999"}),
        "row 3 with another final answer ('999' instead of '11'); correct one of them",
    ),
    "too few": (lambda r: r.__delitem__(slice(2, None)), "2 are to be held out; give --validation"),
    "too few that differ": (
        lambda r: r.__setitem__(slice(None), r[:2] * 30),
        "has 2 different problems",
    ),
}


@pytest.mark.parametrize("kind", list(ROWS))
def test_rows_that_cannot_be_used(kind: str, tiny_model: Path, studies: Path) -> None:
    change, message = ROWS[kind]
    file = write_lines(spoil(make_rows(), change), studies.parent / "train.jsonl")
    assert message in refuse_study(tiny_model, studies, "--train", str(file))


@pytest.mark.parametrize(
    ("golds", "same"),
    [
        (["$\\dfrac{1}{2}$", "\\frac{1}{2}."], True),
        (["\\left(1, 2\\right)", "(1,2)"], True),
        (["1{,}000", "1000"], False),
        (["0.5", "\\frac{1}{2}"], False),
    ],
)
def test_golds_of_one_problem(golds: list[str], same: bool, tmp_path: Path) -> None:
    rows = [{"prompt": "How much?", "response": f"\\boxed{{{gold}}}"} for gold in golds]
    file = str(write_lines([dict(row) for row in rows], tmp_path / "a.jsonl"))
    if same:
        assert len(read_file_facts(file, True, None, Columns()).records) == len(golds)
        return
    with pytest.raises(InputError, match="with another final answer"):
        read_file_facts(file, True, None, Columns())


def set_turns(row: int, *turns: Row) -> Change:
    """Replace the turns of a row."""
    return lambda rows: rows[row].update(messages=list(turns))


USER, ASSISTANT = {"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}
CHATS: dict[str, tuple[Change, str]] = {
    "several exchanges": (
        set_turns(3, USER, ASSISTANT, USER, ASSISTANT),
        "row 3: messages has the turns user, assistant, user, assistant",
    ),
    "a tool": (
        set_turns(0, USER, ASSISTANT, {"role": "tool", "content": "4"}),
        "row 0: messages has the turns user, assistant, tool",
    ),
    "an image": (
        set_turns(3, {"role": "user", "content": [{"type": "image"}]}, ASSISTANT),
        "row 3: messages.content is list, not a text",
    ),
    "a call of a tool": (
        set_turns(3, USER, {"role": "assistant", "content": None}),
        "row 3: messages.content is empty",
    ),
    "no role": (set_turns(0, {"content": "Why?"}, ASSISTANT), "row 0: messages has a turn without"),
    "no turns": (set_turns(3), "row 3: messages is no chat"),
    "null": (lambda rows: rows[0].update(messages=None), "row 0: messages is no chat"),
    "another system turn": (
        lambda rows: rows[3]["messages"].insert(0, {"role": "system", "content": "Hm."}),
        "row 3: its system turn is 'Hm.', the study's is None",
    ),
}


@pytest.mark.parametrize("kind", list(CHATS))
def test_chats_that_cannot_be_used(kind: str, tiny_model: Path, studies: Path) -> None:
    change, message = CHATS[kind]
    file = write_lines(spoil(make_chats(), change), studies.parent / "train.jsonl")
    assert message in refuse_study(tiny_model, studies, "--train", str(file))


def test_rows_of_several_system_turns(tiny_model: Path, studies: Path) -> None:
    rows = [{**row, "system": f"Box {i % 2}."} for i, row in enumerate(make_rows())]
    file = write_lines(rows, studies.parent / "train.jsonl")
    told = refuse_study(tiny_model, studies, "--train", str(file))
    assert "row 1: its system turn is 'Box 1.', the study's is 'Box 0.'" in told
    chats = write_lines(make_chats(SYSTEM), studies.parent / "chats.jsonl")
    told = refuse_study(tiny_model, studies, "--train", str(chats), "--system", "Other.")
    assert f"row 0: its system turn is {SYSTEM!r}, the study's is 'Other.'" in told


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_column_of_one_system_turn(ending: str, tiny_model: Path, studies: Path) -> None:
    frame = pd.DataFrame([{**row, "system": SYSTEM} for row in make_rows()])
    file = studies.parent / f"train.{ending}"
    if ending == "jsonl":
        frame.to_json(file, orient="records", lines=True)
    else:
        getattr(frame, f"to_{ending}")(file, index=False)
    write_study("--model", str(tiny_model), "--train", str(file))
    assert f'system: "{SYSTEM}"' in (studies / "mine.yaml").read_text()


LINES = "".join(json.dumps(row) + "\n" for row in make_rows()).encode()
LIST = json.dumps(make_rows()).encode()
BYTES = {
    "empty": ("a.jsonl", b"", "has no rows"),
    "blank": ("a.jsonl", b"\n \n", "has no rows"),
    "empty list": ("a.json", b"[]", "has no rows"),
    "numbers": ("a.json", b"[1]", "row 0: is no object"),
    "cut lines": ("a.jsonl", LINES[:-30], "row 59: not readable"),
    "cut list": ("a.json", LIST[:-30], "not readable (Unterminated"),
    "Latin-1": ("a.jsonl", LINES + b'{"question": "\xe9"}\n', "row 60: is not UTF-8"),
    "UTF-16": ("a.json", json.dumps([{}]).encode("utf-16"), "is not UTF-8"),
    "CSV, too many cells": ("a.csv", b"question,gold\na,1,2\n", "has more cells than the first"),
    "CSV, one name twice": (
        "a.csv",
        b"question,gold,gold\na,1,2\n",
        "named 'gold'",
    ),
    "CSV, too few cells": (
        "a.csv",
        b"question,response,gold\na,b,1\nc,d\n",
        "row 1: has no final answer",
    ),
    "CSV, semicolons": ("a.csv", b"question;gold\na;1\n", "There are question;gold; name it"),
    "CSV, an open quote": ("a.csv", b'question,gold\n"a,1\n', "not readable (unexpected end"),
    "no Parquet": ("a.parquet", b"PAR1", "not readable (Parquet file size"),
    "another type": ("a.txt", b"x", "is no .parquet, .jsonl, .json, .csv file"),
    "deep": ("a.jsonl", b'{"a":' + b"[" * 99_999 + b"}\n", "row 0: not readable (maximum"),
}


@pytest.mark.parametrize("kind", list(BYTES))
def test_files_that_cannot_be_read(kind: str, tiny_model: Path, studies: Path) -> None:
    name, content, message = BYTES[kind]
    (studies.parent / name).write_bytes(content)
    told = refuse_study(tiny_model, studies, "--train", name)
    assert message in told
    assert told.startswith(name)


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"], ids=["plain", "BOM"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "lines.json"])
def test_forms_of_json(name: str, start: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(start + (LIST if name == "a.json" else LINES))
    assert [row.values for row in read_source_rows(path)] == make_rows()


def test_a_cell_of_a_table_may_be_long(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('response\n"' + "step;\n" * 50_000 + '"\n')
    assert len(next(read_source_rows(path)).values["response"]) == 300_000


@pytest.mark.parametrize("convert", [int, float, lambda gold: [gold]], ids=["int", "float", "list"])
def test_golds_that_are_no_texts(convert: Callable[[str], object], tmp_path: Path) -> None:
    rows = [{**row, "gold": convert(row["gold"])} for row in make_rows()]
    file = tmp_path / "train.parquet"
    pd.DataFrame(rows).to_parquet(file)
    facts = read_file_facts(str(file), True, None, Columns())
    assert [r["gold"] for r in facts.records] == [r["gold"] for r in make_rows()]


@pytest.mark.parametrize("value", [None, float("nan")])
def test_a_null_among_golds_of_numbers(value: Any, tiny_model: Path, studies: Path) -> None:
    frame = pd.DataFrame(make_rows())
    frame["gold"] = frame["gold"].astype(float)
    frame.loc[3, "gold"] = value
    frame.to_parquet(studies.parent / "train.parquet")
    told = refuse_study(tiny_model, studies, "--train", "train.parquet")
    assert "row 3: has no final answer" in told
    words = ("--model", str(tiny_model), "--train", "train.parquet")
    write_study(*words, "--unanswered", "leave_out")
    assert "unanswered: leave_out" in (studies / "mine.yaml").read_text()
