"""The benchmark of SFT's speed: its peaks, its table, and a small run on a CPU."""

import argparse
import importlib.util
import os
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from processes import run_command

from retu.compute.flops import ModelShape, exact_forward_flops_per_token

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "benchmarks" / "sft_throughput.py"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    """The script as a module."""
    found = importlib.util.spec_from_file_location("sft_throughput", SCRIPT)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    # Its dataclasses look themselves up there.
    sys.modules[found.name] = module
    found.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "dtype", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", "bfloat16", 989.5),
        ("NVIDIA H100 PCIe", "bfloat16", 756.5),
        ("NVIDIA H200", "bfloat16", 989.5),
        ("NVIDIA H200 NVL", "bfloat16", 835.5),
        ("NVIDIA A100-SXM4-80GB", "bfloat16", 312),
        ("NVIDIA A100-SXM4-80GB", "float32", 19.5),
        ("NVIDIA A10", "bfloat16", 125),
        ("NVIDIA L40S", "bfloat16", 362.05),
        ("NVIDIA A10G", "bfloat16", None),
        ("NVIDIA H20", "bfloat16", None),
        ("Tesla T4", "bfloat16", None),
    ],
)
def test_the_peak_is_that_of_the_longest_name(
    benchmark: ModuleType, name: str, dtype: str, peak: float | None
) -> None:
    assert benchmark.find_peak_tflops(name, dtype) == peak


def test_peaks_say_where_they_are_from() -> None:
    gpus = yaml.safe_load((ROOT / "benchmarks" / "gpus.yaml").read_text())
    names = [name for gpu in gpus for name in gpu["names"]]
    assert len(set(names)) == len(names)
    for gpu in gpus:
        assert set(gpu) == {"names", "bfloat16", "float32", "source"}
        assert gpu["bfloat16"] > gpu["float32"] > 0


def test_the_large_model_has_half_a_billion_weights(benchmark: ModuleType) -> None:
    hidden, layers, heads, kv_heads, mlp, vocabulary = benchmark.SIZES["qwen2.5-0.5b"]
    shape = ModelShape(layers, hidden, heads, kv_heads, hidden // heads, mlp, vocabulary)
    # Without attention to other tokens a forward pass is two FLOPs a weight of a matrix.
    weights = exact_forward_flops_per_token(shape, 1e-9) / 2
    assert weights == pytest.approx(494e6, rel=1e-3)


OPTIONS = argparse.Namespace(steps=10, batch=2, length=100, dtype="bfloat16")
SHAPE = ModelShape(layers=1, hidden=10, heads=1, kv_heads=1, head_dim=10, ffn=20, vocab=50)


def test_the_table_is_of_medians(benchmark: ModuleType) -> None:
    runs = {
        "ours": [benchmark.ThroughputRun(seconds, 1.0, 5.0) for seconds in (2.0, 1.0, 40.0)],
        "plain TRL": [benchmark.ThroughputRun(seconds, 0.5, 5.01) for seconds in (1.0, 2.0, 0.5)],
    }
    lines = [line.split() for line in benchmark.format_throughput(runs, SHAPE, OPTIONS, peak=1e-4)]
    # 2000 tokens in 2 and in 1 seconds; a token costs 3 x 2 (400 + 600 + 500) + 3 x 4000.
    assert lines[1] == ["ours", "1000", "2.1e-05", "21.0%", "1.00", "5.0000"]
    assert lines[2] == ["plain", "TRL", "2000", "4.2e-05", "42.0%", "0.50", "5.0100"]
    assert lines[3] == ["ratio", "0.500"]
    assert benchmark.format_throughput(runs, SHAPE, OPTIONS, peak=None)[1].split()[3] == "unknown"


def test_runs_that_differ_are_not_compared(benchmark: ModuleType) -> None:
    runs = {
        "ours": [benchmark.ThroughputRun(1.0, 1.0, 5.0)],
        "plain TRL": [benchmark.ThroughputRun(1.0, 1.0, 4.0)],
    }
    with pytest.raises(SystemExit, match=r"losses are 5.0000 and 4.0000: not the same work"):
        benchmark.format_throughput(runs, SHAPE, OPTIONS, peak=None)


@pytest.mark.slow
def test_a_small_run_on_a_cpu() -> None:
    sizes = {"size": "tiny", "length": 32, "batch": 4, "micro-batch": 2, "steps": 2}
    given = {"device": "cpu", "dtype": "float32", "warm-up": 1, "repeats": 1, **sizes}
    done = run_command(
        [sys.executable, str(SCRIPT), *(f"--{key}={value}" for key, value in given.items())],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert "CPU, tiny, float32, sdpa, 4 x 32 tokens an update" in done.stdout
    rows = re.findall(r"^(ours|plain TRL) +(\d+) ", done.stdout, re.M)
    assert [name for name, _ in rows] == ["ours", "plain TRL"]
    assert all(int(rate) > 0 for _, rate in rows)
    assert re.search(r"^ratio +\d+\.\d{3}$", done.stdout, re.M)
