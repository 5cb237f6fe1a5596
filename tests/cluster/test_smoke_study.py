"""The smoke study from the first job to the report, every job on a node of SLURM's."""

import json
from collections import Counter
from pathlib import Path

import pytest
import yaml
from cluster_runs import OUTPUT, SITE, list_jobs, run_cluster_workflow, set_site
from conftest import copy_checkout

pytest_plugins = ("slurm_fixtures",)
pytestmark = pytest.mark.slow

RESULTS = Path("results/smoke")
CURVES = "results/smoke/curves.csv"


def test_the_smoke_study_runs_to_its_report(site: None, tmp_path: Path) -> None:
    folder = copy_checkout(tmp_path / "checkout")
    set_site(folder, **SITE)
    run_cluster_workflow(folder, patience=1800.0)
    done = list_jobs(folder)
    assert {(job.state, job.restarts) for job in done} == {("COMPLETED", 0)}
    rules = Counter(job.rule for job in done)
    assert rules["train_sft"] == 2
    assert rules["train_rl"] >= 4
    assert {job.gpus for job in done if job.rule.startswith("train_")} == {"gres:gpu:h100:1"}
    assert (folder / RESULTS / "report.html").stat().st_size > 100_000
    # Every record names the job that made its file.
    numbers = {str(job.number) for job in done}
    records = [*(folder / "data").rglob("*.record.json"), *folder.rglob("results/**/*.record.json")]
    assert {json.loads(path.read_text())["slurm_job"] for path in records} == numbers
    run_cluster_workflow(folder, "--dry-run")
    assert "Nothing to be done" in (folder / OUTPUT).read_text()
    compete_on_the_cluster(folder)


def compete_on_the_cluster(folder: Path) -> None:
    """Rungs and decisions are jobs as any others: the finished study's branches compete."""
    before = len(list_jobs(folder))
    chosen = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump({**chosen, "branching": "adaptive"}))
    run_cluster_workflow(folder, CURVES)
    rules = Counter(job.rule for job in list_jobs(folder)[before:])
    decisions = [*(folder / RESULTS / "adaptive").rglob("rung?.json")]
    assert json.loads(max(decisions).read_text())["finished"]
    assert rules["choose_branches"] == len(decisions)
    rungs = [*(folder / RESULTS / "rl").rglob("rung?/train.record.json")]
    assert rules["train_rl_rung"] == len(rungs) > 1
    assert not rules["train_sft"] + rules["train_rl"]
    gpus = {job.gpus for job in list_jobs(folder) if job.rule == "train_rl_rung"}
    assert gpus == {"gres:gpu:h100:1"}
