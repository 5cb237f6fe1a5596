"""What is touched and not changed plans nothing, whatever its size."""

import shutil
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT, clean_environment
from processes import read_output

pytestmark = pytest.mark.slow

SNAKEFILE = """
rule all:
    input:
        "out.txt",


rule copy:
    input:
        "in.bin",
    output:
        "out.txt",
    shell:
        "wc -c < {input} > {output}"
"""


def dry_run(folder: Path, *arguments: str) -> str:
    """What Snakemake says in a folder, by this project's profile."""
    return read_output(
        [sys.executable, "-m", "snakemake", "--cores", "1", *arguments],
        cwd=folder,
        env=clean_environment(),
    )


def test_a_touched_big_input_plans_nothing(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    big = tmp_path / "in.bin"
    big.write_bytes(b"x" * 3_000_000)
    dry_run(tmp_path)
    time.sleep(1.1)
    big.touch()
    assert "Nothing to be done" in dry_run(tmp_path, "--dry-run")
    with big.open("r+b") as handle:
        handle.write(b"y")
    assert "Nothing to be done" not in dry_run(tmp_path, "--dry-run")
