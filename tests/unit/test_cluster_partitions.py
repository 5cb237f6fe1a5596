"""Partitions, nodes and accounts, as SLURM 22.05 prints them."""

import math
from pathlib import Path

import pytest
from cluster_fixtures import Cluster, make_cluster

from retu.cluster.partitions import (
    Node,
    SiteSettings,
    parse_gres,
    read_accounts,
    read_partitions,
    read_site_settings,
)
from retu.runtime.slurm import NoAnswerError


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    return make_cluster(tmp_path / "bin", monkeypatch)


def test_partitions_have_their_nodes_and_limits(cluster: Cluster) -> None:
    limits = {"nodes": "2", "cpus": "64", "memory": "500000", "accounts": "Lab,other"}
    cluster.set_partitions({"name": "cpu"}, {"name": "gpu", "time": "7-00:00:00", **limits})
    found = read_partitions()
    assert [node.name for node in found["cpu"].nodes] == ["node1"]
    assert found["cpu"].minutes == found["cpu"].most_nodes == math.inf
    gpu = found["gpu"]
    assert gpu.nodes[0] == Node("node2", 96, 1000000, {"h100": 8}, "mixed")
    assert (gpu.minutes, gpu.most_nodes) == (10080, 2)
    assert (gpu.cpus_per_node, gpu.memory_per_node) == (64, 500000)
    assert gpu.is_open_to("LAB")
    assert not gpu.is_open_to("mine")
    assert found["cpu"].is_open_to("mine")


def test_accounts_can_be_shut_out(cluster: Cluster) -> None:
    text = "PartitionName=gpu DenyAccounts=lab,old MaxTime=1:00:00 State=UP Nodes=(null)\n"
    (cluster.folder / "partitions.txt").write_text(text)
    gpu = read_partitions()["gpu"]
    assert not gpu.is_open_to("Lab")
    assert gpu.is_open_to("mine")


def test_no_list_of_accounts_allows_all(cluster: Cluster) -> None:
    cluster.set_partitions({"name": "gpu", "accounts": "(null)"})
    assert read_partitions()["gpu"].is_open_to("mine")


def test_a_partition_can_be_closed_or_without_nodes(cluster: Cluster) -> None:
    cluster.set_partitions({"name": "gpu", "state": "DOWN"}, {"name": "empty"})
    found = read_partitions()
    assert not found["gpu"].up
    assert found["empty"].nodes == ()


@pytest.mark.parametrize(
    ("text", "gpus"),
    [
        ("(null)", {}),
        ("gpu:8", {"": 8}),
        ("gpu:h100:4(S:0-1)", {"h100": 4}),
        ("gpu:h100:4(S:0,1),gpu:a100:2(S:0),shard:8", {"h100": 4, "a100": 2}),
        ("gpu:h100:4,gpu:h100:4,nvme:1", {"h100": 8}),
    ],
)
def test_gpus_of_a_node(text: str, gpus: dict[str, int]) -> None:
    assert parse_gres(text) == gpus


def test_gpus_are_counted_by_type_or_all() -> None:
    node = Node("node1", 1, 1, {"h100": 4, "a100": 2}, "idle")
    assert (node.count_gpus("h100"), node.count_gpus(None), node.count_gpus("v100")) == (4, 6, 0)


@pytest.mark.parametrize(
    ("state", "usable"),
    [
        ("idle", True),
        ("allocated", True),
        ("mixed", True),
        ("reserved", True),
        ("idle~", True),
        ("down*", False),
        ("drained", False),
        ("draining", False),
        ("fail", False),
        ("unknown", False),
    ],
)
def test_a_busy_node_will_be_free_and_a_drained_one_not(state: str, usable: bool) -> None:
    assert Node("node1", 1, 1, {}, state).is_usable == usable


def test_accounts_are_known_with_accounting_only(cluster: Cluster) -> None:
    assert read_accounts() is None
    (cluster.folder / "sacctmgr.failed").unlink()
    cluster.print_text("sacctmgr", "Lab\nlab\nother\n")
    assert read_accounts() == {"lab", "other"}
    cluster.print_text("sacctmgr", "\n")
    assert read_accounts() is None


def test_the_settings_of_the_site(cluster: Cluster) -> None:
    cluster.set_settings(JobFileAppend="0", JobRequeue="1")
    assert read_site_settings() == SiteSettings(requeues=True, accounting=True, job_age=None)
    cluster.set_settings(
        AccountingStorageType="accounting_storage/none", JobRequeue="0", MinJobAge="300 sec"
    )
    assert read_site_settings() == SiteSettings(requeues=False, accounting=False, job_age=300)


def test_no_answer_is_no_empty_cluster(cluster: Cluster) -> None:
    cluster.make_fail("sinfo", "slurm_load_partitions: Unable to contact slurm controller\n")
    with pytest.raises(NoAnswerError, match="Unable to contact slurm controller"):
        read_partitions()
