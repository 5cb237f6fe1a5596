"""What hypotheses are judged on: grades, what was registered, and what a study says."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml
from hypotheses_fixtures import SETTINGS

from retu.audit.hypotheses.graded_runs import read_graded_runs
from retu.audit.hypotheses.judge_hypotheses import describe_sets
from retu.audit.hypotheses.registered import read_hypotheses
from retu.config.load import load_study, load_training_study
from retu.core.errors import InputError
from retu.core.run_paths import Run

ROOT = Path(__file__).resolve().parents[2]


def write_grades(folder: Path, run: Run, problems: list[str], steps: list[int]) -> Path:
    """grades.parquet of a run: right at even problems, benchmark Away always wrong."""
    rows = [
        {"step": step, "benchmark": name, "problem_id": p, "sample": 0,
         "correct": int(name == "Chain1" and int(p) % 2 == 0)}
        for step in steps for name in ("Chain1", "Away") for p in problems
    ]  # fmt: skip
    path = folder / run.path / "grades.parquet"
    path.parent.mkdir(parents=True)
    pd.DataFrame(rows).to_parquet(path)
    return path


def test_grades_are_read_with_rungs_joined(tmp_path: Path) -> None:
    runs = [Run("rl", "m", "d", 5, "r", rung=rung) for rung in (1, 2)]
    steps = [[1, 2], [3, 10]]
    problems = ["0", "1", "2"]
    paths = [write_grades(tmp_path, r, problems, s) for r, s in zip(runs, steps, strict=True)]
    (graded,) = read_graded_runs(paths, ["Away"])
    assert graded.steps == [1, 2, 3, 10]
    assert graded.shares.index.get_level_values(0).unique().tolist() == ["Chain1"]
    assert graded.shares[10].mean() == pytest.approx(2 / 3)
    other = write_grades(tmp_path, Run("sft", "m", "d"), ["0", "1"], [5])
    with pytest.raises(InputError, match=r"sft/m/d/seed0 and rl/m/d/.* different problems"):
        read_graded_runs([*paths, other], ["Away"])


def test_registered_hypotheses_are_whole() -> None:
    found = read_hypotheses(ROOT / "claims" / "hypotheses.yaml")
    assert [one.id for one in found] == [f"H{i}" for i in range(1, 9)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: e[0].update(contrast="not_to_early"), r"entry 1: contrast: .*did you mean"),
        (lambda e: e[1].update(id="H1"), r"entry 2: H1 .*already; keep one"),
        (lambda e: e[2].update(unit="percent"), r"entry 3: unit: "),
        (lambda e: e[3].pop("against"), r"entry 4: against: "),
    ],
)
def test_a_wrong_entry_is_named(
    tmp_path: Path, change: Callable[[list[dict[str, str]]], None], message: str
) -> None:
    entries = yaml.safe_load((ROOT / "claims" / "hypotheses.yaml").read_text())
    change(entries)
    path = tmp_path / "hypotheses.yaml"
    path.write_text(yaml.safe_dump(entries))
    with pytest.raises(InputError, match=message):
        read_hypotheses(path)


def test_sets_are_described() -> None:
    stats = pd.DataFrame(
        {"dataset": ["LabFull", "LabSmall", "LabEasy"], "rows": [300, 20, 50],
         "win_rate": [0.5, 0.4, 1.0]}
    )  # fmt: skip
    assert describe_sets(stats, SETTINGS) == {
        "more_data": "rows: LabSmall 20, LabFull 300", "harder_data": "win rate: LabEasy 1.00"
    }  # fmt: skip


HYPOTHESES = {
    "protocol": "lab-1",
    "replicates": ["LabQwen", "LabLlama"],
    "recipe": "dapo_dc",
    "mixed": ["luffy", "srft"],
    "sizes": ["LabSmall", "LabFull"],
    "difficulties": ["LabEasy", "LabHard"],
    "switch_sets": ["LabFull"],
}


def write_study(folder: Path, **changes: object) -> str:
    """A study of the lab with hypotheses."""
    path = folder / "mine.yaml"
    content = {"extends": "lab", "name": "mine", "hypotheses": {**HYPOTHESES, **changes}}
    path.write_text(yaml.safe_dump(content))
    return str(path)


def test_a_study_names_what_its_hypotheses_compare(tmp_path: Path) -> None:
    settings = load_training_study(write_study(tmp_path)).hypotheses
    assert settings is not None
    assert (settings.last_evaluations, settings.alpha) == (5, 0.05)
    assert load_training_study("lab").hypotheses is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"replicates": ["LabQwen"]}, r"hypotheses\.replicates: .*at least 2"),
        ({"replicates": ["LabQwen", "LabLama"]}, r"unknown model 'LabLama'; did you mean"),
        ({"replicates": ["LabQwen", "LabQwen"]}, r"replicates: LabQwen appears twice; keep one"),
        ({"recipe": "dapo"}, r"hypotheses\.recipe: unknown RL recipe 'dapo'"),
        ({"mixed": ["lufy"]}, r"hypotheses\.mixed: unknown RL recipe 'lufy'; did you mean luffy"),
        ({"mixed": ["dapo_dc"]}, r"hypotheses\.mixed: dapo_dc is the recipe itself"),
        ({"sizes": ["LabSmall", "Labful"]}, r"hypotheses\.sizes: unknown data set 'Labful'"),
        ({"difficulties": ["LabEasy"]}, r"hypotheses\.difficulties: .*at least 2"),
        ({"asked": ["H1", "H9"]}, r"hypotheses\.asked: unknown hypothesis 'H9'; known: H1"),
        ({"asked": ["H1", "H1"]}, r"hypotheses\.asked: H1 appears twice"),
        ({"asked": []}, r"hypotheses\.asked: .*at least 1"),
        ({"test": "sign"}, r"hypotheses\.test: .*'t' or 'sign_flip'"),
        ({"switch_sets": []}, r"hypotheses\.switch_sets: .*at least 1"),
        ({"alpha": 0}, r"hypotheses\.alpha: .*greater than 0"),
        ({"alpha": 0.9}, r"hypotheses\.alpha: .*less than 0\.5"),
        ({"protocol": ""}, r"hypotheses\.protocol: .*at least 1"),
        ({"seeds": 3}, r"hypotheses\.seeds: no such key"),
    ],
)
def test_mistakes_in_hypotheses(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        load_study(write_study(tmp_path, **changes))
    assert "\n" not in str(refused.value)
