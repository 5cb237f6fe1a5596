"""What differs first between two lineages."""

import argparse
import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from lineage_toy import DATA, RESULTS, TABLE, ToyStudy

from retu.core.errors import InputError
from retu.lineage.queries.diff import run_diff
from retu.lineage.queries.record_diff import compare_files
from retu.lineage.record import Artefact

SFT_A = "results/other/sft/M/A/seed0/train.record.json"
GRADES = "results/other/sft/M/A/seed0/grades.record.json"
WEIGHTS = f"{RESULTS}/sft/M/A/seed0/checkpoints/step-000010/model.safetensors"
SFT_LINE = "  train_sft M A seed 0  (sft/M/A/seed0/train.record.json)"


def write_two_toys(root: Path, changes: Mapping[str, Mapping[str, Any]]) -> Path:
    """Two studies that were made alike but for some changes in the second."""
    (root / "config.yaml").write_text("study: toy\n")
    ToyStudy(root).write_study()
    return ToyStudy(root, "other", changes, renamed=False).write_study()


def make_diff_options(root: Path, a: str, b: str, as_json: bool = False) -> argparse.Namespace:
    """The options of the command."""
    return argparse.Namespace(root=root, a=a, b=b, study=None, json=as_json)


def run_diff_command(
    root: Path, a: str, b: str, capsys: pytest.CaptureFixture[str]
) -> tuple[int, list[str]]:
    """Exit status and lines of the command."""
    status = run_diff(make_diff_options(root, a, b))
    return status, capsys.readouterr().out.splitlines()


def test_studies_that_were_made_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, lines = run_diff_command(write_two_toys(tmp_path, {}), "toy", "other", capsys)
    assert status == 0
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
    "options of the rules": (
        {"options": "b" * 16},
        "  code           the options that rules give workflow_scripts.train_sft",
    ),
    "facts": ({"facts": {"a.csv": "b" * 16}}, "  facts          a.csv: only in B"),
    "nothing else": (
        {"host": {"name": "there", "cores": 2}},
        "  chance         same inputs, code and environment, different output:"
        " not deterministic, or another machine",
    ),
}


