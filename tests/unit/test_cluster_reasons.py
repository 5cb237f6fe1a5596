"""SLURM's reasons: those that no waiting ends are told apart, in the order of the file."""

import re

import pytest

from retu.cluster.pending_reasons import explain_pending, is_stuck, read_reasons
from retu.cluster.queue import QueuedJob


def make_pending_job(reason: str, state: str = "PENDING") -> QueuedJob:
    """A job with a reason."""
    return QueuedJob("1", "run", "rule_a", state, reason, "gpu", "1:00", "/work")


@pytest.mark.parametrize(
    ("reason", "ends"),
    [
        ("PartitionTimeLimit", "never"),
        ("PartitionConfig", "never"),
        ("PartitionNodeLimit", "never"),
        ("BadConstraints", "never"),
        ("InvalidAccount", "never"),
        ("InvalidQOS", "never"),
        ("DependencyNeverSatisfied", "never"),
        ("AssocMaxNodePerJobLimit", "never"),
        ("AssocMaxWallDurationPerJobLimit", "never"),
        ("AssocMaxGRESPerJob", "never"),
        ("QOSMaxGRESPerNode", "never"),
        ("QOSMaxWallDurationPerJobLimit", "never"),
        ("QOSMinGRES", "never"),
        ("MaxMemPerLimit", "never"),
        ("JobHeldUser", "never"),
        ("JobHoldMaxRequeue", "never"),
        ("launch failed requeued held", "never"),
        ("PartitionDown", "maybe"),
        ("AssocGrpBillingMinutes", "maybe"),
        ("AssocGrpCPURunMinutesLimit", "maybe"),
        ("QOSGrpBilling", "maybe"),
        ("ReqNodeNotAvail, UnavailableNodes:node[1-2]", "maybe"),
        (
            "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority"
            " partitions",
            "maybe",
        ),
        ("AssocMaxJobsLimit", "itself"),
        ("QOSMaxJobsPerUserLimit", "itself"),
        ("AssocGrpGRES", "itself"),
        ("BeginTime", "itself"),
        ("Resources", "itself"),
        ("priority", "itself"),
        ("Dependency", "itself"),
    ],
)
def test_a_reason_is_known_by_how_it_ends(reason: str, ends: str) -> None:
    found = explain_pending(make_pending_job(reason))
    assert found is not None
    assert found.ends == ends
    assert is_stuck(make_pending_job(reason)) == (ends == "never")


def test_an_unknown_reason_is_not_guessed() -> None:
    assert explain_pending(make_pending_job("SomethingNew")) is None
    assert not is_stuck(make_pending_job("SomethingNew"))


def test_a_running_job_has_no_reason() -> None:
    assert explain_pending(make_pending_job("PartitionTimeLimit", state="RUNNING")) is None


def test_every_reason_says_what_to_do_in_a_line() -> None:
    for known in read_reasons():
        assert known.means
        assert known.remedy
        assert "\n" not in known.means + known.remedy
        re.compile(known.reason)
    patterns = [known.reason for known in read_reasons()]
    assert len(set(patterns)) == len(patterns)
