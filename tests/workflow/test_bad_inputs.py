"""Bad inputs end a job with one line that names file or key and remedy, and leave no output."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from smoke_scripts import (
    RL_RUN,
    change_spec,
    format_options,
    make_rl_arguments,
    make_sft_arguments,
    make_smoke_plan,
    run_rule_module,
)

from retu.core.manifest import write_manifest
from retu.data.stored_sets import get_manifest_path, write_dataset
from retu.planning.stages import Stage

pytestmark = pytest.mark.slow

OUT = "bad"
BENCHMARKS = "data/smoke/benchmarks.parquet"
PROMPTS = "data/smoke/rl_prompts.parquet"
TRAIN = "results/smoke/sft_sets/LabSmall.parquet"


@pytest.fixture(scope="module")
def checkout(finished_checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished run whose inputs may be spoilt."""
    ignored = shutil.ignore_patterns(".snakemake", ".state", "__pycache__")
    return shutil.copytree(
        finished_checkout, tmp_path_factory.mktemp("bad") / "checkout", ignore=ignored
    )


@pytest.fixture
def spoil(checkout: Path, tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Gives a file or folder of the checkout to be spoilt, and mends it after the test."""
    saved: dict[Path, Path] = {}

    def take(name: str) -> Path:
        path = checkout / name
        for item in (path, get_manifest_path(path)):
            if item.is_file():
                saved[item] = tmp_path / f"{len(saved)}-{item.name}"
                shutil.copy(item, saved[item])
        return path

    yield take
    for item, copy in saved.items():
        shutil.copy(copy, item)
    shutil.rmtree(checkout / OUT, ignore_errors=True)


def read_refusal_line(checkout: Path, module: str, arguments: list[str]) -> str:
    """The line with which a script refuses its input; it must leave nothing behind."""
    ended = run_rule_module(checkout, module, *arguments)
    assert ended.code == 2, ended.err or ended.out
    lines = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, ended.err
    assert ended.err.endswith(lines[0] + "\n")
    written = [path for path in (checkout / OUT).rglob("*") if path.is_file()]
    assert written == [], written
    return lines[0].removeprefix("error: ")


def make_sft_stage(**changes: Any) -> Stage:
    """The SFT stage of the tests with changes."""
    return change_spec(make_smoke_plan().train_sft("LabQwen", "LabSmall", "0"), **changes)


def make_rl_stage(**changes: Any) -> Stage:
    """The RL stage of the tests with changes."""
    return change_spec(
        make_smoke_plan().train_rl("LabQwen", "LabFull", "20", "dapo_dc", "0"), **changes
    )


def make_select_arguments() -> list[str]:
    """Arguments of select_sft_set for LabSmall."""
    return format_options(
        **{
            "spec": make_smoke_plan().select_sft_set("LabSmall").spec,
            "pool": "data/smoke/pool.parquet",
            "reference-grades": "results/smoke/reference/grades.parquet",
            "benchmarks": BENCHMARKS,
            "validation": "data/smoke/validation.parquet",
            "out": f"{OUT}/LabSmall.parquet",
        }
    )


def leak_problem(path: Path, source: Path) -> None:
    """Put the first problem of `source` into the data set at `path`, with a correct manifest."""
    frame = pd.read_parquet(path)
    row = pd.read_parquet(source).head(1).reindex(columns=frame.columns)
    if "benchmark" in frame:
        row["benchmark"] = frame["benchmark"].iloc[0]
    write_dataset(pd.concat([frame, row], ignore_index=True), path)


def test_a_benchmark_that_overlaps_the_training_data(
    checkout: Path, spoil: Callable[[str], Path]
) -> None:
    leak_problem(spoil(BENCHMARKS), checkout / TRAIN)
    message = read_refusal_line(checkout, "select_sft_set", make_select_arguments())
    assert message.startswith("data set LabSmall: shares the prompt '<bos> ")
    assert f"with {BENCHMARKS}; evaluation and training data must not overlap" in message


def test_a_benchmark_that_overlaps_the_rl_prompts(
    checkout: Path, spoil: Callable[[str], Path]
) -> None:
    leak_problem(spoil(BENCHMARKS), checkout / PROMPTS)
    message = read_refusal_line(checkout, "train_rl", make_rl_arguments(OUT))
    assert message.startswith(f"{PROMPTS}: shares the prompt '<bos> ")
    assert f"with {BENCHMARKS}; " in message


def truncate_file(path: Path) -> None:
    """Cut a file in half."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty_dataset(path: Path) -> None:
    """Store a data set without rows."""
    write_dataset(pd.read_parquet(path).head(0), path)


def change_dataset(path: Path) -> None:
    """Change a data set behind its manifest's back."""
    pd.read_parquet(path).head(5).to_parquet(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate_file, "not readable .*; make it again"),
        (empty_dataset, "has no rows; make it again"),
        (
            change_dataset,
            r"has changed since \S+LabSmall\.manifest\.json was written; make it",
        ),
    ],
    ids=["truncated", "empty", "changed"],
)
def test_a_damaged_training_set(
    checkout: Path,
    spoil: Callable[[str], Path],
    damage: Callable[[Path], None],
    message: str,
) -> None:
    damage(spoil(TRAIN))
    line = read_refusal_line(checkout, "train_sft", make_sft_arguments(OUT))
    assert line.startswith(f"{TRAIN}: ")
    assert re.search(message, line)


def test_a_base_model_that_was_changed(checkout: Path, spoil: Callable[[str], Path]) -> None:
    weights = "results/smoke/base/LabQwen/checkpoints/step-000000/model.safetensors"
    truncate_file(spoil(weights))
    line = read_refusal_line(checkout, "train_sft", make_sft_arguments(OUT))
    assert line.startswith(f"{weights}: has changed since ")


