"""What differs first between two lineages."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from lineage_fixtures import Ask
from lineage_toy import DATA, RESULTS, TABLE, ToyStudy

from retu.lineage.queries.record_diff import compare_files
from retu.lineage.record import Artefact

SFT_A = "results/other/sft/M/A/seed0/train.record.json"
GRADES = "results/other/sft/M/A/seed0/grades.record.json"
WEIGHTS = f"{RESULTS}/sft/M/A/seed0/checkpoints/step-000010/model.safetensors"
SFT_LINE = "  train_sft M A seed 0  (sft/M/A/seed0/train.record.json)"


def write_other(toy: Path, changes: Mapping[str, Mapping[str, Any]] | None = None) -> None:
    """A second study that was made like the first but for some changes."""
    ToyStudy(toy, "other", changes or {}, renamed=False).write_study()


def test_studies_that_were_made_alike(toy: Path, ask: Ask) -> None:
    write_other(toy)
    lines = ask("diff", "toy", "other").lines
    assert lines == [
        "A  study toy (20 jobs, f00df00d)",
        "B  study other (20 jobs, f00df00d)",
        "",
        "nothing differs: the records of 20 jobs tell the same",
        "(files on disk are not hashed here: retu lineage verify --study toy)",
    ]


NEW = {WEIGHTS: "A 10 otherwise"}
CAUSES: dict[str, tuple[dict[str, Any], str]] = {
    "code": (
        {"modules": {"workflow_scripts.train_sft": "b" * 16}},
        "  code           workflow_scripts.train_sft",
    ),
    "new module": (
        {"modules": {"workflow_scripts.train_sft": "a" * 16, "workflow_scripts.new": "b" * 16}},
        "  code           workflow_scripts.new: only in B",
    ),
    "versions": (
        {"versions": {"python": "3.11.8"}},
        '  environment    python: "3.11.7" -> "3.11.8"',
    ),
    "lock": (
        {"lock": "1" * 16},
        "  environment    lock envs/lab.txt 10c410c4 -> envs/lab.txt 11111111",
    ),
    "specification": (
        {"spec": {"recipe": {"steps": 21}, "seed": 0}},
        "  specification  recipe.steps: 20 -> 21",
    ),
    "options": ({"command": ["--fast"]}, "  specification  option only in B: --fast"),
    "facts": ({"facts": {"a.csv": "b" * 16}}, "  facts          a.csv: only in B"),
    "nothing else": (
        {"host": {"name": "there", "cores": 2}},
        "  chance         same inputs, code and environment, different output:"
        " not deterministic, or another machine",
    ),
}


@pytest.mark.parametrize(("change", "line"), CAUSES.values(), ids=CAUSES.keys())
def test_the_first_difference_is_named(
    change: dict[str, Any], line: str, toy: Path, ask: Ask
) -> None:
    write_other(toy, {SFT_A: {**change, "outputs": NEW}})
    lines = ask("diff", "toy", "other", status=1).lines
    assert lines[3:6] == ["differs first", SFT_LINE, line]


def test_what_only_read_something_else_is_counted(toy: Path, ask: Ask) -> None:
    write_other(toy, {SFT_A: {"seeds": [0], "spec": {"seed": 1}, "outputs": NEW}})
    lines = ask("diff", "toy", "other", status=1).lines
    assert (
        "3 jobs only by what was read: grade M A seed 0, train_rl M A step 10 dapo seed 0,"
        in (lines[-2])
    )
    assert lines[-1] == "16 jobs the same on both sides"


def test_folders_name_the_files_that_differ(toy: Path, ask: Ask) -> None:
    write_other(toy, {SFT_A: {"outputs": NEW}})
    lines = ask("diff", "toy", "other", status=1).lines
    (line,) = [line for line in lines if "/checkpoints " in line]
    assert line.endswith("(in it step-000010/model.safetensors)")


def test_a_machine_is_named_when_nothing_else_differs(toy: Path, ask: Ask) -> None:
    host = {"name": "there", "cores": 2}
    write_other(toy, {SFT_A: {"host": host, "outputs": NEW}, GRADES: {"host": host}})
    lines = ask("diff", "toy", "other", status=1).lines
    assert lines[6].strip() == 'name: "here" -> "there"'
    assert not any("cores" in line for line in lines)


def test_causes_elsewhere_are_counted(toy: Path, ask: Ask) -> None:
    new = {"versions": {"python": "3.11.8"}}
    changes = {SFT_A: new, GRADES: new, "results/other/curves.record.json": new}
    write_other(toy, changes)
    lines = ask("diff", "toy", "other", status=1).lines
    at = lines.index("differs elsewhere")
    assert lines[at + 1] == '  environment    python: "3.11.7" -> "3.11.8"  (2 jobs)'
    assert lines[-1] == "17 jobs the same on both sides"


def test_data_that_no_job_made_is_a_first_difference(toy: Path, ask: Ask) -> None:
    write_other(toy, {"data/other.record.json": {"outputs": {f"{DATA}/pool.parquet": "new"}}})
    for study in ("toy", "other"):
        (toy / f"data/{study}.record.json").unlink()
    # Without the record of the data, the base model is the first that read something else.
    lines = ask("diff", "toy", "other", status=1).lines
    assert lines[4].startswith("  pretrain_base M ")
    assert lines[5].startswith("  data           data/toy/pool.parquet")


def test_jobs_of_one_side_are_listed(toy: Path, ask: Ask) -> None:
    write_other(toy)
    shutil.rmtree(toy / "results/other/rl/M/A/step10/luffy")
    lines = ask("diff", "toy", "other", status=1).lines
    assert (
        "only in A: 2 jobs: train_rl M A step 10 luffy seed 0, grade M A step 10 luffy seed 0"
        in (lines)
    )


def test_two_runs_are_compared_with_all_behind_them(toy: Path, ask: Ask) -> None:
    write_other(toy)
    runs = [f"{RESULTS}/rl/M/A/step10/{name}/seed0/grades.parquet" for name in ("dapo", "luffy")]
    lines = ask("diff", runs[0], runs[1], status=1).lines
    assert lines[4].startswith("  train_rl M A step 10 dapo seed 0 / train_rl M A step 10 luffy")
    assert lines[5] == '  specification  recipe.title: "dapo" -> "luffy"'
    assert lines[-1] == "4 jobs the same on both sides"


def test_an_output_and_a_study_compare_that_output(toy: Path, ask: Ask) -> None:
    write_other(toy)
    shutil.rmtree(toy / "results/other/rl/M/A/step10/luffy")
    lines = ask("diff", f"{RESULTS}/sft_sets/A.parquet", "other").lines
    assert lines[-2] == "nothing differs: the records of 2 jobs tell the same"


def test_tables_of_other_rules(toy: Path, ask: Ask) -> None:
    write_other(toy)
    lines = ask("diff", TABLE, f"{RESULTS}/curves.csv", status=1).lines
    assert lines[5] == "  rule           make_table_4 -> curves"


def test_json_has_all_of_it(toy: Path, ask: Ask) -> None:
    write_other(toy, {SFT_A: {"spec": {"seed": 1}, "outputs": NEW}})
    found = json.loads(ask("diff", "toy", "other", "--json", status=1).out)
    assert found["first"]["b"] == SFT_A
    assert found["first"]["parts"]["specification"] == [
        'recipe: {"steps": 20} -> (none)',
        "seed: 0 -> 1",
    ]
    assert [one["inherited"] for one in found["differences"]] == [False, True, True, True]
    assert (found["equal"], found["same"]) == (False, 16)


def make_artefacts(**hashes: str) -> list[Artefact]:
    """Files of a study, `a` is results/toy/a."""
    return [Artefact(path=f"{RESULTS}/{n}", md5=h * 32, size=1) for n, h in hashes.items()]


def test_inputs_are_paired_by_name_before_they_are_paired_by_place() -> None:
    same, one, other = {"x": "1", "y": "2"}, {"a": "3"}, {"b": "4"}
    # One more in front on one side, one more behind on the other.
    found = list(compare_files(make_artefacts(**one, **same), make_artefacts(**same, **other)))
    assert found == [f"{RESULTS}/a {'3' * 8} -> {'4' * 8}"]
    assert list(compare_files(make_artefacts(**one, **same), make_artefacts(**same))) == [
        "results/STUDY/a: only in A"
    ]


def test_what_is_no_side_is_told(toy: Path, ask: Ask) -> None:
    write_other(toy)
    subprocess.run(["git", "init", "-q"], cwd=toy, check=True)
    for words, told in (
        (("toy", "no-such"), "no-such"),
        (("toy", "x.tgz"), "x.tgz"),
        ((f"{RESULTS}/gone.csv", "other"), "gone.csv"),
    ):
        assert told in ask("diff", *words, status=2).err
    (toy / "results/other/curves.record.json").unlink()
    said = ask("diff", f"{RESULTS}/curves.csv", "other", status=2).err
    assert re.match(r"error: study other \(19 jobs, .*curves\.csv: no record", said)


def test_a_damaged_record_is_not_compared(toy: Path, ask: Ask) -> None:
    write_other(toy)
    (toy / SFT_A).write_text("{")
    assert "train.record.json: not a whole record" in ask("diff", "toy", "other", status=2).err
