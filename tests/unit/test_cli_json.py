"""`--json` of commands that programs read: JSON and nothing else on stdout."""

import json
from pathlib import Path
from typing import Any

import pytest
from advice_fixtures import plant_curve

from retu.cli import command_line
from retu.core.tables import write_csv

Said = list[dict[str, Any]]


def ask(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> Said:
    """What a command prints, an object a line."""
    capsys.readouterr()
    assert command_line.main([*words, "--json"]) == status
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_plan_of_a_study_of_gpus(capsys: pytest.CaptureFixture[str]) -> None:
    (told,) = ask(capsys, "plan", "--study", "paper", "--gpus", "8")
    assert told["study"] == "paper"
    assert told["assumed"]["gpus"] == 8
    totals, work = told["totals"], told["work"]
    assert totals["gpu_hours"] == pytest.approx(sum(one["estimated_hours"] for one in work))
    assert totals["days"] == pytest.approx(totals["gpu_hours"] / 8 / 24)
    assert totals["jobs"] > len(work) > 100
    assert all(part["jobs"] <= totals["jobs"] for part in told["artefacts"].values())
    (wider,) = ask(capsys, "plan", "--study", "paper", "--gpus", "1000000")
    assert wider["totals"]["days"] == wider["totals"]["days_at_least"] > 0


def test_plan_of_a_study_of_a_cpu(capsys: pytest.CaptureFixture[str]) -> None:
    (told,) = ask(capsys, "plan", "--study", "smoke", "--assume")
    assert told["totals"]["jobs"] >= told["artefacts"]["table_4"]["jobs"] > 10
    assert {one["kind"] for one in told["work"]} >= {"SFT", "RL"}
    assert {one["measured_hours"] for one in told["work"]} == {None}


def test_fit_and_advise_tell_an_object_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, (name, top) in enumerate({"first": 70, "second": 80}.items()):
        rows = plant_curve((name, number), 60, top).rename(columns={"x_rl_eflops": "x"})
        rows = rows.assign(curve=name)[["curve", "x", "score", "n_problems"]]
        write_csv(rows, tmp_path / f"{name}.csv")
    names = ("first.csv", "second.csv")
    fitted = ask(capsys, "fit", *names, "--x-unit", "eflops", "--draws", "100")
    assert [row["curve"] for row in fitted] == ["first", "second"]
    (advice,) = ask(capsys, "advise", *names, "--x-unit", "eflops")
    assert advice["start"] == "second"


def test_grade_ends_with_its_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answers = tmp_path / "answers.jsonl"
    rows = [{"id": n, "gold": "3", "generation": f"\\boxed{{{n}}}"} for n in (3, 4)]
    answers.write_text("".join(json.dumps(row) + "\n" for row in rows))
    *verdicts, last = ask(capsys, "grade", str(answers), "--workers", "1")
    assert [row["correct"] for row in verdicts] == [1, 0]
    assert list(last) == ["summary"]


def test_a_mistake_leaves_stdout_empty(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(capsys, "plan", "--study", "papr", status=2) == []
    assert ask(capsys, "claim", "qwertzu", status=2) == []
