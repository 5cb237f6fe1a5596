"""The judge: what it is asked, what is kept, how faults of an endpoint end, and that keys stay."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from judge_server import ChatEndpoint, serve_chat
from lasting_services import LastingService, shared_services

from retu.cli import grade_command
from retu.core.errors import InputError
from retu.grading.model_judge import (
    JUDGED_CHARACTERS,
    KEY_VARIABLE,
    Judge,
    Transcript,
    read_verdict,
    resolve_endpoint,
)

KEY = "sk-very-secret-1"
ROWS = [
    {"id": "day", "gold": "Tuesday", "generation": "<answer>Thursday</answer>"},
    {"id": "day again", "gold": "Tuesday", "generation": "<answer>Thursday</answer>"},
    {"id": "letter", "gold": "B", "generation": "The answer is (B)."},
    {"id": "same", "gold": "7", "generation": r"so \boxed{7}"},
]


@pytest.fixture(scope="module", autouse=True)
def services() -> Iterator[dict[str, LastingService]]:
    """Workers that all tests of this file share."""
    with shared_services() as shared:
        yield shared


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy between the tests and their server, and no key from outside."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv(KEY_VARIABLE, raising=False)


@pytest.fixture
def chat() -> Iterator[ChatEndpoint]:
    """A running endpoint."""
    with serve_chat(ChatEndpoint()) as running:
        yield running


def make_test_judge(chat: ChatEndpoint, folder: Path, **changes: Any) -> tuple[Judge, list[float]]:
    """A judge at the endpoint, and the pauses that it made without waiting."""
    pauses: list[float] = []
    settings: dict[str, Any] = {"seconds": 5.0, "attempts": 3, "pause": pauses.append} | changes
    transcript = Transcript(folder / "out.judge.jsonl")
    return Judge(chat.url, "tiny", transcript, **settings), pauses


def read_entries(folder: Path) -> list[dict[str, Any]]:
    """The transcript's lines."""
    return [json.loads(line) for line in (folder / "out.judge.jsonl").read_text().splitlines()]


def test_a_question_is_asked_once_and_kept(chat: ChatEndpoint, tmp_path: Path) -> None:
    judge, pauses = make_test_judge(chat, tmp_path)
    assert judge.ask_verdict("1/2", "so 0.5") == "correct"
    assert judge.ask_verdict("1/2", "so 0.5") == "correct"
    assert (judge.asked, len(chat.asked), pauses) == (1, 1, [])
    sent = chat.asked[0]
    assert sent["path"] == "/v1/chat/completions"
    assert (sent["body"]["model"], sent["body"]["temperature"]) == ("tiny", 0)
    assert json.loads(sent["body"]["messages"][1]["content"]) == {
        "reference": "1/2",
        "solution": "so 0.5",
    }
    assert "authorization" not in sent["headers"]
    (entry,) = read_entries(tmp_path)
    assert entry["request"] == sent["body"]
    assert entry["response"]["choices"][0]["message"]["content"] == chat.reply
    assert (entry["verdict"], entry["model"], entry["url"]) == ("correct", "tiny", judge.url)
    assert entry["time"].endswith("+00:00")


def test_a_later_run_asks_only_what_is_new(chat: ChatEndpoint, tmp_path: Path) -> None:
    make_test_judge(chat, tmp_path)[0].ask_verdict("1", "a")
    again, _ = make_test_judge(chat, tmp_path)
    chat.reply = "wrong"
    assert [again.ask_verdict("1", "a"), again.ask_verdict("1", "b")] == ["correct", "wrong"]
    other = Judge(chat.url, "large", again.transcript)
    assert other.ask_verdict("1", "a") == "wrong"
    assert len(chat.asked) == len(read_entries(tmp_path)) == 3


def test_a_transcript_that_was_cut_off_goes_on(chat: ChatEndpoint, tmp_path: Path) -> None:
    make_test_judge(chat, tmp_path)[0].ask_verdict("1", "a")
    path = tmp_path / "out.judge.jsonl"
    path.write_bytes(path.read_bytes() * 2 + b'{"question": "ab')
    judge, _ = make_test_judge(chat, tmp_path)
    judge.ask_verdict("1", "a")
    judge.ask_verdict("1", "b")
    assert len(chat.asked) == 2
    assert len(read_entries(tmp_path)) == 3


