"""`retu new-study` and `retu check`: from a model folder and a file to a study that can be run."""

import re
from pathlib import Path

import pytest
from files_fixtures import FORMS, SYSTEM, draw_sums, write_lines
from own_study import check_study, write_study

from retu.core.errors import InputError


@pytest.mark.parametrize("form", list(FORMS))
def test_two_commands_from_a_file_to_a_checked_study(
    form: str, tiny_model: Path, studies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = FORMS[form](draw_sums(), studies.parent)
    write_study("--model", str(tiny_model), "--train", str(file))
    written = (studies / "mine.yaml").read_text(encoding="utf-8")
    assert len(written.splitlines()) < 45
    assert (SYSTEM in written) == (form == "messages")
    assert ("box_answers: true" in written) == (form == "question and ####")
    shown = capsys.readouterr().out
    first = draw_sums()[0]
    assert f"| {first.question}<|im_end|>" in shown
    assert f"gold: {first.gold}" in shown
    check_study()
    report = capsys.readouterr().out
    assert "nothing is in the way of a run" in report
    assert "the grader accepts 48 of 48 trajectories" in report
    assert "left out: 6 that are in benchmarks, 6 that are in validation" in report


def test_a_study_is_never_overwritten(tiny_model: Path, studies: Path) -> None:
    (studies / "mine.yaml").write_text("mine\n")
    file = FORMS["verl"](draw_sums(), studies.parent)
    with pytest.raises(InputError, match="is there already; choose another name"):
        write_study("--model", str(tiny_model), "--train", str(file))
    assert (studies / "mine.yaml").read_text() == "mine\n"


def test_the_system_turn_is_shown(
    tiny_model: Path, studies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = FORMS["verl"](draw_sums(), studies.parent)
    write_study("--model", str(tiny_model), "--train", str(file), "--system", 'Say "{{ x }}".')
    check_study()
    assert '| <|im_start|>system\n  | Say "{{ x }}".<|im_end|>' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--train", "train.csv"], "--model: is missing"),
        (["--model", "{model}", "--train", "none.jsonl"], "none.jsonl: there is no such file"),
        (["--model", "nowhere", "--train", "train.csv"], "there is no folder nowhere"),
    ],
)
def test_what_is_missing_is_named(
    words: list[str], message: str, tiny_model: Path, studies: Path
) -> None:
    FORMS["problem, solution, answer"](draw_sums(), studies.parent)
    with pytest.raises(InputError, match=message):
        write_study(*(word.format(model=tiny_model) for word in words))
    assert not list(studies.iterdir())


def test_check_names_experts_overlaps_and_limits(
    tiny_model: Path, studies: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sums = draw_sums()
    rows: list[dict[str, object]] = [
        {"question": p.question, "response": p.write_trajectory(), "gold": p.gold} for p in sums
    ]
    rows[10]["gold"] = "999"
    train = write_lines(rows, studies.parent / "train.jsonl")
    bench = write_lines(rows[:3], studies.parent / "bench.jsonl")
    write_study("--model", str(tiny_model), "--train", str(train), "--benchmark", f"B={bench}")
    study = studies / "mine.yaml"
    text = study.read_text(encoding="utf-8")
    lowered = re.sub(r"max_new_tokens: \d+", "max_new_tokens: 1", text)
    study.write_text(lowered, encoding="utf-8")
    assert check_study() == 1
    report = capsys.readouterr().out
    assert f"error  3 problems of B ({bench}) are in Experts, too ({train}: " in report
    assert f"{sums[0].question!r}); mend the files or set data.overlap: leave_out" in report
    assert "note   Experts: the grader accepts" in report
    assert "gold '999'" in report
    assert "evaluation: max_new_tokens 1 does not hold the mean trajectory" in report
