"""The queue: whose jobs are listed, and what is asked of SLURM for them."""

from pathlib import Path

import pytest
from cluster_fixtures import RUN, Cluster, job, make_cluster, without_slurm

from retu.cluster import queue
from retu.core.errors import InputError
from retu.runtime.slurm import MARK


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return make_cluster(tmp_path / "bin", monkeypatch)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A work folder with a blank in its name."""
    folder = tmp_path / "work folder"
    folder.mkdir()
    return folder


def test_only_the_jobs_of_the_work_folder_are_listed(cluster: Cluster, work: Path) -> None:
    cluster.queue(job("11", work), job("12", work.parent / "other"), job("13_[1-2]", work))
    found = queue.queued_jobs(work)
    assert [entry.id for entry in found] == ["11", "13_[1-2]"]
    assert found[0] == queue.QueuedJob(
        id="11",
        run=RUN,
        comment="rule_train_sft_wildcards_LabQwen_LabEasy",
        state="RUNNING",
        reason="None",
        partition="gpu",
        left="1-02:03:04",
        folder=str(work),
    )


def test_a_folder_reached_by_a_link_is_the_same(cluster: Cluster, work: Path) -> None:
    link = work.parent / "link"
    link.symlink_to(work)
    cluster.queue(job("11", link))
    assert [entry.id for entry in queue.queued_jobs(work)] == ["11"]


def test_an_empty_queue_has_no_jobs(cluster: Cluster, work: Path) -> None:
    assert queue.queued_jobs(work) == []
    assert cluster.asked("squeue") == [f"--noheader --format {MARK.join(queue.FIELDS)}"]


@pytest.mark.parametrize(
    ("comment", "work"),
    [
        ("rule_train_sft_wildcards_LabQwen_LabEasy", "train_sft LabQwen_LabEasy"),
        ("rule_all_of_it", "all_of_it"),
        ("of the user's own", "of the user's own"),
        ("(null)", "(no comment)"),
        ("", "(no comment)"),
    ],
)
def test_the_comment_tells_rule_and_wildcards(comment: str, work: str) -> None:
    entry = queue.QueuedJob("1", RUN, comment, "RUNNING", "None", "gpu", "1:00", "/work")
    assert entry.work == work


def test_without_slurm_one_line_names_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_slurm(tmp_path / "bin", monkeypatch)
    assert not queue.available()
    with pytest.raises(
        InputError, match=r"^no SLURM: squeue, sinfo, .* login node of the cluster$"
    ):
        queue.require_slurm()


def test_cancelling_names_the_jobs(cluster: Cluster) -> None:
    queue.cancel(["11", "13_2"])
    assert cluster.asked("scancel") == ["--quiet 11 13_2"]
