"""Stored data sets that are drawn from, matched and measured without reading all of them."""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest

from retu.config.hub_study import MatchedSet, MeanLengths, ReleasedSet
from retu.config.lab_study import DrawnSet, WinRate
from retu.core.errors import InputError
from retu.core.manifest import write_manifest
from retu.data.set_rules import hash_prompt
from retu.data.stored_rows import read_stored_rows, write_selected_rows
from retu.data.stored_sets import get_manifest_path, read_frame, write_dataset
from retu.planning.jobs import MatchJob, SelectJob, StatsJob
from workflow_scripts.dataset_stats import main as dataset_stats_main
from workflow_scripts.match_prompts import main as match_prompts_main
from workflow_scripts.select_sft_set import main as select_main

TOKENS = MeanLengths(prompt=1, response=1)


def write_pool(path: Path, count: int) -> pd.DataFrame:
    """A pool of `count` trajectories as `rebuild_pool` writes it."""
    prompts = [f"What is {number} + 0?" for number in range(count)]
    frame = pd.DataFrame(
        {
            "problem_id": [hash_prompt(prompt) for prompt in prompts],
            "prompt": prompts,
            "gold": [str(number) for number in range(count)],
            "source": "made",
            "trajectory": [f"{number} steps \\boxed{{{number}}}" for number in range(count)],
            "prompt_tokens": 5,
            "response_tokens": np.arange(count),
        }
    )
    write_dataset(frame, path, mean_prompt_tokens=5.0)
    return frame


def run_rule_script(monkeypatch: pytest.MonkeyPatch, main: Any, **options: Any) -> None:
    """Run a script."""
    command = ["script"]
    for name, value in options.items():
        values = value if isinstance(value, list) else [value]
        command += ["--" + name.replace("_", "-"), *map(str, values)]
    monkeypatch.setattr("sys.argv", command)
    main()


@pytest.mark.parametrize("count", [1, 1024, 3000])
def test_rows_are_drawn_in_any_order(tmp_path: Path, count: int) -> None:
    frame = write_pool(tmp_path / "pool.parquet", 3000)
    places = np.random.default_rng(0).permutation(3000)[:count]
    added = pd.DataFrame({"win_rate": places / 4})
    write_selected_rows(tmp_path / "pool.parquet", places, added, tmp_path / "out.parquet")
    expected = frame.iloc[places].reset_index(drop=True).assign(win_rate=places / 4)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out.parquet"), expected)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"pool.parquet", "pool.manifest.json", "out.parquet"}


def test_unwanted_rows_are_skipped(tmp_path: Path) -> None:
    write_pool(tmp_path / "pool.parquet", 2000)
    rows = read_stored_rows(
        tmp_path / "pool.parquet", ["prompt", "gold"], lambda text: text.endswith("7 + 0?")
    )
    assert [row["gold"] for row in rows] == [str(number) for number in range(7, 2000, 10)]


@pytest.fixture
def judged_sets(tmp_path: Path) -> dict[str, Path]:
    """A validation set and a benchmark; each shares a problem with the pool."""
    frames = {"validation": ["What is 3 +  0?", "new"], "benchmarks": ["What is 8 + 0?"]}
    for name, prompts in frames.items():
        write_dataset(pd.DataFrame({"prompt": prompts}), tmp_path / f"{name}.parquet")
    return {name: tmp_path / f"{name}.parquet" for name in frames}


def make_select_job(
    rows: int | str = "all", overlap: Literal["error", "leave_out"] = "leave_out", **rest: Any
) -> str:
    """What select_sft_set is told."""
    dataset = DrawnSet.model_validate({"title": "T", "rows": rows, **rest})
    return SelectJob(name="Set", dataset=dataset, overlap=overlap).model_dump_json()


