"""The smoke study, every model of it on the GPU in bfloat16, from nothing to its report."""

from pathlib import Path

import pytest
from conftest import run_snakemake
from gpu_runs import DEVICE, ON_GPU

from retu.lineage.record import read_record

STUDY = f"""\
extends: smoke
name: smoke_device
title: Every rule once, on the device under test
execution: {{device: {DEVICE}, dtype: bfloat16}}
"""


@pytest.mark.slow
def test_the_smoke_study(checkout: Path, tmp_path: Path) -> None:
    (checkout / "studies" / "smoke_device.yaml").write_text(STUDY)
    state = tmp_path / "state"
    done = run_snakemake(checkout, config=("study=smoke_device",), RETU_STATE=str(state))
    assert done.returncode == 0, done.stdout[-8000:]
    results = checkout / "results" / "smoke_device"
    assert (results / "report.html").is_file()
    # Jobs kept their state where they were told to, and dropped it, but for what more RL needs.
    assert (state / "results" / "smoke_device").is_dir()
    assert not (checkout / ".state" / "results").exists()
    assert {path.parent.name for path in state.rglob("checkpoint-*")} == {"checkpoints-kept"}
    records = [read_record(path) for path in results.glob("sft/**/train.record.json")]
    assert records
    for record in records:
        assert record.environment.lock == ("envs/gpu.txt" if ON_GPU else "envs/lab.txt")
        if ON_GPU:
            assert record.host["gpus"]
            assert record.usage.peak_gpu_memory_mb
    again = run_snakemake(checkout, "-n", config=("study=smoke_device",), RETU_STATE=str(state))
    assert "Nothing to be done" in again.stdout