@pytest.mark.parametrize("content", [b"{}\n", b"[]\n", b"no\n", b"\xff\n"])
def test_a_file_that_is_no_transcript_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"t\.jsonl.*move it away"):
        Transcript(path)
    assert path.read_bytes() == content


def test_a_busy_endpoint_is_asked_again(chat: ChatEndpoint, tmp_path: Path) -> None:
    chat.statuses = [503, 429]
    chat.headers = {"Retry-After": "7"}
    judge, pauses = make_test_judge(chat, tmp_path)
    assert judge.ask_verdict("1", "a") == "correct"
    assert pauses == [7.0, 7.0]
    chat.statuses, chat.headers = [500] * 3, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}
    with pytest.raises(InputError, match=r"no answer after 3 attempts \(status 500"):
        judge.ask_verdict("1", "b")
    assert pauses[2:] == [1.0, 2.0]
    assert len(read_entries(tmp_path)) == 1


def test_a_silent_endpoint_ends_in_time(chat: ChatEndpoint, tmp_path: Path) -> None:
    chat.delay = 1.0
    judge, pauses = make_test_judge(chat, tmp_path, seconds=0.1, attempts=2)
    with pytest.raises(InputError, match="no answer after 2 attempts"):
        judge.ask_verdict("1", "a")
    assert pauses == [1.0]


def test_an_endpoint_that_is_not_there_is_named(tmp_path: Path) -> None:
    with serve_chat(ChatEndpoint()) as chat:
        gone = chat
    judge, _ = make_test_judge(gone, tmp_path)
    with pytest.raises(InputError, match=r"127\.0\.0\.1:\d+/v1/chat/completions: no answer"):
        judge.ask_verdict("1", "a")
    assert not (tmp_path / "out.judge.jsonl").exists()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"{}", "no chat completion"),
        (b'{"choices": []}', "no chat completion"),
        (b'{"error": "no such model"}', "no chat completion"),
    ],
)
def test_other_replies_are_refused(
    chat: ChatEndpoint, tmp_path: Path, body: bytes, message: str
) -> None:
    chat.body = body
    judge, _ = make_test_judge(chat, tmp_path)
    with pytest.raises(InputError, match=message):
        judge.ask_verdict("1", "a")
    assert len(chat.asked) == 1


def test_the_key_goes_to_the_endpoint_and_nowhere_else(
    chat: ChatEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, f"{KEY}\n")
    judge, _ = make_test_judge(chat, tmp_path)
    judge.ask_verdict("1", "a")
    assert chat.asked[0]["headers"]["authorization"] == f"Bearer {KEY}"
    assert KEY not in (tmp_path / "out.judge.jsonl").read_text()
    assert KEY not in repr(judge)
    chat.statuses = [401]
    with pytest.raises(InputError) as told:
        judge.ask_verdict("1", "b")
    assert "status 401 (refused Bearer ***" in str(told.value)
    assert KEY not in str(told.value)
    assert "\x1b" not in str(told.value)
    monkeypatch.setenv(KEY_VARIABLE, f"{KEY}\nX-Other: 1")
    with pytest.raises(InputError, match=KEY_VARIABLE) as told:
        make_test_judge(chat, tmp_path)
    assert KEY not in str(told.value)


def test_a_redirect_is_not_followed(
    chat: ChatEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    with serve_chat(ChatEndpoint()) as elsewhere:
        chat.statuses, chat.headers = [307], {"Location": elsewhere.url}
        with pytest.raises(InputError, match="status 307"):
            make_test_judge(chat, tmp_path)[0].ask_verdict("1", "a")
        assert elsewhere.asked == []


def test_only_the_end_of_a_long_generation_is_sent(chat: ChatEndpoint, tmp_path: Path) -> None:
    make_test_judge(chat, tmp_path)[0].ask_verdict("1", "x" * JUDGED_CHARACTERS + "\ud83d end")
    sent = json.loads(chat.asked[0]["body"]["messages"][1]["content"])["solution"]
    assert len(sent) == JUDGED_CHARACTERS
    assert sent.endswith(" end")


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ("correct", "correct"),
        ("Both are 5.\n\n**Wrong.**\n", "wrong"),
        ("Verdict: unclear", "unclear"),
        ("correct\nwrong", "wrong"),
        ("not correct", "unreadable"),
        ("incorrect", "unreadable"),
        ("correct or wrong", "unreadable"),
        ("", "unreadable"),
    ],
)
def test_a_verdict_is_the_last_line_alone(reply: str, verdict: str) -> None:
    assert read_verdict(reply) == verdict


