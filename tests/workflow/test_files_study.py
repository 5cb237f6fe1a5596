"""A study of a user's own files, from two commands to its report, and what each change replans."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from conftest import clean_environment, copy_checkout, run_snakemake
from files_fixtures import draw_sums, write_messages
from processes import read_output, run_as_on_terminal

pytestmark = pytest.mark.slow

CONFIG = ("study=mine",)
TOLD_OF_THE_STUDY = {"describe_study", "make_report", "summary", "lineage", "all"}
"""Rules of what names everything that a study says."""
DATA = {"load_file_benchmarks", "load_file_split", "load_file_set"}
ANSWERED = {"train_sft", "train_rl", "generate_base", "generate_sft", "grade", "curves"}


def run_retu(folder: Path, *words: str, status: int = 0) -> str:
    """A command of `retu` in a checkout; what it printed."""
    command = [sys.executable, "-m", "retu", *words]
    done = run_as_on_terminal(command, cwd=folder, env=clean_environment(PYTHONPATH=str(folder)))
    assert done.returncode == status, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def finished(made_tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which a user's study ran to its report."""
    folder = copy_checkout(tmp_path_factory.mktemp("own") / "checkout")
    shutil.copytree(made_tiny_model, folder / "tiny")
    write_messages(draw_sums(), folder)
    run_retu(folder, "new-study", "mine", "--model", "tiny", "--train", "train.json")
    study = folder / "studies" / "mine.yaml"
    text = re.sub(r"checkpoints: .*, evaluate_every: \d+", "checkpoints: [2, 4]", study.read_text())
    text = re.sub(r"sft_steps: .*\]", "sft_steps: [4]", text)
    study.write_text(re.sub(r"      steps: \d+", "      steps: 2", text), encoding="utf-8")
    run_retu(folder, "check", "--study", "mine")
    done = run_snakemake(folder, config=CONFIG)
    assert done.returncode == 0, done.stdout
    return folder


@pytest.fixture
def mine(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, Snakemake's memory included, to be changed."""
    return shutil.copytree(finished, tmp_path / "checkout", symlinks=True)


def list_planned(folder: Path) -> set[str]:
    """The rules that a dry run would run."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "1"]
    said = read_output([*command, "--config", *CONFIG], cwd=folder, env=clean_environment())
    table = said.partition("Job stats:")[2].partition("total")[0]
    return set(re.findall(r"^(\w+) +\d+$", table, re.MULTILINE))


def edit_study(folder: Path, old: str, new: str) -> None:
    """Replace a text of the study."""
    study = folder / "studies" / "mine.yaml"
    text = study.read_text(encoding="utf-8")
    assert old in text
    study.write_text(text.replace(old, new), encoding="utf-8")


def test_it_runs_to_its_report_and_every_byte_is_recorded(finished: Path) -> None:
    assert (finished / "results/mine/report.html").is_file()
    assert "all as recorded" in run_retu(finished, "lineage", "verify", "--study", "mine")
    assert "all current" in run_retu(finished, "lineage", "why", "--stale", "--study", "mine")
    record = json.loads((finished / "results/mine/sft_sets/Experts.record.json").read_text())
    assert [(s["path"], s["own"]) for s in record["sources"]] == [("train.json", True)]
    template = finished / "results/mine/base/Model/checkpoints/step-000000/chat_template.jinja"
    assert "Put the final answer in a box." in template.read_text()
    assert list_planned(finished) == set()


def test_an_edited_row_replans_data_and_all_after_it(mine: Path) -> None:
    rows = json.loads((mine / "train.json").read_text())
    rows[3]["messages"][2]["content"] = "<think>no</think> " + rows[3]["messages"][2]["content"]
    (mine / "train.json").write_text(json.dumps(rows), encoding="utf-8")
    planned = list_planned(mine)
    assert planned >= DATA | ANSWERED
    assert not planned & {"load_local_model", "describe_study"}
    stale = run_retu(mine, "lineage", "why", "--stale", "--study", "mine", status=1)
    assert "train.json: is not what load_file_set read" in stale
    assert "mirror=" not in stale
    found = run_retu(mine, "lineage", "verify", "--study", "mine", status=1)
    assert "train.json: is not what load_file_set read" in found


def test_a_renamed_file_replans_only_what_names_it(mine: Path) -> None:
    (mine / "train.json").rename(mine / "experts.json")
    edit_study(mine, '"train.json"', '"experts.json"')
    assert list_planned(mine) == TOLD_OF_THE_STUDY
    assert "1 file of yours is not where jobs read them: train.json" in run_retu(
        mine, "lineage", "verify", "--study", "mine", status=1
    )


def test_another_chat_template_replans_models_and_no_data(mine: Path) -> None:
    path = mine / "tiny" / "chat_template.jinja"
    path.write_text(path.read_text().replace("\\n", " \\n", 1), encoding="utf-8")
    planned = list_planned(mine)
    assert planned >= {"load_local_model", *ANSWERED}
    assert not planned & (DATA | {"describe_study", "dataset_stats"})


def test_another_system_turn_replans_models_and_rows_that_bring_one(mine: Path) -> None:
    """Rows with a system turn must have the study's: they are read again, and refused."""
    edit_study(mine, "Put the final answer in a box.", "Box the final answer.")
    assert list_planned(mine) >= {"load_local_model", *ANSWERED, *DATA}
    done = run_snakemake(mine, config=CONFIG)
    assert done.returncode != 0
    assert "its system turn is 'Put the final answer in a box.'" in done.stdout


def test_another_system_turn_replans_no_data_without_one(mine: Path) -> None:
    rows = json.loads((mine / "train.json").read_text())
    bare = [{"messages": row["messages"][1:]} for row in rows]
    (mine / "train.json").write_text(json.dumps(bare), encoding="utf-8")
    done = run_snakemake(mine, "data/mine/rl_prompts.parquet", config=CONFIG)
    assert done.returncode == 0, done.stdout
    edit_study(mine, "Put the final answer in a box.", "Box the final answer.")
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "1"]
    asked = [*command, "data/mine/rl_prompts.parquet", "--config", *CONFIG]
    assert "Nothing to be done" in read_output(asked, cwd=mine, env=clean_environment())


def test_a_file_that_went_is_named_before_anything_runs(mine: Path) -> None:
    (mine / "train.json").unlink()
    done = run_snakemake(mine, config=CONFIG)
    assert done.returncode != 0
    assert "there is no file train.json; paths count from where snakemake runs" in done.stdout
