"""SFT in several processes with DeepSpeed: torchrun on one node, srun across two."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cluster_runs import LEFT_OUT, SFT, SFT_RUN, jobs, made_once, run, set_site, set_study
from conftest import snakemake

pytest_plugins = ("slurm_fixtures",)
pytestmark = pytest.mark.slow

TARGET = f"{SFT}/manifest.json"


@pytest.fixture(scope="module")
def alone(prepared: Path, shared: Path) -> Path:
    """A checkout in which SFT ran with ZeRO's stage 3 in one process, without SLURM."""

    def make(folder: Path) -> None:
        shutil.copytree(prepared, folder, ignore=LEFT_OUT)
        runs = [{**SFT_RUN, "checkpoints": [4, 8], "branching": "exhaustive"}]
        set_study(folder, sft_runs=runs, execution={"sft": {"zero": 3}})
        done = snakemake(folder, TARGET)
        assert done.returncode == 0, done.stdout

    return made_once(shared / "alone", make)


@pytest.mark.parametrize("nodes", [1, 2], ids=["torchrun", "srun"])
def test_processes_share_the_work(alone: Path, tmp_path: Path, nodes: int) -> None:
    folder = shutil.copytree(alone, tmp_path / "checkout", ignore=LEFT_OUT)
    shutil.rmtree(folder / SFT)
    set_site(folder, gpus_per_node=2, sft_nodes=nodes)
    run(folder, TARGET)
    (job,) = jobs(folder)
    assert (job.rule, job.nodes, job.gpus) == ("train_sft", nodes, "gres:gpu:h100:2")
    made, expected = (pd.read_csv(each / SFT / "losses.csv") for each in (folder, alone))
    assert made["step"].tolist() == expected["step"].tolist() == [0, 4, 8]
    # Sums in another order, and no more.
    columns = ["val_loss", "train_loss", "tokens"]
    np.testing.assert_allclose(made[columns], expected[columns], rtol=1e-5)
    record = (folder / SFT / "train.record.json").read_text()
    assert f'"slurm_job": "{job.number}"' in record