def test_a_set_drawn_without_a_reference(
    tmp_path: Path, judged_sets: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, out = tmp_path / "pool.parquet", tmp_path / "sets" / "Set.parquet"
    write_pool(pool, 10)
    shared = {"pool": pool, "reference_grades": [], **judged_sets, "out": out}
    run_rule_script(monkeypatch, select_main, spec=make_select_job(), **shared)
    frame = read_frame(out)
    assert list(frame["gold"]) == [str(number) for number in range(10) if number not in (3, 8)]
    assert "win_rate" not in frame
    manifest = json.loads(get_manifest_path(out).read_text())
    lengths = {"mean_prompt_tokens": 5.0, "mean_trajectory_tokens": 4.2}
    assert lengths.items() <= manifest.items()
    assert (manifest["rows"], manifest["held_out"]) == (8, 2)
    strict = make_select_job(overlap="error")
    with pytest.raises(InputError, match=r"data set Set: shares the prompt 'What is 8 \+ 0\?'"):
        run_rule_script(monkeypatch, select_main, spec=strict, **shared)
    rated = make_select_job(win_rate={"max": 0.5})
    with pytest.raises(InputError, match="Set: win_rate: nobody measured it; name a reference"):
        run_rule_script(monkeypatch, select_main, spec=rated, **shared)


def test_a_set_drawn_by_win_rate_keeps_the_order_of_the_draw(
    tmp_path: Path, judged_sets: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, out = tmp_path / "pool.parquet", tmp_path / "Set.parquet"
    frame = write_pool(pool, 100)
    grades = pd.DataFrame(
        [
            (name, int(i < number % 5))
            for number, name in enumerate(frame["problem_id"])
            for i in range(4)
        ],
        columns=["problem_id", "correct"],
    )
    grades.to_parquet(tmp_path / "grades.parquet")
    run_rule_script(
        monkeypatch,
        select_main,
        spec=make_select_job(10, win_rate={"max": 0.25}, seed=1),
        pool=pool,
        reference_grades=[tmp_path / "grades.parquet"],
        **judged_sets,
        out=out,
    )
    drawn = read_frame(out)
    numbers = drawn["gold"].astype(int)
    assert len(drawn) == 10
    assert list(drawn["win_rate"]) == [number % 5 / 4 for number in numbers]
    assert set(drawn["win_rate"]) <= {0.0, 0.25}
    assert set(drawn["attempts"]) == {4}
    assert not numbers.is_monotonic_increasing


def test_prompts_are_matched_with_trajectories_that_are_short_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pool(tmp_path / "experts.parquet", 2000)
    prompts = pd.DataFrame(
        {
            "problem_id": [f"rl{number}" for number in range(6)],
            "prompt": [f"What  is {number} + 0?" for number in (1500, 7, 9, 20, 5000, 8)],
            "gold": list("abcdef"),
            "prompt_tokens": [6, 6, 7, 6, 6, 6],
        }
    )
    write_dataset(prompts, tmp_path / "rl.parquet")
    matched = MatchedSet(experts="E", prompts="rl", trajectory_tokens=20, tokens=TOKENS)
    run_rule_script(
        monkeypatch,
        match_prompts_main,
        spec=MatchJob(name="mixed", matched=matched, prompt_tokens=6).model_dump_json(),
        experts=tmp_path / "experts.parquet",
        prompts=[tmp_path / "rl.parquet"],
        out=tmp_path / "mixed.parquet",
    )
    mixed = read_frame(tmp_path / "mixed.parquet")
    assert mixed[["problem_id", "gold", "expert"]].to_numpy().tolist() == [
        [name, gold, f"{number} steps \\boxed{{{number}}}"]
        for name, gold, number in (("rl1", "b", 7), ("rl5", "f", 8), ("rl3", "d", 20))
    ]
    assert "mixed: 3 of 5 rows kept; 1 prompts and 1 trajectories" in capsys.readouterr().out
    manifest = json.loads((tmp_path / "mixed.manifest.json").read_text())
    assert (manifest["prompts"], manifest["came"], manifest["rows"]) == (6, 5, 3)


def test_an_sft_set_serves_as_prompts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = write_pool(tmp_path / "experts.parquet", 5)
    matched = MatchedSet(experts="E", tokens=TOKENS)
    run_rule_script(
        monkeypatch,
        match_prompts_main,
        spec=MatchJob(name="own", matched=matched, prompt_tokens=6).model_dump_json(),
        experts=tmp_path / "experts.parquet",
        prompts=[],
        out=tmp_path / "own.parquet",
    )
    own = read_frame(tmp_path / "own.parquet")
    assert list(own["expert"]) == list(frame["trajectory"])
    assert list(own["problem_id"]) == list(frame["problem_id"])


def test_sizes_come_from_manifests_where_texts_may_be_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pool(tmp_path / "Released.parquet", 4)
    lengths = {"mean_prompt_tokens": 74.0, "mean_trajectory_tokens": 3673.5}
    path = tmp_path / "Released.parquet"
    write_manifest(get_manifest_path(path), path, rows=4, **lengths)
    lab = pd.DataFrame({"prompt": ["a b", "a"], "trajectory": ["x y z", "x"], "steps": [1, 2]})
    write_dataset(lab.assign(win_rate=[0.5, 1.0], attempts=4), tmp_path / "Lab.parquet")
    write_dataset(lab[["prompt"]], tmp_path / "mixed.parquet", mean_prompt_tokens=9.0)
    write_dataset(lab[["prompt"]], tmp_path / "benchmarks.parquet", mean_prompt_tokens=None)
    sets: dict[str, DrawnSet | ReleasedSet] = {
        "Released": ReleasedSet(title="R", source="r", rows=4, tokens=TOKENS),
        "Lab": DrawnSet(title="L", rows=2, win_rate=WinRate(max=0.5)),
    }
    run_rule_script(
        monkeypatch,
        dataset_stats_main,
        spec=StatsJob(datasets=sets).model_dump_json(),
        sets=[tmp_path / f"{name}.parquet" for name in sets],
        splits=[tmp_path / "mixed.parquet", tmp_path / "benchmarks.parquet"],
        out=tmp_path / "stats.csv",
    )
    stats = pd.read_csv(tmp_path / "stats.csv").set_index("dataset")
    assert list(stats["role"]) == ["sft", "sft", "rl", "benchmark"]
    assert list(stats["rows"]) == [4, 2, 2, 2]
    assert list(stats["mean_response_tokens"][:2]) == [3673.5, 2.0]
    assert list(stats["mean_prompt_tokens"][:3]) == [74.0, 1.5, 9.0]
    assert bool(stats["mean_prompt_tokens"].isna()["benchmarks"])
    assert (stats["win_rate"]["Lab"], stats["attempts"]["Lab"]) == (0.75, 4)
    assert list(stats["selection"][:2]) == ["released", "win rate <= 0.5"]
