"""SFT in several processes with DeepSpeed: torchrun on one node, srun across two."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cluster_runs import (
    LEFT_OUT,
    SFT,
    SFT_RUN,
    list_jobs,
    make_once,
    run_cluster_workflow,
    set_site,
    set_study,
)
from conftest import run_snakemake

pytest_plugins = ("slurm_fixtures",)
pytestmark = pytest.mark.slow

TARGET = f"{SFT}/manifest.json"


@pytest.fixture(scope="module")
def single_process_checkout(prepared_checkout: Path, shared_folder: Path) -> Path:
    """A checkout in which SFT ran with ZeRO's stage 3 in one process, without SLURM."""

    def make(folder: Path) -> None:
        shutil.copytree(prepared_checkout, folder, ignore=LEFT_OUT)
        runs = [{**SFT_RUN, "checkpoints": [4, 8], "branching": "exhaustive"}]
        set_study(folder, sft_runs=runs, execution={"sft": {"zero": 3}})
        done = run_snakemake(folder, TARGET)
        assert done.returncode == 0, done.stdout

    return make_once(shared_folder / "alone", make)


@pytest.mark.parametrize("nodes", [1, 2], ids=["torchrun", "srun"])
def test_processes_share_the_work(
    single_process_checkout: Path, tmp_path: Path, nodes: int
) -> None:
    folder = shutil.copytree(single_process_checkout, tmp_path / "checkout", ignore=LEFT_OUT)
    shutil.rmtree(folder / SFT)
    set_site(folder, gpus_per_node=2, sft_nodes=nodes)
    run_cluster_workflow(folder, TARGET)
    (job,) = list_jobs(folder)
    assert (job.rule, job.nodes, job.gpus) == ("train_sft", nodes, "gres:gpu:h100:2")
    made, expected = (
        pd.read_csv(each / SFT / "losses.csv") for each in (folder, single_process_checkout)
    )
    assert made["step"].tolist() == expected["step"].tolist() == [0, 4, 8]
    # Sums in another order, and no more.
    columns = ["val_loss", "train_loss", "tokens"]
    np.testing.assert_allclose(made[columns], expected[columns], rtol=1e-5)
    record = (folder / SFT / "train.record.json").read_text()
    assert f'"slurm_job": "{job.number}"' in record
