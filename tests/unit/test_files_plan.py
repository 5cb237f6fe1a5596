"""What each change of a user's files, model or study makes another: the keys of its stages."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from files_fixtures import draw_sums, write_completions, write_messages

from retu.cli.new_study_command import add_arguments, main
from retu.config import load
from retu.config.study import Config
from retu.lineage.graph.staleness import collect_prior_stages
from retu.planning.files_plan import FilesPlan
from retu.planning.load_plan import load_plan

MODEL, DATA = {"load_local_model"}, {"load_file_set", "load_file_benchmarks"}
TRAINED = {"train_sft", "train_rl", "generate", "grade", "label_subphases", "curves"}
TOLD = {"describe_study"}
Keys = dict[str, set[str]]


@pytest.fixture
def folder(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a model, two files and a place for studies."""
    from retu.cli import new_study_command

    (tmp_path / "studies").mkdir()
    monkeypatch.chdir(tmp_path)
    for module in (load, new_study_command):
        monkeypatch.setattr(module, "STUDIES", tmp_path / "studies")
    write_completions(draw_sums(), tmp_path)
    write_messages(draw_sums(), tmp_path)
    return tmp_path


def write_study(folder: Path, *words: str) -> None:
    """Call `retu new-study mine`."""
    import argparse

    parser = argparse.ArgumentParser()
    add_arguments(parser)
    main(parser.parse_args(["mine", "--model", "tiny", *words]))


def collect_keys() -> Keys:
    """Module -> the keys of its stages, of all that the study comes to."""
    plan = load_plan(Config(study="mine"))
    assert isinstance(plan, FilesPlan)
    ends = [plan.make_report(), plan.summary()]
    stages = [*ends, *(stage for end in ends for stage in collect_prior_stages(end).values())]
    keys: Keys = {}
    for stage in stages:
        keys.setdefault(stage.module, set()).add(stage.key)
    return keys


def replace_in(path: Path, old: str, new: str) -> None:
    """Replace a text of a file."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def edit_row(folder: Path) -> None:
    """Another word in one trajectory."""
    lines = (folder / "train.jsonl").read_text().splitlines()
    row = json.loads(lines[5])
    lines[5] = json.dumps({**row, "completion": "Well. " + row["completion"]})
    (folder / "train.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def rename_file(folder: Path) -> None:
    """Another name of the same bytes."""
    (folder / "train.jsonl").rename(folder / "other.jsonl")
    replace_in(folder / "studies/mine.yaml", '"train.jsonl"', '"other.jsonl"')


def change_template(folder: Path) -> None:
    """A blank in the chat template."""
    replace_in(folder / "tiny/chat_template.jinja", "<|im_end|>", " <|im_end|>")


def change_system_turn(folder: Path) -> None:
    """Another system turn."""
    replace_in(folder / "studies/mine.yaml", "Box it.", "Put it in a box.")


def change_suffix(folder: Path) -> None:
    """Another text behind every problem."""
    replace_in(folder / "studies/mine.yaml", "  kind: files", '  kind: files\n  prompt_suffix: "?"')


def touch_files(folder: Path) -> None:
    """New times, the same bytes; and a file that no model needs."""
    for path in (folder / "train.jsonl", folder / "tiny/config.json"):
        path.write_bytes(path.read_bytes())
    (folder / "tiny/README.md").write_text("mine")


@pytest.mark.parametrize(
    ("change", "changed", "same"),
    [
        (edit_row, DATA | TRAINED, MODEL | TOLD),
        (rename_file, TOLD, MODEL | DATA | TRAINED | {"dataset_stats"}),
        (change_template, MODEL | TRAINED, DATA | TOLD | {"dataset_stats"}),
        (change_system_turn, MODEL | TRAINED | TOLD, DATA | {"dataset_stats"}),
        (change_suffix, DATA | TRAINED | TOLD, MODEL),
        (touch_files, set(), MODEL | DATA | TRAINED | TOLD),
    ],
)
def test_a_change_makes_stale_what_it_touches(
    change: Callable[[Path], None], changed: set[str], same: set[str], folder: Path
) -> None:
    write_study(folder, "--train", "train.jsonl", "--system", "Box it.")
    before = collect_keys()
    change(folder)
    after = collect_keys()
    assert before.keys() == after.keys()
    assert {name for name in changed if before[name] & after[name]} == set()
    assert {name for name in same if before[name] != after[name]} == set()


def test_rows_that_bring_a_system_turn_depend_on_that_of_the_study(folder: Path) -> None:
    """They must have the same: with another one they are read again, and refused."""
    write_study(folder, "--train", "train.json")
    before = collect_keys()
    replace_in(folder / "studies/mine.yaml", "Put the final answer in a box.", "Box it.")
    after = collect_keys()
    assert not any(before[name] & after[name] for name in DATA | MODEL | TRAINED)
