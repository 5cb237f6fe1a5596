"""A finished RL branch goes on to more steps and is the branch that had them from the start."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from smoke_scripts import (
    FILES,
    RL_OUTPUTS,
    RL_RUN,
    ScriptEnd,
    change_spec,
    make_rl_arguments,
    make_smoke_plan,
    run_rule_module,
)

pytestmark = pytest.mark.slow

OUT = "grown"


@pytest.fixture(scope="module")
def checkout(finished_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished run to train in."""
    ignored = shutil.ignore_patterns(".snakemake", ".state", "__pycache__", ".snakemake_timestamp")
    return shutil.copytree(
        finished_checkout, tmp_path_factory.mktemp("more") / "checkout", ignore=ignored
    )


@pytest.fixture(autouse=True)
def clean_checkout(checkout: Path) -> Iterator[None]:
    """Leave neither outputs nor state to the next test."""
    yield
    for name in (OUT, ".state"):
        shutil.rmtree(checkout / name, ignore_errors=True)


def train_branch(folder: Path, **recipe: object) -> ScriptEnd:
    """Train the branch with a changed recipe, its outputs removed before as Snakemake does."""
    stage = make_smoke_plan().train_rl("LabQwen", "LabFull", "20", "dapo_dc", "0")
    shutil.rmtree(folder / OUT, ignore_errors=True)
    arguments = make_rl_arguments(OUT, change_spec(stage, recipe=recipe))
    ended = run_rule_module(folder, "train_rl", *arguments)
    assert ended.code == 0, ended.err
    return ended


def read_outputs(folder: Path) -> dict[str, bytes]:
    """Path below a run -> bytes of everything that the job makes."""
    found = [folder / FILES[name] for name in RL_OUTPUTS]
    files = [file for path in found for file in (path, *path.rglob("*")) if file.is_file()]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def test_a_grown_branch_is_the_branch_made_at_once(checkout: Path) -> None:
    # Evaluated every two steps, the short run has answers at 3, where the long one has none.
    train_branch(checkout, steps=6, evaluate_every=2)
    at_once = read_outputs(checkout / OUT)
    shutil.rmtree(checkout / ".state")
    train_branch(checkout, steps=3, evaluate_every=2)
    ended = train_branch(checkout, steps=6, evaluate_every=2)
    assert "RL of 6 steps goes on from the 3 that are kept" in ended.out
    assert "resuming from step 3" in ended.out
    assert read_outputs(checkout / OUT) == at_once
    # The same job once more trains all of it, to the same bytes.
    again = train_branch(checkout, steps=6, evaluate_every=2)
    assert "resuming" not in again.out
    assert read_outputs(checkout / OUT) == at_once


def test_another_learning_rate_starts_anew(checkout: Path) -> None:
    train_branch(checkout, steps=3)
    ended = train_branch(checkout, steps=6, learning_rate=1e-3)
    assert "resuming" not in ended.out
    assert "RL of 6 steps from the start, not from the 3 that are kept" in ended.out
    made = read_outputs(checkout / OUT)
    assert made["history.parquet"] != (checkout / RL_RUN / "history.parquet").read_bytes()
