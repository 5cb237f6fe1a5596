"""Records tell what decides the last digits: kernels, instruction sets and variables."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from lineage_fixtures import RESULTS, make_study

from retu.lineage.numerics import read_variables
from retu.lineage.queries.record_diff import compare_records

ASKED = (
    "import json, numpy, scipy.linalg; from retu.lineage.numerics import *;"
    "print(json.dumps([describe_kernels(), read_variables()]))"
)


def describe_process(**changes: str) -> tuple[dict[str, str], dict[str, str]]:
    """What a process tells of its kernels and variables."""
    done = subprocess.run(
        [sys.executable, "-c", ASKED],
        env={**os.environ, **changes},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    kernels, variables = json.loads(done.stdout)
    return kernels, variables


def test_variables_are_told_and_nothing_else() -> None:
    told = read_variables(
        {
            "OPENBLAS_CORETYPE": "Haswell",
            "OMP_NUM_THREADS": "1",
            "NPY_DISABLE_CPU_FEATURES": "X86_V4",
            "PYTHONHASHSEED": "0",
            "HF_TOKEN": "hf_secret",
            "AWS_SECRET_ACCESS_KEY": "x",
            "HOME": "/home/x",
            "MKL_CBWR": "a\nb",
        }
    )
    assert told == {
        "MKL_CBWR": "a\\nb",
        "NPY_DISABLE_CPU_FEATURES": "X86_V4",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_CORETYPE": "Haswell",
        "PYTHONHASHSEED": "0",
    }


@pytest.mark.skipif(
    not Path("/proc/self/maps").exists() or os.uname().machine != "x86_64",
    reason="kernels are told of on Linux and chosen here for x86-64",
)
def test_another_kernel_is_told_of() -> None:
    plain, _ = describe_process()
    other, variables = describe_process(
        OPENBLAS_CORETYPE="Prescott", NPY_DISABLE_CPU_FEATURES="X86_V3"
    )
    assert "openblas" in plain["blas"]
    assert other["blas"] != plain["blas"]
    assert "X86_V3" not in other.get("cpu_features", "")
    assert variables["OPENBLAS_CORETYPE"] == "Prescott"


def test_a_difference_by_chance_names_the_kernel(tmp_path: Path) -> None:
    made = make_study(tmp_path)
    a = made.lineage.records[f"{RESULTS}/fits/robust.record.json"]
    outputs = [a.outputs[0].model_copy(update={"md5": "0" * 32})]
    variables = {"OPENBLAS_CORETYPE": "Prescott"}
    used = a.environment.model_copy(update={"variables": variables})
    b = a.model_copy(
        update={"outputs": outputs, "environment": used, "host": {**a.host, "blas": "Katmai"}}
    )
    found = compare_records(a, b, lambda path: True)
    assert "blas: only in B" in found.parts["chance"]
    assert "OPENBLAS_CORETYPE: only in B" in found.parts["chance"]
    same = compare_records(a, b.model_copy(update={"outputs": a.outputs}), lambda path: True)
    assert same.parts == {}
