"""Options and names of `retu new-study`: unusable ones are told, odd ones are quoted."""

from pathlib import Path

import pytest
from files_fixtures import write_lines
from own_study import make_rows, parse_options, refuse_study, write_study

from retu.cli import command_line, new_study_command
from retu.core.errors import InputError


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--train", "."], ".: is a folder; name a file in it"),
        (["--benchmark", "B=b.jsonl", "--benchmark", "B=c.jsonl"], "b.jsonl is named B, too"),
        (["--benchmark", "a b=b.jsonl"], "'a b' cannot name a benchmark"),
        (["--benchmark", "=b.jsonl"], "'' cannot name a benchmark"),
        (["--benchmark", "B=./train.jsonl"], "./train.jsonl: is the training file"),
        (["--validation", "train.jsonl"], "train.jsonl: is the training file"),
        (["--validation", "b.jsonl"], "answer has neither a box nor ####"),
        (["--column", "promt=question"], "--column promt=question: write KEY=COLUMN"),
        (["--column", "prompt=task"], "columns.prompt: there is no column task; there are"),
        (["--template", "chatmll"], "unknown template 'chatmll'; did you mean chatml?"),
    ],
)
def test_options_that_cannot_be_used(
    words: list[str], message: str, tiny_model: Path, studies: Path
) -> None:
    folder = studies.parent
    write_lines(make_rows(), folder / "train.jsonl")
    for name in ("b.jsonl", "c.jsonl"):
        write_lines([{"problem": "How much?", "answer": "7"}], folder / name)
    assert message in refuse_study(tiny_model, studies, "--train", "train.jsonl", *words)


@pytest.mark.parametrize("name", ["1st", "a b", "../x", "", "null", "yes", "a.yaml", "a" * 65])
def test_names_that_no_study_can_have(name: str, tiny_model: Path, studies: Path) -> None:
    write_lines(make_rows(), studies.parent / "train.jsonl")
    words = ("--model", str(tiny_model), "--train", "train.jsonl", "--", name)
    with pytest.raises(InputError, match="cannot name a study"):
        new_study_command.main(parse_options(new_study_command, *words))
    assert not list(studies.iterdir())


def test_odd_names_of_files_columns_and_benchmarks(tiny_model: Path, studies: Path) -> None:
    rows = [{"my: task": r["question"], "the [work]": r["response"]} for r in make_rows()]
    write_lines(rows, studies.parent / "tr #1: {x}é.jsonl")
    write_lines([{"problem": "How much?", "answer": "7"}], studies.parent / "größe 1.jsonl")
    words = ["--train", "tr #1: {x}é.jsonl", "--benchmark", "größe 1.jsonl"]
    words += ["--column", "prompt=my: task", "--column", "response=the [work]"]
    words += ["--benchmark", "no=größe 1.jsonl"]
    write_study("--model", str(tiny_model), *words, "--suffix", '\nThink: "now" # é')
    written = (studies / "mine.yaml").read_text(encoding="utf-8")
    assert 'columns: {prompt: "my: task", response: "the [work]", gold: box}' in written
    assert "  gr__e_1: {file:" in written
    assert '  "no": {file:' in written


def test_a_folder_that_cannot_be_written_to(
    tiny_model: Path, studies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lines(make_rows(), studies.parent / "train.jsonl")

    def refuse_writing(path: Path, text: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(new_study_command, "write_text", refuse_writing)
    told = refuse_study(tiny_model, studies, "--train", "train.jsonl")
    assert told.startswith(f"{studies / 'mine.yaml'}: cannot be written (Permission denied)")


def test_the_command_ends_with_status_2(
    studies: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lines(make_rows(), studies.parent / "train.jsonl")
    words = ["new-study", "mine", "--model", "nowhere", "--train", "train.jsonl"]
    assert command_line.main(words) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "there is no folder nowhere" in told
