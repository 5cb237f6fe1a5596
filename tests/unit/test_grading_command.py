"""Grading one's own file: what goes in, what comes out, and what is refused."""

import argparse
import io
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lasting_services import LastingService, shared_services
from processes import run_command

from retu.cli import grade_command
from retu.core.errors import InputError
from retu.grading import user_rows
from retu.grading.user_rows import GenerationFile

GOOD: list[dict[str, object]] = [
    {"id": 1, "gold": "5", "generation": [r"so \boxed{5}", r"\boxed{6}"]},
    {"id": "a", "gold": 7, "generation": None},
    {"id": "a", "gold": 7, "generation": r"\boxed{\frac{14}{2}}"},
    {"id": "bad", "gold": "{{", "generation": [r"\boxed{5}", ""]},
]


@pytest.fixture(scope="module", autouse=True)
def services() -> Iterator[dict[str, LastingService]]:
    """Workers that all tests of this file share."""
    with shared_services() as shared:
        yield shared


def write_json_lines(path: Path, rows: list[Any]) -> Path:
    """A file of JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def run_retu_grade(*arguments: str | Path) -> None:
    """The command with these arguments."""
    parser = argparse.ArgumentParser()
    grade_command.add_arguments(parser)
    grade_command.main(parser.parse_args([str(argument) for argument in arguments]))


def test_json_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_retu_grade(write_json_lines(tmp_path / "g.jsonl", GOOD), "--json", "--k", "1", "2")
    *rows, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert [(row["id"], row["sample"], row["correct"]) for row in rows] == [
        *[("1", 0, 1), ("1", 1, 0), ("a", 0, 0), ("a", 1, 1)],
        *[("bad", 0, 0), ("bad", 1, 0)],
    ]
    assert rows[3]["parsed_answer"] == "7"
    assert [row["reason"] for row in rows[:4]] == ["equal", "differs", "empty", "equal"]
    assert "braces do not match" in rows[4]["reason"]
    summary = last["summary"]
    assert (summary["samples"], summary["correct"]) == (4, 2)
    assert [row["id"] for row in summary["excluded"]] == ["bad"]
    assert len(summary["scores"]) == 1
    score = summary["scores"][0]
    assert (score["score"], score["pass@2"], score["resolution"]) == (50.0, 100.0, 25.0)
    assert score["low"] < 50 < score["high"]
    assert summary["grader"]["name"] == "math_verify"


def test_cut_answers_stand_beside_the_score(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows: list[Any] = [
        {"id": "1", "gold": "3", "generation": [r"\boxed{3}", "so"], "finished": [True, False]},
        {"id": "2", "gold": "4", "generation": [r"\boxed{4}", r"\boxed{5}"], "finished": True},
    ]
    run_retu_grade(write_json_lines(tmp_path / "g.jsonl", rows))
    out = capsys.readouterr().out
    assert "; 25.0% of the answers cut" in out
    assert "warning: more than 5% of the answers were cut at the token limit (all)" in out
    run_retu_grade(write_json_lines(tmp_path / "g.jsonl", rows), "--json")
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])["summary"]
    assert summary["scores"][0]["cut_share"] == 0.25
    run_retu_grade(write_json_lines(tmp_path / "g.jsonl", [rows[1]]))
    out = capsys.readouterr().out
    assert "; 0.0% of the answers cut" in out
    assert "warning" not in out
    run_retu_grade(write_json_lines(tmp_path / "g.jsonl", GOOD), "--json")
    assert "cut_share" not in capsys.readouterr().out
    for wrong, line in (
        ({"finished": [True]}, r"g\.jsonl:1: finished must be true or false, or a list"),
        ({"finished": "stop"}, r"g\.jsonl:1: finished must be true or false"),
        ({"finished": None}, "id '1' lacks finished, which other lines have"),
    ):
        with pytest.raises(InputError, match=line):
            run_retu_grade(write_json_lines(tmp_path / "g.jsonl", [rows[0] | wrong, rows[1]]))


def test_text_output_and_another_grader(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{**row, "benchmark": name} for row in GOOD for name in ("x", "y")]
    path = write_json_lines(tmp_path / "g.jsonl", rows)
    run_retu_grade(path, "--grader", "paper_lenient", "--set", "near_miss=0.9", "--workers", "1")
    output = capsys.readouterr()
    assert "pays for near misses" in output.err
    table, summary = output.out.split("\n\n")
    assert table.splitlines()[0].split("\t") == list(grade_command.OUTPUT)
    assert len(table.splitlines()) == 1 + 12
    assert "overall: 33.33% [" in summary
    assert "mean of the benchmarks: 33.33%" in summary
    assert "left out" not in summary


def test_a_file_whose_golds_are_all_unusable_has_no_score(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_retu_grade(write_json_lines(tmp_path / "g.jsonl", GOOD[-1:]))
    assert "no score: every gold answer was left out" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no rows"),
        (b"\n\n", "has no rows"),
        (b'{"id": 1}\n', r"g\.jsonl:1: lacks gold, generation"),
        (b"\n[1]\n", r"g\.jsonl:2: not a JSON object"),
        (b"{1}\n", r"g\.jsonl:1: not JSON"),
        (b"[" * 100_000, r"g\.jsonl:1: not JSON"),
        (b'\n{"id": 1, "gold": "caf\xe9"}\n', r"g\.jsonl:2: not UTF-8; save the file"),
        (b'{"id": null, "gold": 1, "generation": ""}', "id must be a text or a number"),
        (b'{"id": 1, "gold": [1], "generation": ""}', "gold is list; write it as a text"),
        (b'{"id": 1, "gold": true, "generation": ""}', "gold is bool"),
        (b'{"id": 1, "gold": 1, "generation": []}', "generation must be"),
        (b'{"id": 1, "gold": 1, "generation": [1]}', "generation must be"),
        (b'{"id": NaN, "gold": 1, "generation": ""}', "id must be a text or a number"),
        (b'{"id": 1e999, "gold": 1, "generation": ""}', "id must be a text or a number"),
        (b'{"id": 1, "gold": NaN, "generation": ""}', "gold is nan; write it as a text"),
        (b'{"id": 1, "gold": -Infinity, "generation": ""}', "gold is -inf"),
        (b'{"id": 1, "gold": 1, "gold": 2, "generation": ""}', "key 'gold' is there twice"),
        (b'{"id": 1, "gold": 1, "generation": "", "id": 1}', "key 'id' is there twice"),
        (b'[{"id": 1, "gold": 1, "generation": ""}]', r"one JSON array; make it a line a row: jq"),
        (b'[\n {"id": 1, "gold": 1, "generation": ""}\n]', r"one JSON array; .* jq -c '\.\[\]'"),
        (b"id,gold,generation\n1,2,3\n", r"it looks like a table; name it \S+g\.csv"),
        (
            b'{"id": 1, "gold": 1, "generation": ""}\n{"id": "1", "gold": 2, "generation": ""}',
            "id '1' has several gold answers",
        ),
    ],
)
def test_bad_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "g.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        GenerationFile(path).check_rows()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--grader", "mine"], "--grader mine: no such grader; known: math_verify"),
        (["--set", "strict"], "write KEY=VALUE"),
        (
            ["--set", "float_rounding=maybe"],
            "float_rounding: input should be a valid integer, got 'maybe'",
        ),
        (["--k", "3"], "1 of 2 problems have fewer than 3 samples|2 of 2 problems"),
        (["--k", "0"], "at least 1"),
        (["--workers", "0"], "at least 1"),
    ],
)
def test_bad_options_are_refused(tmp_path: Path, options: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run_retu_grade(write_json_lines(tmp_path / "g.jsonl", GOOD[:3]), *options)
    with pytest.raises(InputError, match=r"none\.jsonl: cannot be read"):
        run_retu_grade(tmp_path / "none.jsonl")


def test_a_byte_order_mark_and_odd_line_ends_are_read(tmp_path: Path) -> None:
    row = '{"id": 1, "gold": "5", "generation": "a\u2028b"}\r\n'
    path = tmp_path / "g.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + row.encode())
    assert read_answers(path) == ["a\u2028b"]


def read_answers(path: Path) -> list[str]:
    """The answers in a file."""
    return [text for batch in GenerationFile(path).read_batches() for text in batch["generation"]]


def test_a_table_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "g.csv"
    path.write_text('\ufeffid,gold,generation\n1,5,"so, \n\\boxed{5}"\n1,5,\n', encoding="utf-8")
    assert read_answers(path) == ["so, \n\\boxed{5}", ""]
    run_retu_grade(path)
    assert "1 of 2 samples correct" in capsys.readouterr().out
    tabs = tmp_path / "g.tsv"
    tabs.write_text("gold\tid\tgeneration\tbenchmark\n5\t1\t5\tx\n")
    assert next(GenerationFile(tabs).read_batches())["benchmark"].tolist() == ["x"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("g.csv", b"id,gold\n1,2\n", r"g\.csv:1: lacks the column generation; .*commas"),
        ("g.csv", b"id;gold;generation\n", r"lacks the column id, gold, generation"),
        ("g.csv", b"", r"lacks the column"),
        ("g.csv", b"id,gold,generation\n", r"has no rows"),
        ("g.csv", b"id,gold,generation\n1,2,3,4\n", r"g\.csv:2: has another number of fields"),
        ("g.csv", b"id,gold,generation\n1,2\n", r"g\.csv:2: has another number of fields"),
        ("g.csv", b'id,gold,generation\n1,2,"3\n', r"not CSV"),
        ("g.csv", b"id,gold,generation\n1,2,caf\xe9\n", r"not UTF-8"),
        ("g.parquet", b"PAR1", r"is no text; convert it: python -c .*read_parquet.*g\.jsonl"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        GenerationFile(path).check_rows()


def test_a_bad_last_line_is_found_before_a_verdict_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_json_lines(tmp_path / "g.jsonl", [*GOOD, {"id": 1}])
    with pytest.raises(InputError, match=r"g\.jsonl:5: lacks gold"):
        run_retu_grade(path)
    assert capsys.readouterr().out == ""


def test_a_line_that_is_too_long_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_rows, "LONGEST_LINE", 100)
    path = write_json_lines(
        tmp_path / "g.jsonl", [GOOD[0], {**GOOD[0], "generation": ["x" * 50] * 3}]
    )
    with pytest.raises(InputError, match=r"g\.jsonl:2: has more than 0 MiB; write the samples"):
        GenerationFile(path).check_rows()


def test_verdicts_do_not_depend_on_the_size_of_a_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_json_lines(tmp_path / "g.jsonl", GOOD)
    for style in ([], ["--json"], ["--k", "1", "2"], ["--compare", "paper_strict"]):
        run_retu_grade(path, *style)
        whole = capsys.readouterr().out
        with monkeypatch.context() as small:
            small.setattr(user_rows, "BATCH_SAMPLES", 1)
            run_retu_grade(path, *style)
        assert capsys.readouterr().out == whole


def test_what_comes_through_a_pipe_is_graded(tmp_path: Path) -> None:
    content = "".join(json.dumps(row) + "\n" for row in GOOD)
    command_line = [sys.executable, "-m", "retu.cli.grade_command", "/dev/stdin"]
    done = run_command(command_line, input=content)
    assert "2 of 4 samples correct" in done.stdout, done.stderr


def measure_traced_peak(path: Path) -> int:
    """Bytes that grading a file takes at its worst moment, without what stays."""
    tracemalloc.start()
    try:
        run_retu_grade(path, "--workers", "1", "--json")
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight times the text on as many problems: the batches stay as large as they are."""
    monkeypatch.setattr(user_rows, "BATCH_CHARACTERS", 2**17)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    monkeypatch.setattr(grade_command, "print_verdicts", lambda *_, **__: None)
    answer = "x" * 20_000 + r"\boxed{5}"
    sizes = {}
    for count in (20, 40, 320):
        lines = [{"id": n % 20, "gold": "5", "generation": answer} for n in range(count)]
        sizes[count] = measure_traced_peak(write_json_lines(tmp_path / f"{count}.jsonl", lines))
    # The first call also loads what all share; 280 rows more are 5.6 MB of text more.
    assert sizes[320] - sizes[40] < 2**20, sizes


def test_as_a_program(tmp_path: Path) -> None:
    half = {"id": "\ud800", "gold": "5", "generation": r"\boxed{5}"}
    path = write_json_lines(tmp_path / "g.jsonl", [half])
    start = [sys.executable, "-m", "retu.cli.grade_command"]
    done = subprocess.run([*start, str(path)], capture_output=True, text=True, check=True)
    assert "1 of 1 samples correct" in done.stdout
    failed = run_command([*start, "none.jsonl"])
    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr.startswith("error: none.jsonl: cannot be read")
