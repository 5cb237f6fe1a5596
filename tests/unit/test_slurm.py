"""Asking SLURM: what its tools print is read right, and each way to fail is one line."""

import math
import time
from pathlib import Path

import pytest
from cluster_fixtures import Cluster, make_cluster, remove_slurm

from retu.runtime import slurm
from retu.runtime.slurm import NoAnswerError, parse_duration, run_slurm_tool

DAY = 86_400


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return make_cluster(tmp_path / "bin", monkeypatch)


def test_a_tool_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remove_slurm(tmp_path / "bin", monkeypatch)
    with pytest.raises(NoAnswerError, match=r"^squeue: No such file or directory; is this"):
        run_slurm_tool("squeue")


def test_a_controller_that_is_down_is_told_in_slurms_own_words(cluster: Cluster) -> None:
    words = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
    cluster.make_fail("squeue", f"squeue: error: something first\n{words}\n")
    with pytest.raises(NoAnswerError) as raised:
        run_slurm_tool("squeue")
    assert str(raised.value) == f"squeue: {words}; `scontrol ping` tells whether SLURM is up"


@pytest.mark.parametrize("kind", ["error", "fatal"])
def test_a_tool_does_not_name_itself_twice(kind: str, cluster: Cluster) -> None:
    cluster.make_fail("squeue", f"squeue: {kind}: Could not establish a configuration source\n")
    with pytest.raises(NoAnswerError, match=r"^squeue: Could not establish a conf"):
        run_slurm_tool("squeue")


def test_a_tool_that_fails_without_a_word_still_gives_a_line(cluster: Cluster) -> None:
    cluster.make_fail("squeue", "")
    with pytest.raises(NoAnswerError, match=r"^squeue: exit status 1; "):
        run_slurm_tool("squeue")


def test_a_controller_that_does_not_answer_is_given_up(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cluster.folder / "squeue.slow").touch()
    monkeypatch.setattr(slurm, "TOOL_SECONDS", 0.2)
    before = time.monotonic()
    with pytest.raises(NoAnswerError, match=r"^squeue: no answer in 0.2 s; slurmctld is busy"):
        run_slurm_tool("squeue")
    assert time.monotonic() - before < 10


def test_the_users_own_settings_of_the_tools_do_not_count(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cluster.folder / "squeue").write_text('#!/bin/sh\nenv | grep -E "^(SQ|SI|SC|LC_ALL|SLURM_)"\n')
    for name in ("SQUEUE_STATES", "SINFO_FORMAT", "SCANCEL_INTERACTIVE", "SLURM_TIME_FORMAT"):
        monkeypatch.setenv(name, "relative")
    monkeypatch.setenv("SLURM_CONF", "here")
    assert sorted(run_slurm_tool("squeue").split()) == ["LC_ALL=C", "SLURM_CONF=here"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("4:50", 290), ("0:00", 0), ("1:00:00", 3600), ("0:00:30", 30)),
        *(("2-01:02:03", 2 * DAY + 3723), ("1-12", 1.5 * DAY), ("2-12:30", 2 * DAY + 45_000)),
        *(("UNLIMITED", math.inf), ("infinite", math.inf), ("NONE", math.inf), ("", math.inf)),
        *(("NOT_SET", None), ("INVALID", None), ("-4:50", None), ("1:2:3:4", None)),
        *(("4", None), ("x-4:50", None), ("4:x", None)),
    ],
)
def test_times(text: str, expected: float | None) -> None:
    assert parse_duration(text) == expected
