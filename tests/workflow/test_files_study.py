"""docs/your-own-study.md, every command in its order with a tiny model, and what changes replan."""

import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from conftest import ROOT, clean_environment, copy_checkout, run_snakemake
from files_fixtures import draw_sums, write_completions
from processes import read_output, run_as_on_terminal

pytestmark = pytest.mark.slow

CONFIG = ("study=mine",)
PAGE = ROOT / "docs" / "your-own-study.md"
TOLD_OF_THE_STUDY = {"describe_study", "make_report", "summary", "lineage", "all"}
"""Rules of what names everything that a study says."""
DATA = {"load_file_benchmarks", "load_file_split", "load_file_set"}
ANSWERED = {"train_sft", "train_rl", "generate_base", "generate_sft", "grade", "curves"}


def list_page_commands() -> list[list[str]]:
    """The commands of the page's blocks."""
    blocks = re.findall(r"```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.strip().splitlines()]


def run_words(folder: Path, *words: str, status: int = 0) -> str:
    """A command of `retu` or Snakemake in a checkout; what it printed."""
    command = [sys.executable, "-m", *words]
    done = run_as_on_terminal(command, cwd=folder, env=clean_environment(PYTHONPATH=str(folder)))
    assert done.returncode == status, f"{shlex.join(words)}\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def finished(made_tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which every command of the page was run."""
    folder = copy_checkout(tmp_path_factory.mktemp("own") / "checkout")
    shutil.copytree(made_tiny_model, folder / "models" / "mine")
    write_completions(draw_sums(), folder)
    commands = list_page_commands()
    assert [words[1] for words in commands if words[0] == "retu"] == [
        *("new-study", "check", "advise", "lineage", "lineage"),
    ]
    for words in commands:
        run_words(folder, *words)
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


def test_it_ends_with_an_answer_and_every_byte_is_recorded(finished: Path) -> None:
    summary = (finished / "results/mine/summary.txt").read_text(encoding="utf-8")
    assert "Stop SFT" in summary
    assert "Next run" in summary
    assert (finished / "results/mine/report.html").is_file()
    assert "all as recorded" in run_words(finished, "retu", "lineage", "verify", "--study", "mine")
    record = json.loads((finished / "results/mine/sft_sets/Experts.record.json").read_text())
    assert [(s["path"], s["own"]) for s in record["sources"]] == [("train.jsonl", True)]
    assert list_planned(finished) == set()


def test_an_edited_row_replans_data_and_all_after_it(mine: Path) -> None:
    lines = (mine / "train.jsonl").read_text().splitlines()
    lines[3] = lines[3].replace("<think>", "<think>Well, ")
    (mine / "train.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    planned = list_planned(mine)
    assert planned >= DATA | ANSWERED
    assert not planned & {"load_local_model", "describe_study"}
    why = ("retu", "lineage", "why", "--stale", "--study", "mine")
    stale = run_words(mine, *why, status=1)
    assert "train.jsonl: is not what load_file_set read" in stale
    assert "mirror=" not in stale
    found = run_words(mine, "retu", "lineage", "verify", "--study", "mine", status=1)
    assert "train.jsonl: is not what load_file_set read" in found


def test_more_steps_of_rl_go_on_from_the_finished_branches(mine: Path) -> None:
    study = mine / "studies" / "mine.yaml"
    text = study.read_text(encoding="utf-8")
    (steps,) = re.findall(r"^ +steps: (\d+)\n +evaluate_every", text, re.MULTILINE)
    study.write_text(re.sub(r"(steps: )\d+(\n +evaluate_every)", rf"\g<1>{int(steps) + 2}\2", text))
    done = run_snakemake(mine, "results/mine/curves.csv", config=CONFIG)
    assert done.returncode == 0, done.stdout
    logs = [*(mine / "results/mine/logs/train_rl").glob("*.log")]
    assert logs
    for log in logs:
        assert f"goes on from the {steps} that are kept" in log.read_text(encoding="utf-8")


def test_a_renamed_file_replans_only_what_names_it(mine: Path) -> None:
    (mine / "train.jsonl").rename(mine / "experts.jsonl")
    study = mine / "studies" / "mine.yaml"
    study.write_text(study.read_text().replace('"train.jsonl"', '"experts.jsonl"'))
    assert list_planned(mine) == TOLD_OF_THE_STUDY
    told = run_words(mine, "retu", "lineage", "verify", "--study", "mine", status=1)
    assert "of yours is not where jobs read them: train.jsonl" in told
    (mine / "experts.jsonl").unlink()
    done = run_snakemake(mine, config=CONFIG)
    assert done.returncode != 0
    assert "there is no file experts.jsonl; paths count from where snakemake runs" in done.stdout
