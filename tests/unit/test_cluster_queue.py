"""SLURM's commands: what they print is read right, and each way to fail is one line."""

import time
from pathlib import Path

import pytest
from cluster_fixtures import RUN, Cluster, job, make_cluster, without_slurm

from workflow_scripts.cluster import queue
from workflow_scripts.errors import InputError


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
    assert cluster.asked("squeue") == [f"--noheader --format {queue.MARK.join(queue.FIELDS)}"]


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


def test_the_users_own_settings_of_the_tools_do_not_count(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cluster.folder / "squeue").write_text('#!/bin/sh\nenv | grep -E "^(SQ|SI|SC|LC_ALL|SLURM_)"\n')
    for name in ("SQUEUE_STATES", "SINFO_FORMAT", "SCANCEL_INTERACTIVE", "SLURM_TIME_FORMAT"):
        monkeypatch.setenv(name, "relative")
    monkeypatch.setenv("SLURM_CONF", "here")
    assert sorted(queue.ask("squeue").split()) == ["LC_ALL=C", "SLURM_CONF=here"]


def test_without_slurm_one_line_names_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_slurm(tmp_path / "bin", monkeypatch)
    assert not queue.available()
    with pytest.raises(
        InputError, match=r"^no SLURM: squeue, sinfo, .* login node of the cluster$"
    ):
        queue.require_slurm()
    with pytest.raises(queue.NoAnswerError, match=r"^squeue: No such file or directory; is this"):
        queue.ask("squeue")


def test_a_controller_that_is_down_is_told_in_slurms_own_words(
    cluster: Cluster, work: Path
) -> None:
    words = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
    cluster.fails("squeue", f"squeue: error: something first\n{words}\n")
    with pytest.raises(queue.NoAnswerError) as raised:
        queue.queued_jobs(work)
    assert str(raised.value) == f"squeue: {words}; `scontrol ping` tells whether SLURM is up"


@pytest.mark.parametrize("kind", ["error", "fatal"])
def test_a_tool_does_not_name_itself_twice(kind: str, cluster: Cluster, work: Path) -> None:
    cluster.fails("squeue", f"squeue: {kind}: Could not establish a configuration source\n")
    with pytest.raises(queue.NoAnswerError, match=r"^squeue: Could not establish a conf"):
        queue.queued_jobs(work)


def test_a_tool_that_fails_without_a_word_still_gives_a_line(cluster: Cluster, work: Path) -> None:
    cluster.fails("squeue", "")
    with pytest.raises(queue.NoAnswerError, match=r"^squeue: exit status 1; "):
        queue.queued_jobs(work)


def test_a_controller_that_does_not_answer_is_given_up(
    cluster: Cluster, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cluster.folder / "squeue.slow").touch()
    monkeypatch.setattr(queue, "PATIENCE", 0.2)
    before = time.monotonic()
    with pytest.raises(
        queue.NoAnswerError, match=r"^squeue: no answer in 0.2 s; slurmctld is busy"
    ):
        queue.queued_jobs(work)
    assert time.monotonic() - before < 10


def test_cancelling_names_the_jobs(cluster: Cluster) -> None:
    queue.cancel(["11", "13_2"])
    assert cluster.asked("scancel") == ["--quiet 11 13_2"]