def test_a_gold_answer_that_does_not_parse(checkout: Path, spoil: Callable[[str], Path]) -> None:
    path = spoil(PROMPTS)
    frame = pd.read_parquet(path)
    frame.loc[3, "gold"] = "{{1"
    write_dataset(frame, path)
    line = read_refusal_line(checkout, "train_rl", make_rl_arguments(OUT))
    assert PROMPTS in line
    assert "1 unusable: " in line
    assert "'{{1'" in line
    assert line.endswith("mend the data set")


def test_generations_with_an_unusable_gold(checkout: Path, spoil: Callable[[str], Path]) -> None:
    name = f"{RL_RUN}/generations.parquet"
    path = spoil(name)
    pd.read_parquet(path).assign(gold="").to_parquet(path)
    arguments = format_options(generations=name, spec="{}", out=f"{OUT}/grades.parquet")
    assert read_refusal_line(checkout, "grade", arguments).startswith(f"{name}: 1 unusable: ")


def test_a_trajectory_that_is_too_long(checkout: Path) -> None:
    arguments = make_sft_arguments(OUT, make_sft_stage(recipe={"max_length": 8}))
    line = read_refusal_line(checkout, "train_sft", arguments)
    assert re.search(rf"^{TRAIN}: row 0 has \d+ tokens, above 8; raise max_length in the SFT", line)


def test_a_trajectory_may_be_truncated_if_the_recipe_says_so(checkout: Path) -> None:
    stage = make_sft_stage(recipe={"max_length": 12, "too_long": "truncate"}, checkpoints=[1])
    ended = run_rule_module(checkout, "train_sft", *make_sft_arguments(OUT, stage))
    assert ended.code == 0, ended.err
    losses = pd.read_csv(checkout / OUT / "losses.csv")
    assert losses["tokens"].tolist() == [0, 32 * 12]
    shutil.rmtree(checkout / OUT)


def test_answers_longer_than_the_model_has_positions(checkout: Path) -> None:
    arguments = make_rl_arguments(OUT, make_rl_stage(recipe={"max_completion_length": 1000}))
    line = read_refusal_line(checkout, "train_rl", arguments)
    assert re.search(rf"^{PROMPTS}: row 0 has 1\d+ tokens, above 256; lower max_completion", line)


def test_sft_that_diverges(checkout: Path) -> None:
    arguments = make_sft_arguments(OUT, make_sft_stage(recipe={"learning_rate": 1e30}))
    line = read_refusal_line(checkout, "train_sft", arguments)
    assert re.search(r"^training: \w+ is (nan|inf) at step \d+; lower learning_rate in the", line)


def test_rl_that_diverges(checkout: Path) -> None:
    arguments = make_rl_arguments(OUT, make_rl_stage(recipe={"learning_rate": 1e30}))
    line = read_refusal_line(checkout, "train_rl", arguments)
    assert re.search(r"^training: .* step \d+; lower learning_rate in the recipe", line)


def test_a_model_with_poisoned_weights(checkout: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    source = checkout / "results/smoke/base/LabQwen/checkpoints"
    poisoned = shutil.copytree(source, tmp_path / "base" / "checkpoints")
    weights = poisoned / "step-000000" / "model.safetensors"
    tensors = load_file(weights)
    next(iter(tensors.values()))[0] = float("nan")
    save_file(tensors, weights, metadata={"format": "pt"})
    write_manifest(tmp_path / "base" / "manifest.json", poisoned)
    expected = f"{poisoned / 'step-000000'}: has weights that are no finite numbers; lower"
    sft = make_sft_arguments(OUT, base=poisoned)
    assert read_refusal_line(checkout, "train_sft", sft).startswith(expected)
    spec = make_smoke_plan().plan_generation(make_smoke_plan().pretrain_base("LabQwen")).spec
    paths = {"checkpoints": poisoned, "problems": BENCHMARKS, "out": f"{OUT}/generations.parquet"}
    generate = format_options(spec=spec, title="test", **paths)
    assert read_refusal_line(checkout, "generate", generate).startswith(expected)


def test_a_step_without_a_checkpoint(checkout: Path) -> None:
    line = read_refusal_line(
        checkout, "train_rl", make_rl_arguments(OUT, make_rl_stage(sft_step=15))
    )
    folder = "results/smoke/sft/LabQwen/LabFull/seed0/checkpoints"
    assert line == f"{folder}: has no checkpoint of step 15, only of 10, 20; name one"


def test_a_benchmark_without_problems(checkout: Path) -> None:
    line = read_refusal_line(
        checkout, "train_rl", make_rl_arguments(OUT, make_rl_stage(samples={"Chain9": 1}))
    )
    assert line == "benchmarks: no problems for Chain9; make the data again"


def test_a_pool_that_is_too_small(checkout: Path) -> None:
    spec = change_spec(make_smoke_plan().select_sft_set("LabSmall"), dataset={"rows": 10_000}).spec
    arguments = make_select_arguments()
    arguments[1] = spec
    line = read_refusal_line(checkout, "select_sft_set", arguments)
    assert line.startswith("data set LabSmall: asks for 10000 rows, but only 256 of the pool's 256")


def test_a_specification_with_an_unknown_key(checkout: Path) -> None:
    stage = Stage("train_sft", json.dumps(json.loads(make_sft_stage().spec) | {"stepps": 1}), "")
    ended = run_rule_module(checkout, "train_sft", *make_sft_arguments(OUT, stage))
    assert ended.code == 2
    assert "error: --spec: stepps: " in ended.err
