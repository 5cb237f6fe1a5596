"""`retu check` on studies that were changed by hand: limits, overlaps, models that are not here."""

import json
import re
from pathlib import Path

import pytest
from files_fixtures import draw_sums, write_lines
from own_study import check_study, parse_options, write_study

from retu.cli import check_command, plan_command
from retu.config import load
from retu.core.errors import InputError

SHA = "0" * 64
PACKED = f'{{package: x==1, sha256: "{SHA}", file: a.gguf}}'
ROWS = 60


@pytest.fixture
def study(tiny_model: Path, studies: Path) -> Path:
    """The study `mine` of the tiny model and a file of 60 rows."""
    rows = [
        {
            "question": p.question,
            "response": p.write_trajectory(),
            "gold": p.gold,
            "work": f"$\\frac{{{p.gold}}}{{$",
        }
        for p in draw_sums(ROWS)
    ]
    write_lines([dict(row) for row in rows], studies.parent / "train.jsonl")
    write_study("--model", str(tiny_model), "--train", "train.jsonl")
    return studies / "mine.yaml"


def change_study(study: Path, old: str, new: str) -> None:
    """Replace what a pattern finds in a study."""
    text = study.read_text(encoding="utf-8")
    changed = re.sub(old, new, text)
    assert changed != text
    study.write_text(changed, encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (r"Experts: \{", "Experts: {limit: 1, ", "problems, of which 6 are to be held out; hold"),
        (r"hold_out: 6\}", "hold_out: 60}", "has 60 problems, of which 60 are to be held out"),
        (r"hold_out: 6,", "hold_out: 54,", "has 54 problems, of which 54 are to be held out"),
        (r"dataset: Experts\}", "dataset: Expert}", "'Expert'; did you mean Experts?"),
        (r"train.jsonl", "none.jsonl", "there is no file none.jsonl; paths count from"),
        (r"train.jsonl", "tiny", "tiny is a folder; name a file in it"),
        (r"gold: gold", "gold: gol", "there is no column gol; there are question, response, gold"),
        (r"gold: gold", "gold: hashes", "train.jsonl: row 0: has no final answer; give it one"),
        (r"response: response", "response: chat", "columns.response: there is no column chat"),
        (
            r"Experts: \{",
            "Experts: {colums: {}, ",
            "Experts.colums: no such key; did you mean columns?",
        ),
    ],
)
def test_a_study_that_cannot_be_checked(old: str, new: str, message: str, study: Path) -> None:
    change_study(study, old, new)
    with pytest.raises(InputError) as refused:
        check_study()
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            r"max_completion_length: \d+",
            "max_completion_length: 4",
            "max_completion_length 4 does not hold the mean trajectory (34 tokens); raise it",
        ),
        (
            r"max_length: \d+",
            "max_length: 16",
            "refuses 48 above max_length 16; raise it or set too_long: truncate",
        ),
        (
            r"gold: gold\}\}\nrecipes",
            "gold: work}}\nrecipes",
            "Experts (train.jsonl): 48 gold answers unusable: gold answer ",
        ),
        (r"rl_prompts: \{", "rl_prompts: {limit: 1, ", "prompts rl_prompts: 0 rows of train.jsonl"),
        (
            r"validation: \{[^}]*\}",
            "validation: {file: train.jsonl}",
            "60 problems of validation (train.jsonl) are in Experts, too (train.jsonl: ",
        ),
        (
            r"kind: files\n  validation: \{[^}]*\}",
            "kind: files\n  overlap: leave_out\n  validation: {file: train.jsonl}",
            "sft Experts: 0 rows of train.jsonl",
        ),
    ],
)
def test_what_is_in_the_way(
    old: str, new: str, message: str, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change_study(study, old, new)
    assert check_study() == 1
    errors = [line for line in capsys.readouterr().out.splitlines() if line.startswith("error")]
    assert any(message in line for line in errors)


def test_json_is_one_object_with_all_findings(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_study() == 0
    shown = capsys.readouterr().out.splitlines()
    assert check_study("--json") == 0
    (line,) = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    assert (told["study"], told["errors"]) == ("mine", 0)
    steady = [one for one in told["findings"] if one["text"].startswith(("sft ", "validation "))]
    assert steady
    assert {f"{one['level']:5}  {one['text']}" for one in steady} <= set(shown)
    change_study(study, r"max_completion_length: \d+", "max_completion_length: 4")
    assert check_study("--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["errors"] == sum(one["level"] == "error" for one in told["findings"]) == 1


def test_a_validation_set_of_which_nothing_is_left(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = Path("train.jsonl").read_text().splitlines(keepends=True)
    Path("judge.jsonl").write_text("".join(lines[:5]))
    change_study(study, r"validation: \{[^}]*\}", "validation: {file: judge.jsonl}")
    change_study(study, r"HeldOut: .*", "Judge: {file: judge.jsonl}\n")
    change_study(study, "kind: files", "kind: files\n  overlap: leave_out")
    assert check_study() == 1
    report = capsys.readouterr().out
    assert "error  validation validation: 0 rows of judge.jsonl" in report
    assert "left out: 5 that are in benchmarks; give it rows that are in no set" in report


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r"datasets:\n", "datasets:\n  Other: {imported: true}\n"),
        (r"datasets:\n", "datasets:\n  HeldOut: {file: train.jsonl, limit: 30}\n"),
        (r"rl_prompts: \{", "rl_prompts: {experts: true, "),
        (r"  prompts: ", '  prompt_suffix: "\\\\nBox it."\n  prompts: '),
    ],
    ids=["imported", "two sets, one named as a benchmark", "experts", "suffix"],
)
def test_a_study_that_can_be_run(
    old: str, new: str, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change_study(study, old, new)
    check_study()
    report = capsys.readouterr().out
    assert "nothing is in the way of a run" in report
    assert ("  | Box it.<|im_end|>" in report) == ("suffix" in new)


@pytest.mark.parametrize(
    ("models", "brings"),
    [
        (f"models:\n  Model: {PACKED}\n", "Model"),
        (f"models:\n  Packed: {PACKED}\n  Model: {{folder: tiny}}\n", "Packed"),
        ("models:\n  Model: {repository: a/b}\n", "Model"),
    ],
    ids=["packaged", "packaged and here", "hub"],
)
def test_a_model_that_a_rule_brings_first(
    models: str, brings: str, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change_study(study, r"models:\n.*\n", models)
    change_study(study, "kind: files", "kind: files\n  lock: studies/mine.lock.yaml")
    check_study()
    report = capsys.readouterr().out
    target = f"results/mine/base/{brings}/manifest.json"
    command = f"snakemake {target} --cores 1 --config study=mine"
    assert f"note   models.{brings}: is not here yet ({command} brings it)" in report
    assert "Experts: the grader accepts 48 of 48 trajectories" in report
    assert ("holds all (max_length" in report) == ("tiny" in models)


@pytest.mark.parametrize("name", ["lab", "paper", "released"])
def test_a_study_without_files(name: str) -> None:
    with pytest.raises(InputError, match=rf"no files of its own.*\(retu plan --study {name}\)"):
        check_command.main(parse_options(check_command, "--study", name))
    assert (load.STUDIES / f"{name}.yaml").is_file()


def test_a_plan_names_what_tells_more(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan_command.main(parse_options(plan_command, "--study", "mine"))
    assert "on this machine: retu check --study mine" in capsys.readouterr().out