@pytest.mark.parametrize(("change", "line"), CAUSES.values(), ids=CAUSES.keys())
def test_the_first_difference_is_named(
    change: dict[str, Any], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_two_toys(tmp_path, {SFT_A: {**change, "outputs": NEW}})
    status, lines = run_diff_command(root, "toy", "other", capsys)
    assert status == 1
    assert lines[3:6] == ["differs first", SFT_LINE, line]


def test_what_only_read_something_else_is_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_two_toys(tmp_path, {SFT_A: {"seeds": [0], "spec": {"seed": 1}, "outputs": NEW}})
    _, lines = run_diff_command(root, "toy", "other", capsys)
    assert (
        "3 jobs only by what was read: grade M A seed 0, train_rl M A step 10 dapo seed 0,"
        in (lines[-2])
    )
    assert lines[-1] == "16 jobs the same on both sides"


def test_folders_name_the_files_that_differ(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_two_toys(tmp_path, {SFT_A: {"outputs": NEW}})
    _, lines = run_diff_command(root, "toy", "other", capsys)
    (line,) = [line for line in lines if "/checkpoints " in line]
    assert line.endswith("(in it step-000010/model.safetensors)")


def test_a_machine_is_named_when_nothing_else_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host = {"name": "there", "cores": 2}
    root = write_two_toys(tmp_path, {SFT_A: {"host": host, "outputs": NEW}, GRADES: {"host": host}})
    _, lines = run_diff_command(root, "toy", "other", capsys)
    assert lines[6].strip() == 'name: "here" -> "there"'
    assert not any("cores" in line for line in lines)


def test_causes_elsewhere_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new = {"versions": {"python": "3.11.8"}}
    changes = {SFT_A: new, GRADES: new, "results/other/curves.record.json": new}
    _, lines = run_diff_command(write_two_toys(tmp_path, changes), "toy", "other", capsys)
    at = lines.index("differs elsewhere")
    assert lines[at + 1] == '  environment    python: "3.11.7" -> "3.11.8"  (2 jobs)'
    assert lines[-1] == "17 jobs the same on both sides"


def test_data_that_no_job_made_is_a_first_difference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_two_toys(
        tmp_path, {"data/other.record.json": {"outputs": {f"{DATA}/pool.parquet": "new"}}}
    )
    for study in ("toy", "other"):
        (root / f"data/{study}.record.json").unlink()
    # Without the record of the data, the base model is the first that read something else.
    _, lines = run_diff_command(root, "toy", "other", capsys)
    assert lines[4].startswith("  pretrain_base M ")
    assert lines[5].startswith("  data           data/toy/pool.parquet")


def test_jobs_of_one_side_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_two_toys(tmp_path, {})
    shutil.rmtree(root / "results/other/rl/M/A/step10/luffy")
    status, lines = run_diff_command(root, "toy", "other", capsys)
    assert status == 1
    assert (
        "only in A: 2 jobs: train_rl M A step 10 luffy seed 0, grade M A step 10 luffy seed 0"
        in (lines)
    )


def test_two_runs_are_compared_with_all_behind_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_two_toys(tmp_path, {})
    runs = [f"{RESULTS}/rl/M/A/step10/{name}/seed0/grades.parquet" for name in ("dapo", "luffy")]
    status, lines = run_diff_command(root, runs[0], runs[1], capsys)
    assert status == 1
    assert lines[4].startswith("  train_rl M A step 10 dapo seed 0 / train_rl M A step 10 luffy")
    assert lines[5] == '  specification  recipe.title: "dapo" -> "luffy"'
    assert lines[-1] == "4 jobs the same on both sides"


def test_an_output_and_a_study_compare_that_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write_two_toys(tmp_path, {})
    shutil.rmtree(root / "results/other/rl/M/A/step10/luffy")
    status, lines = run_diff_command(root, f"{RESULTS}/sft_sets/A.parquet", "other", capsys)
    assert status == 0
    assert lines[-2] == "nothing differs: the records of 2 jobs tell the same"


def test_tables_of_other_rules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, lines = run_diff_command(
        write_two_toys(tmp_path, {}), TABLE, f"{RESULTS}/curves.csv", capsys
    )
    assert lines[5] == "  rule           make_table_4 -> curves"


def test_json_has_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write_two_toys(tmp_path, {SFT_A: {"spec": {"seed": 1}, "outputs": NEW}})
    assert run_diff(make_diff_options(root, "toy", "other", as_json=True)) == 1
    found = json.loads(capsys.readouterr().out)
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


def test_what_is_no_side_is_told(tmp_path: Path) -> None:
    root = write_two_toys(tmp_path, {})
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    with pytest.raises(InputError, match="no-such"):
        run_diff(make_diff_options(root, "toy", "no-such"))
    with pytest.raises(InputError, match=r"x\.tgz"):
        run_diff(make_diff_options(root, "toy", "x.tgz"))
    with pytest.raises(InputError, match=r"gone\.csv"):
        run_diff(make_diff_options(root, f"{RESULTS}/gone.csv", "other"))
    (root / "results/other/curves.record.json").unlink()
    with pytest.raises(InputError, match=r"^study other \(19 jobs, .*curves\.csv: no record"):
        run_diff(make_diff_options(root, f"{RESULTS}/curves.csv", "other"))


def test_a_damaged_record_is_not_compared(tmp_path: Path) -> None:
    root = write_two_toys(tmp_path, {})
    (root / SFT_A).write_text("{")
    with pytest.raises(InputError, match=r"train\.record\.json: not a whole record"):
        run_diff(make_diff_options(root, "toy", "other"))
