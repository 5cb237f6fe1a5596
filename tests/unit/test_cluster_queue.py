"""The queue: whose jobs are listed, and what is asked of SLURM for them."""

from pathlib import Path

import pytest
from cluster_fixtures import RUN, Cluster, make_cluster, make_queue_line, remove_slurm

from retu.cluster import queue
from retu.core.errors import InputError
from retu.runtime.slurm import FIELD_SEPARATOR


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return make_cluster(tmp_path / "bin", monkeypatch)


@pytest.fixture
def work_folder(tmp_path: Path) -> Path:
    """A work folder with a blank in its name."""
    folder = tmp_path / "work folder"
    folder.mkdir()
    return folder


def test_only_the_jobs_of_the_work_folder_are_listed(cluster: Cluster, work_folder: Path) -> None:
    cluster.set_queue(
        make_queue_line("11", work_folder),
        make_queue_line("12", work_folder.parent / "other"),
        make_queue_line("13_[1-2]", work_folder),
    )
    found = queue.list_queued_jobs(work_folder)
    assert [entry.id for entry in found] == ["11", "13_[1-2]"]
    assert found[0] == queue.QueuedJob(
        id="11",
        run=RUN,
        comment="rule_train_sft_wildcards_LabQwen_LabEasy",
        state="RUNNING",
        reason="None",
        partition="gpu",
        left="1-02:03:04",
        folder=str(work_folder),
    )


def test_a_folder_reached_by_a_link_is_the_same(cluster: Cluster, work_folder: Path) -> None:
    link = work_folder.parent / "link"
    link.symlink_to(work_folder)
    cluster.set_queue(make_queue_line("11", link))
    assert [entry.id for entry in queue.list_queued_jobs(work_folder)] == ["11"]


def test_an_empty_queue_has_no_jobs(cluster: Cluster, work_folder: Path) -> None:
    assert queue.list_queued_jobs(work_folder) == []
    assert cluster.list_calls("squeue") == [
        f"--noheader --format {FIELD_SEPARATOR.join(queue.FIELDS)}"
    ]


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
    remove_slurm(tmp_path / "bin", monkeypatch)
    assert not queue.has_slurm()
    with pytest.raises(
        InputError, match=r"^no SLURM: squeue, sinfo, .* login node of the cluster$"
    ):
        queue.require_slurm()


def test_cancelling_names_the_jobs(cluster: Cluster) -> None:
    queue.cancel_jobs(["11", "13_2"])
    assert cluster.list_calls("scancel") == ["--quiet 11 13_2"]
