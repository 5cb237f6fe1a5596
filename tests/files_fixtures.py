"""A user's model folder and files: a tiny model, and worked sums in the forms that people have."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from retu.rehearsal.made_up_problems import ProblemSource, WordProblem

ROOT = Path(__file__).resolve().parents[1]
ROWS = 60
SYSTEM = "Put the final answer in a box."


def draw_sums(count: int = ROWS) -> list[WordProblem]:
    """Different sums."""
    return ProblemSource(7).take_problems(count, 2)


def make_chat(problem: WordProblem) -> dict[str, object]:
    """A row of messages with a system turn."""
    turns = {
        "system": SYSTEM,
        "user": problem.question,
        "assistant": problem.write_trajectory(),
    }
    return {"messages": [{"role": role, "content": text} for role, text in turns.items()]}


def make_verl_row(problem: WordProblem) -> dict[str, object]:
    """A row of verl's SFT files."""
    return {
        "data_source": "sums",
        "prompt": [{"role": "user", "content": problem.question}],
        "ability": "math",
        "reward_model": {"ground_truth": problem.gold, "style": "rule"},
        "extra_info": {"question": problem.question, "answer": problem.write_trajectory()},
    }


def write_lines(rows: list[dict[str, object]], path: Path) -> Path:
    """JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_completions(sums: list[WordProblem], folder: Path) -> Path:
    """prompt and completion, the answer in a box."""
    rows = [{"prompt": p.question, "completion": p.write_trajectory()} for p in sums]
    return write_lines([dict(row) for row in rows], folder / "train.jsonl")


def write_marked_answers(sums: list[WordProblem], folder: Path) -> Path:
    """question and answer, the final answer behind ####."""
    rows: list[dict[str, object]] = [
        {"question": p.question, "answer": f"{'; '.join(p.steps)}\n#### {p.gold}"} for p in sums
    ]
    return write_lines(rows, folder / "train.jsonl")


def write_messages(sums: list[WordProblem], folder: Path) -> Path:
    """Messages with a system turn, as one JSON list."""
    path = folder / "train.json"
    path.write_text(json.dumps([make_chat(problem) for problem in sums]), encoding="utf-8")
    return path


def write_verl(sums: list[WordProblem], folder: Path) -> Path:
    """verl's columns in Parquet."""
    path = folder / "train.parquet"
    pd.DataFrame([make_verl_row(problem) for problem in sums]).to_parquet(path)
    return path


def write_table(sums: list[WordProblem], folder: Path) -> Path:
    """problem, solution and answer as a CSV table."""
    rows = [
        {"problem": p.question, "solution": p.write_trajectory(), "answer": p.gold} for p in sums
    ]
    path = folder / "train.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


FORMS: dict[str, Callable[[list[WordProblem], Path], Path]] = {
    "prompt and completion": write_completions,
    "question and ####": write_marked_answers,
    "messages": write_messages,
    "verl": write_verl,
    "problem, solution, answer": write_table,
}


def write_tiny_model(folder: Path) -> Path:
    """An untrained model with tokenizer and chat template, as `save_pretrained` writes it."""
    from retu.rehearsal.tiny_policy import make_tiny_policy

    model, tokenizer = make_tiny_policy()
    template = ROOT / "chat_templates" / "chatml.jinja"
    tokenizer.chat_template = template.read_text(encoding="utf-8")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def made_tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model's folder; do not change it."""
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def tiny_model(made_tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model's folder, to be spoilt."""
    return shutil.copytree(made_tiny_model, tmp_path / "tiny")


@pytest.fixture
def studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for studies, in the current one."""
    from retu.cli import new_study_command
    from retu.config import load

    folder = tmp_path / "studies"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    for module in (load, new_study_command):
        monkeypatch.setattr(module, "STUDIES", folder)
    return folder
