"""The pool of several sources: abilities, repeated prompts, lengths; all of it counted."""

import json
from pathlib import Path
from typing import Any

import pytest
from hub_rows import write

from retu.config.hub_study import Pool
from retu.core.errors import InputError
from retu.data.set_rules import prompt_id
from retu.data.stored_sets import manifest_path, read_frame
from retu.data.tokenizer import make_tokenizer
from retu.planning.jobs import PoolJob
from workflow_scripts.rebuild_pool import main as rebuild_pool_main

COMMIT = "8" * 40


def row(question: str, answer: str, ability: str = "math") -> dict[str, Any]:
    """A row of an SFT file."""
    return {
        "data_source": "am",
        "ability": ability,
        "reward_model": {"ground_truth": "1"},
        "extra_info": {"question": question, "answer": answer},
    }


ROWS = {
    "first": [row("a", "1 + 1"), row("b", "x " * 20), row("c", "2", "code"), row("b", "3")],
    "second": [row(" a", "4"), row("d", "5"), row("e e e e", "6"), row("f", "7", "art")],
}


def entry(name: str, **changes: Any) -> dict[str, Any]:
    """A source of the pool as the list of sources has it."""
    place = {"name": f"owner/{name}", "revision": COMMIT, "patterns": ["*.parquet"]}
    return {"repository": place, "form": "sft", "rows": [4, 4], **changes}


@pytest.fixture
def pooled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs rebuild_pool on a mirror with both sources, with changes to the job."""
    for name, values in ROWS.items():
        write(tmp_path / "mirror/owner" / name / "train.parquet", values)
    make_tokenizer(64).save_pretrained(tmp_path / "model")
    monkeypatch.setenv("RETU_MIRROR", str(tmp_path / "mirror"))
    out = tmp_path / "pool.parquet"

    def run(abilities: tuple[str, ...] = ("math",), **entries: dict[str, Any]) -> Path:
        sources = {name: entry(name) for name in ROWS} | entries
        pool = Pool(
            sources=list(sources), abilities=[*abilities], prompt_tokens=3, trajectory_tokens=10
        )
        job = PoolJob(pool=pool, sources=sources, lock=str(tmp_path / "lock.yaml"))
        options = {"spec": job.model_dump_json(), "tokenizer": tmp_path / "model", "threads": 1}
        command = [f"--{name}={value}" for name, value in {**options, "out": out}.items()]
        monkeypatch.setattr("sys.argv", ["rebuild_pool", *command])
        rebuild_pool_main()
        return out

    return run


def test_every_prompt_once_and_every_row_accounted_for(pooled: Any) -> None:
    out = pooled()
    frame = read_frame(out)
    assert list(frame["prompt"]) == ["a", "d"]
    assert list(frame["trajectory"]) == ["1 + 1", "5"]
    assert list(frame["problem_id"]) == [prompt_id("a"), prompt_id("d")]
    assert list(frame["response_tokens"]) == [3, 1]
    manifest = json.loads(manifest_path(out).read_text())
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
        (("math",), {"fom": "sft"}, "source second: fom: extra inputs are not permitted"),
    ],
)
def test_a_pool_that_cannot_be(
    pooled: Any, tmp_path: Path, abilities: tuple[str, ...], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        pooled(abilities, second=entry("second", **changes))
    assert not (tmp_path / "pool.parquet").exists()