@pytest.mark.parametrize(
    "url",
    [
        *("", "localhost:8000", "ftp://host", "http://", "http://host:99999", "http://host/a b"),
        *("http://[", "http://host/\u00e9", "file:///etc/passwd", "http://host:0"),
    ],
)
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="write http://HOST/PATH"):
        resolve_endpoint(url)


@pytest.mark.parametrize("url", ["http://me:pw@host", "https://host/v1?key=pw", "http://host/#pw"])
def test_a_url_with_a_secret_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(InputError, match=KEY_VARIABLE) as told:
        resolve_endpoint(url)
    assert "pw" not in str(told.value)


def test_a_url_may_be_given_whole_or_not() -> None:
    assert resolve_endpoint("http://host/v1/") == resolve_endpoint(
        "http://host/v1/chat/completions"
    )


def run_retu_grade(*arguments: object) -> None:
    """`retu grade` with these arguments."""
    parser = argparse.ArgumentParser()
    grade_command.add_arguments(parser)
    grade_command.main(parser.parse_args([str(argument) for argument in arguments]))


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    """A file of answers; the paper's two graders differ on the first three."""
    path = tmp_path / "answers.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return path


def test_disagreements_are_listed_and_judged_once(
    answers: Path, chat: ChatEndpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    out = answers.with_name("out.jsonl")
    compare = ["--grader", "paper_strict", "--compare", "paper_lenient", "--disagreements", out]
    run_retu_grade(answers, *compare)
    told = capsys.readouterr().out
    assert f"paper_strict and paper_lenient differ on 3 of 4 samples, listed in {out}" in told
    assert "correct by paper_lenient alone: 3\n" in told
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["id"] for row in rows] == ["day", "day again", "letter"]
    assert rows[0]["generation"] == ROWS[0]["generation"]
    assert rows[0]["paper_strict"]["correct"] == 0
    assert rows[0]["paper_lenient"] == {
        "correct": 1,
        "parsed_answer": "Thursday",
        "reason": "similar strings",
    }
    assert not any("judge" in row for row in rows)
    assert chat.asked == []

    chat.reply = "wrong"
    judged = ["--judge-url", chat.url, "--judge-model", "tiny"]
    for _ in range(2):
        run_retu_grade(answers, *compare, *judged, "--json")
        output = capsys.readouterr()
    assert len(chat.asked) == 2
    assert "asked 0 times" in output.err
    counts = json.loads(output.out.splitlines()[-1])["summary"]["compared"]
    assert counts["paper_lenient"] == {"correct_alone": 3, "judge": {"wrong": 3}}
    assert counts["paper_strict"] == {"correct_alone": 0}
    assert [json.loads(line)["judge"] for line in out.read_text().splitlines()] == ["wrong"] * 3
    run_retu_grade(answers, *compare, *judged)
    assert "correct by paper_lenient alone: 3; the judge calls 3 wrong" in capsys.readouterr().out


def test_agreeing_graders_leave_an_empty_file(answers: Path, chat: ChatEndpoint) -> None:
    answers.write_text(json.dumps(ROWS[-1]) + "\n", encoding="utf-8")
    out = answers.with_name("out.jsonl")
    judged = ["--judge-url", chat.url, "--judge-model", "tiny"]
    run_retu_grade(answers, "--compare", "paper_strict", "--disagreements", out, *judged)
    assert out.read_text() == ""
    assert chat.asked == []


def test_a_gold_that_one_grader_cannot_use_is_no_disagreement(
    answers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"id": 1, "gold": "{{", "generation": "{{"}
    answers.write_text(json.dumps(row) + "\n", encoding="utf-8")
    run_retu_grade(answers, "--compare", "paper_strict")
    assert "differ on 0 of 1 samples\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--compare", "mine"], "--compare mine: no such grader; known: "),
        (["--compare", "math_verify"], "is --grader itself"),
        (["--disagreements", "out.jsonl"], "give --compare, too"),
        (["--judge-url", "http://host"], "give --judge-model, too"),
        (["--judge-model", "tiny"], "give --judge-url, too"),
        (["--judge-url", "http://host", "--judge-model", "m"], "give --disagreements, too"),
    ],
)
def test_options_that_lack_another_are_refused(
    answers: Path, options: list[str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        run_retu_grade(answers, *options)
