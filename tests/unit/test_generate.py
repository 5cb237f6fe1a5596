"""The rules that generate: parts on disk, resumed jobs, and jobs that are asked to stop."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import pandas as pd
import pytest

from retu.config.execution import Execution
from retu.config.study import Sampling
from retu.core.errors import Interrupted
from retu.core.manifest import write_manifest
from retu.data.stored_sets import write_dataset
from retu.data.tokenizer import make_tokenizer
from retu.evaluation.generations import Answer
from retu.planning.jobs import GenerateJob
from workflow_scripts import generate

LIMIT = 4
JOB = GenerateJob(
    samples={"problems": 2},
    sampling=Sampling(temperature=1.0, max_new_tokens=LIMIT),
    execution=Execution(),
)
TEXTS = [f"{n} b + {n}" for n in range(5)]
OUT = Path("out/generations.parquet")


class Counting:
    """An engine whose answers tell the seed and the place of their prompt.

    It stops, as on SIGTERM, when it is asked for the part that begins at `stop_at`.
    """

    tokenizer = make_tokenizer(64)
    loaded: ClassVar[list[str]] = []
    asked: ClassVar[list[tuple[int, int]]] = []
    closed: ClassVar[int] = 0
    stop_at: ClassVar[tuple[int, int] | None] = None

    def __init__(self, folder: Path, execution: Execution) -> None:
        Counting.loaded.append(folder.name)

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        settings: Sampling,
        seed: int,
        first: int = 0,
        every: int = 1,
    ) -> list[Answer]:
        Counting.asked.append((seed, first))
        if Counting.stop_at == (seed, first):
            raise Interrupted("asked to stop")
        return [
            Answer(f"{seed} {first + place}", (1,), (-1.0,), "stop")
            for place in range(len(prompts))
        ]

    def close(self) -> None:
        Counting.closed += 1


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs the script on two checkpoints and five problems, in parts of four rows."""
    monkeypatch.chdir(tmp_path)
    for name in ("RETU_STATE", "RETU_PROGRESS_FD"):
        monkeypatch.delenv(name, raising=False)
    for step in (3, 7):
        Path(f"run/checkpoints/step-{step:06d}").mkdir(parents=True)
        Path(f"run/checkpoints/step-{step:06d}/weights").write_text(str(step))
    write_manifest(Path("run/manifest.json"), Path("run/checkpoints"))
    names = [f"p{n}" for n in range(len(TEXTS))]
    frame = pd.DataFrame({"problem_id": names, "prompt": TEXTS, "gold": "1"})
    write_dataset(frame, Path("problems.parquet"))
    monkeypatch.setattr(generate, "load_engine", Counting)
    monkeypatch.setattr(generate, "PART_TOKENS", 4 * LIMIT)
    monkeypatch.setattr(Counting, "loaded", [])
    monkeypatch.setattr(Counting, "asked", [])
    monkeypatch.setattr(Counting, "closed", 0)
    monkeypatch.setattr(Counting, "stop_at", None)

    def start(job: GenerateJob = JOB) -> None:
        options = ["--spec", job.model_dump_json(), "--title", "tiny", "--out", str(OUT)]
        files = ["--checkpoints", "run/checkpoints", "--problems", "problems.parquet"]
        monkeypatch.setattr(sys, "argv", ["generate", *options, *files])
        generate.main()

    return start


def test_every_checkpoint_answers_in_parts(job: Callable[..., None]) -> None:
    job()
    assert Counting.loaded == ["step-000003", "step-000007"]
    assert Counting.closed == 2
    assert Counting.asked == [(seed, first) for seed in (3, 7) for first in (0, 4, 8)]
    table = pd.read_parquet(OUT)
    assert table["step"].tolist() == [3] * 10 + [7] * 10
    assert table["generation"].tolist() == [f"{s} {n}" for s in (3, 7) for n in range(10)]
    assert table["problem_id"].tolist() == [f"p{n // 2}" for n in range(10)] * 2


def test_a_job_that_is_stopped_goes_on_where_it_was(
    job: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Counting, "stop_at", (7, 4))
    with pytest.raises(Interrupted, match="4 more parts of the answers are stored") as stopped:
        job()
    assert stopped.value.progressed
    assert Counting.closed == 2
    with pytest.raises(Interrupted, match="0 more parts") as stopped:
        job()
    assert not stopped.value.progressed
    assert not OUT.exists()
    monkeypatch.setattr(Counting, "stop_at", None)
    Counting.asked.clear()
    Counting.loaded.clear()
    job()
    assert Counting.loaded == ["step-000007"]
    assert Counting.asked == [(7, 4), (7, 8)]
    table = pd.read_parquet(OUT)
    assert table["generation"].tolist() == [f"{s} {n}" for s in (3, 7) for n in range(10)]


def test_parts_of_another_request_are_thrown_away(
    job: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Counting, "stop_at", (7, 4))
    with pytest.raises(Interrupted):
        job()
    Counting.asked.clear()
    hotter = JOB.sampling.model_copy(update={"temperature": 2.0})
    with pytest.raises(Interrupted):
        job(JOB.model_copy(update={"sampling": hotter}))
    assert Counting.asked == [(3, 0), (3, 4), (3, 8), (7, 0), (7, 4)]
    assert list(Path(os.curdir).glob(".state/**/step-000003-*"))
