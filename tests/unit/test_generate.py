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
from retu.core.errors import JobInterrupted
from retu.core.manifest import write_manifest
from retu.data.stored_sets import write_dataset
from retu.data.tokenizer import make_tokenizer
from retu.evaluation import generation_parts
from retu.evaluation.generations import SampledGeneration
from retu.planning.jobs import GenerateJob
from retu.runtime.usage import IGNORED_SETTINGS
from workflow_scripts import generate

LIMIT = 4
JOB = GenerateJob(
    samples={"problems": 2},
    sampling=Sampling(temperature=1.0, max_new_tokens=LIMIT),
    execution=Execution(),
)
TEXTS = [f"{n} b + {n}" for n in range(5)]
OUT = Path("out/generations.parquet")


class CountingEngine:
    """An engine whose answers tell the seed and the place of their prompt.

    It stops, as on SIGTERM, when it is asked for the part that begins at `stop_at`.
    """

    tokenizer = make_tokenizer(64)
    loaded: ClassVar[list[str]] = []
    asked: ClassVar[list[tuple[int, int]]] = []
    closed: ClassVar[int] = 0
    stop_at: ClassVar[tuple[int, int] | None] = None

    def __init__(self, folder: Path, execution: Execution) -> None:
        CountingEngine.loaded.append(folder.name)

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        settings: Sampling,
        seed: int,
        first: int = 0,
        every: int = 1,
    ) -> list[SampledGeneration]:
        CountingEngine.asked.append((seed, first))
        if CountingEngine.stop_at == (seed, first):
            raise JobInterrupted("asked to stop")
        return [
            SampledGeneration(f"{seed} {first + place}", (1,), (-1.0,), "stop")
            for place in range(len(prompts))
        ]

    def close(self) -> None:
        CountingEngine.closed += 1


@pytest.fixture
def run_generate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
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
    monkeypatch.setattr(generation_parts, "load_engine", CountingEngine)
    monkeypatch.setattr(generation_parts, "PART_TOKENS", 4 * LIMIT)
    monkeypatch.setattr(CountingEngine, "loaded", [])
    monkeypatch.setattr(CountingEngine, "asked", [])
    monkeypatch.setattr(CountingEngine, "closed", 0)
    monkeypatch.setattr(CountingEngine, "stop_at", None)

    def start_job(job: GenerateJob = JOB) -> None:
        options = ["--spec", job.model_dump_json(), "--title", "tiny", "--out", str(OUT)]
        files = ["--checkpoints", "run/checkpoints", "--problems", "problems.parquet"]
        monkeypatch.setattr(sys, "argv", ["generate", *options, *files])
        generate.main()

    return start_job


def test_every_checkpoint_answers_in_parts(run_generate: Callable[..., None]) -> None:
    run_generate()
    assert CountingEngine.loaded == ["step-000003", "step-000007"]
    assert CountingEngine.closed == 2
    assert CountingEngine.asked == [(seed, first) for seed in (3, 7) for first in (0, 4, 8)]
    table = pd.read_parquet(OUT)
    assert table["step"].tolist() == [3] * 10 + [7] * 10
    assert table["generation"].tolist() == [f"{s} {n}" for s in (3, 7) for n in range(10)]
    assert table["problem_id"].tolist() == [f"p{n // 2}" for n in range(10)] * 2


def test_settings_of_checkpoints_that_are_ignored_are_told_once(
    run_generate: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    for step in (3, 7):
        path = Path(f"run/checkpoints/step-{step:06d}/generation_config.json")
        path.write_text('{"min_p": 0.9, "eos_token_id": 2}')
    write_manifest(Path("run/manifest.json"), Path("run/checkpoints"))
    run_generate()
    assert capsys.readouterr().out.count("sampling follows the study and ignores min_p = 0.9") == 1
    assert IGNORED_SETTINGS == {"min_p": 0.9}


def test_a_job_that_is_stopped_goes_on_where_it_was(
    run_generate: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CountingEngine, "stop_at", (7, 4))
    with pytest.raises(JobInterrupted, match="4 more parts of the answers are stored") as stopped:
        run_generate()
    assert stopped.value.progressed
    assert CountingEngine.closed == 2
    with pytest.raises(JobInterrupted, match="0 more parts") as stopped:
        run_generate()
    assert not stopped.value.progressed
    assert not OUT.exists()
    monkeypatch.setattr(CountingEngine, "stop_at", None)
    CountingEngine.asked.clear()
    CountingEngine.loaded.clear()
    run_generate()
    assert CountingEngine.loaded == ["step-000007"]
    assert CountingEngine.asked == [(7, 4), (7, 8)]
    table = pd.read_parquet(OUT)
    assert table["generation"].tolist() == [f"{s} {n}" for s in (3, 7) for n in range(10)]


def test_parts_of_another_request_are_thrown_away(
    run_generate: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CountingEngine, "stop_at", (7, 4))
    with pytest.raises(JobInterrupted):
        run_generate()
    CountingEngine.asked.clear()
    hotter = JOB.sampling.model_copy(update={"temperature": 2.0})
    with pytest.raises(JobInterrupted):
        run_generate(JOB.model_copy(update={"sampling": hotter}))
    assert CountingEngine.asked == [(3, 0), (3, 4), (3, 8), (7, 0), (7, 4)]
    assert list(Path(os.curdir).glob(".state/**/step-000003-*"))
