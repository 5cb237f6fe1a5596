"""The pool of several sources: abilities, repeated prompts, lengths; all of it counted."""

import json
from pathlib import Path
from typing import Any

import pytest
from hub_rows import write_hub_rows

from retu.config.hub_study import TrajectoryPool
from retu.core.errors import InputError
from retu.core.run_paths import FIRST_CHECKPOINT
from retu.data.set_rules import hash_prompt
from retu.data.stored_sets import get_manifest_path, read_frame
from retu.data.tokenizer import make_tokenizer
from retu.planning.jobs import PoolJob
from workflow_scripts.rebuild_pool import main as rebuild_pool_main

COMMIT = "8" * 40


def make_pool_row(question: str, answer: str, ability: str = "math") -> dict[str, Any]:
    """A row of an SFT file."""
    return {
        "data_source": "am",
        "ability": ability,
        "reward_model": {"ground_truth": "1"},
        "extra_info": {"question": question, "answer": answer},
    }


ROWS = {
    "first": [
        make_pool_row("a", "1 + 1"),
        make_pool_row("b", "x " * 20),
        make_pool_row("c", "2", "code"),
        make_pool_row("b", "3"),
    ],
    "second": [
        make_pool_row(" a", "4"),
        make_pool_row("d", "5"),
        make_pool_row("e e e e", "6"),
        make_pool_row("f", "7", "art"),
    ],
}


def make_source_entry(name: str, **changes: Any) -> dict[str, Any]:
    """A source of the pool as the list of sources has it."""
    place = {"name": f"owner/{name}", "revision": COMMIT, "patterns": ["*.parquet"]}
    return {"repository": place, "form": "sft", "rows": [4, 4], **changes}


@pytest.fixture
def run_rebuild_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs rebuild_pool on a mirror with both sources, with changes to the job."""
    for name, values in ROWS.items():
        write_hub_rows(tmp_path / "mirror/owner" / name / "train.parquet", values)
    make_tokenizer(64).save_pretrained(tmp_path / "model" / FIRST_CHECKPOINT)
    monkeypatch.setenv("RETU_MIRROR", str(tmp_path / "mirror"))
    out = tmp_path / "pool.parquet"

    def rebuild(abilities: tuple[str, ...] = ("math",), **entries: dict[str, Any]) -> Path:
        sources = {name: make_source_entry(name) for name in ROWS} | entries
        pool = TrajectoryPool(
            sources=list(sources), abilities=[*abilities], prompt_tokens=3, trajectory_tokens=10
        )
        job = PoolJob(pool=pool, sources=sources, lock=str(tmp_path / "lock.yaml"))
        options = {"spec": job.model_dump_json(), "tokenizer": tmp_path / "model", "threads": 1}
        command = [f"--{name}={value}" for name, value in {**options, "out": out}.items()]
        monkeypatch.setattr("sys.argv", ["rebuild_pool", *command])
        rebuild_pool_main()
        return out

    return rebuild


def test_every_prompt_once_and_every_row_accounted_for(run_rebuild_pool: Any) -> None:
    out = run_rebuild_pool()
    frame = read_frame(out)
    assert list(frame["prompt"]) == ["a", "d"]
    assert list(frame["trajectory"]) == ["1 + 1", "5"]
    assert list(frame["problem_id"]) == [hash_prompt("a"), hash_prompt("d")]
    assert list(frame["response_tokens"]) == [3, 1]
    manifest = json.loads(get_manifest_path(out).read_text())
    assert manifest["read"] == {"first": 4, "second": 4}
    assert manifest["other_abilities"] == {"code": 1, "art": 1}
    assert manifest["repeated_prompts"] == {"am": 2}
    assert (manifest["long_prompts"], manifest["long_trajectories"]) == (1, 1)
    lost = sum(manifest["other_abilities"].values()) + sum(manifest["repeated_prompts"].values())
    assert sum(manifest["read"].values()) == manifest["came"] + lost
    assert manifest["came"] == manifest["rows"] + 2


@pytest.mark.parametrize(
    ("abilities", "changes", "message"),
    [
        (("maths",), {}, r"no row is of \['maths'\]; there are art, code, math"),
        (("math",), {"form": "rl"}, "data.pool.sources: second: has no trajectories; name sets of"),
        (("math",), {"rows": [5, 9]}, r"owner/second: has 4 rows instead of 5 to 9; check file"),
        (("math",), {"fom": "sft"}, r"source second: fom: no such key; did you mean form\?"),
    ],
)
def test_a_pool_that_cannot_be(
    run_rebuild_pool: Any,
    tmp_path: Path,
    abilities: tuple[str, ...],
    changes: dict[str, Any],
    message: str,
) -> None:
    with pytest.raises(InputError, match=message):
        run_rebuild_pool(abilities, second=make_source_entry("second", **changes))
    assert not (tmp_path / "pool.parquet").exists()
