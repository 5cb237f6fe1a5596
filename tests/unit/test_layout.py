"""Paths of runs: written and read back, and nothing else is read."""

import pytest

from retu.core.errors import InputError
from retu.core.run_paths import Run, parse_run

RUNS = {
    "base/LabQwen": Run("base", "LabQwen"),
    "sft/Qwen2.5-7B/S1K/seed3": Run("sft", "Qwen2.5-7B", "S1K", seed=3),
    "sft/M/step10/seed0": Run("sft", "M", "step10"),
    "rl/M/none/step0/dapo_dc/seed0": Run("rl", "M", "none", 0, "dapo_dc", 0),
    "rl/M/S1K/step40/seedling/seed12": Run("rl", "M", "S1K", 40, "seedling", 12),
}


@pytest.mark.parametrize(("path", "run"), RUNS.items())
def test_path_and_run_are_the_same_thing(path: str, run: Run) -> None:
    assert run.path == path
    assert parse_run(path) == run


@pytest.mark.parametrize(
    "path",
    [
        *("", "base", "base/M/", "reference", "sft/M/S1K", "sft/M/S1K/seed", "sft/M/S1K/seed01"),
        *("rl/M/S1K/step40/seed0", "rl/M/S1K/stepX/r/seed0", "sft/M/S1K/seed0/grades.parquet"),
    ],
)
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(InputError, match="is not the path of a run"):
        parse_run(path)


def test_parents_and_paradigms() -> None:
    assert [run.name_paradigm() for run in RUNS.values()] == [
        *("Pure SFT", "Pure SFT", "Pure SFT"),
        *("Pure RL", "SFT-then-RL"),
    ]
    assert [run.name_paradigm("SRFT") for run in RUNS.values()][3:] == ["SRFT", "SFT-then-SRFT"]
    assert [run.parent.path for run in list(RUNS.values())[1:]] == [
        *("base/Qwen2.5-7B", "base/M", "base/M"),
        "sft/M/S1K/seed12",
    ]
