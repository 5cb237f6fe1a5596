"""A study whose SFT run and scores were made elsewhere: only what is missing runs."""

import json
import re
import sys
from pathlib import Path

import pandas as pd
import pytest
from conftest import clean_environment, run_snakemake
from imported_study import make_study, write_samples, write_study, write_study_files
from processes import read_output, run_command

pytestmark = pytest.mark.slow

RUN = "results/mine/sft/Tiny/Own/seed0"
STEPS = {2: [1, 0, 0, 0], 4: [1, 1, 0, 1]}


def write_imported(folder: Path) -> tuple[str, ...]:
    """The study with scores of its checkpoints; the choice of it for Snakemake."""
    write_study_files(folder)
    content = make_study()
    for step, right in STEPS.items():
        write_samples(folder / f"evals/checkpoint-{step}", "sums", right)
    content["sft_runs"][0]["imported"] |= {
        "scores": [f"evals/checkpoint-{step}" for step in STEPS],
        "tasks": {"Sums": "sums"},
        "metric": "exact_match,flexible-extract",
    }
    branch = {"start": "sft", "recipe": "grpo", "models": ["Tiny"], "sft_steps": [4]}
    content["rl_runs"] = [branch]
    # Another model is trained here on the same set.
    content["models"]["Other"] = {"folder": "models/tiny"}
    content["recipes"]["sft"]["slow"] = {"batch_size": 2, "learning_rate": 1.0e-3}
    trained = {"model": "Other", "dataset": "Own", "recipe": "slow", "checkpoints": [2]}
    content["sft_runs"].append(trained)
    return (f"study={write_study(folder, content).name}",)


def ask_lineage(folder: Path, *words: str) -> tuple[int, str]:
    """Status and output of a query."""
    command = [sys.executable, "-m", "retu", "lineage", *words]
    done = run_command(command, cwd=folder, env=clean_environment())
    return done.returncode, done.stdout + done.stderr


def test_an_imported_run_is_taken_labelled_and_known_by_its_files(checkout: Path) -> None:
    config = write_imported(checkout)
    planned = run_snakemake(checkout, "-n", config=config).stdout
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", planned, re.MULTILINE))
    once = ("import_sft", "import_scores", "train_rl", "train_sft", "generate_sft")
    assert {name: jobs.get(name) for name in once} == dict.fromkeys(once, "1"), planned

    files = [f"{RUN}/grades.parquet", f"{RUN}/subphases.csv"]
    done = run_snakemake(checkout, *files, config=config)
    assert done.returncode == 0, done.stdout
    labels = pd.read_csv(checkout / files[1])
    assert labels["branch"].tolist() == [False, False, True]
    grades = pd.read_parquet(checkout / files[0])
    assert grades.groupby("step")["correct"].mean().to_dict() == {2: 0.25, 4: 0.75}
    record = json.loads((checkout / RUN / "train.record.json").read_text(encoding="utf-8"))
    assert record["rule"] == "import_sft"

    weights = "runs/sft/checkpoint-4/model.safetensors"
    told = read_output(
        [sys.executable, "-m", "retu", "lineage", "why", files[1], "--json"],
        cwd=checkout,
        env=clean_environment(),
    )
    assert weights in told

    samples = next((checkout / "evals/checkpoint-4").iterdir())
    samples.write_text(samples.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    status, said = ask_lineage(checkout, "why", "--stale", "--study", "mine")
    assert status == 1
    assert f"{samples.relative_to(checkout)}: has changed" in said
    assert "mirror=" not in said
    status, said = ask_lineage(checkout, "verify", "--study", "mine")
    assert status == 1
    assert f"{samples.relative_to(checkout)}: is not what import_scores read" in said
