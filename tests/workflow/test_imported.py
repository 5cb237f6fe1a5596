"""A study whose SFT run and scores were made elsewhere, as docs/imports.md has it."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from conftest import ROOT, clean_environment, run_snakemake
from imported_study import make_study, write_run, write_samples, write_study, write_study_files
from processes import run_command

from retu.config.study import Config
from retu.planning.load_plan import load_plan

pytestmark = pytest.mark.slow

GUIDE = (ROOT / "docs" / "imports.md").read_text(encoding="utf-8")
RUN = "results/mine/sft/Base/Own/seed0"
STEPS = {200: [1, 0, 0, 0], 400: [1, 1, 0, 1]}
CONFIG = ("study=mine.yaml",)


def find_blocks(language: str) -> list[str]:
    """The code blocks of the guide in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)


def write_own_files(folder: Path) -> None:
    """Every file that the guide names."""
    write_study_files(folder)
    write_run(folder / "runs" / "my-sft", tuple(STEPS))
    for step, right in STEPS.items():
        write_samples(folder / f"evals/checkpoint-{step}", "my_sums", right)


def list_guide_studies() -> list[dict[str, Any]]:
    """The study with the sections of each block of the guide."""
    return [make_study() | yaml.safe_load(block) for block in find_blocks("yaml")]


def run_guide_command(line: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a command of the guide."""
    command = [sys.executable, "-m", *shlex.split(line, comments=True)]
    return run_command(command, cwd=folder, env=clean_environment())


def test_every_section_of_the_guide_is_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_own_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    studies = list_guide_studies()
    assert len(studies) == 5
    for content in studies:
        if content["sft_runs"][0]["imported"]["folder"] == "runs/sft":
            content["sft_runs"][0]["imported"]["folder"] = "runs/my-sft"
        load_plan(Config(study=str(write_study(tmp_path, content))))


def test_only_what_is_missing_is_planned(checkout: Path) -> None:
    write_own_files(checkout)
    first, named, *_, scored, _ = list_guide_studies()
    content = {**scored, "rl_runs": named["rl_runs"]}
    # Another model is trained here on the same set.
    content["models"]["Other"] = first["models"]["Base"]
    content["recipes"]["sft"]["slow"] = {"batch_size": 2, "learning_rate": 1.0e-3}
    trained = {"model": "Other", "dataset": "Own", "recipe": "slow", "checkpoints": [2]}
    content["sft_runs"].append(trained)
    write_study(checkout, content)
    planned = run_snakemake(checkout, "-n", config=CONFIG).stdout
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", planned, re.MULTILINE))
    once = ("import_sft", "import_scores", "train_rl", "train_sft", "generate_sft")
    assert {name: jobs.get(name) for name in once} == dict.fromkeys(once, "1"), planned


def test_the_commands_of_the_guide_run(checkout: Path) -> None:
    write_own_files(checkout)
    write_study(checkout, list_guide_studies()[3])
    making, asking = (block.splitlines() for block in find_blocks("bash"))
    for line in making:
        done = run_guide_command(line, checkout)
        assert done.returncode == 0, done.stderr
    labels = pd.read_csv(checkout / RUN / "subphases.csv")
    assert labels["branch"].tolist() == [False, False, True]
    record = json.loads((checkout / RUN / "train.record.json").read_text(encoding="utf-8"))
    assert record["rule"] == "import_sft"

    done = run_snakemake(checkout, f"{RUN}/grades.parquet", config=CONFIG)
    assert done.returncode == 0, done.stdout
    grades = pd.read_parquet(checkout / RUN / "grades.parquet")
    assert grades.groupby("step")["correct"].mean().to_dict() == {200: 0.25, 400: 0.75}

    samples = next((checkout / "evals/checkpoint-400").iterdir())
    samples.write_text(samples.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    why, stale, verify = (run_guide_command(line, checkout) for line in asking)
    assert "runs/my-sft/checkpoint-200/config.json" in why.stdout
    name = samples.relative_to(checkout)
    assert (stale.returncode, verify.returncode) == (1, 1)
    assert f"{name}: is not what import_scores read" in stale.stdout
    assert "mirror=" not in stale.stdout
    assert f"{name}: is not what import_scores read" in verify.stdout
