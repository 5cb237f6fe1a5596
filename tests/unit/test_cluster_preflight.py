"""Requests against a made-up cluster: what would end or stall a launch is told."""

import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from cluster_fixtures import SFT

from retu.cluster import preflight
from retu.cluster.partitions import Node, Partition, SiteSettings
from retu.cluster.preflight import CheckLine
from retu.runtime.slurm_profile import Profile, ResourceRequest

BIG = Node("node1", 96, 1000000, {"h100": 8}, "idle")
SMALL = Node("node3", 128, 2000000, {"a100": 4}, "idle")
GPU = Partition(
    name="gpu",
    up=True,
    minutes=1440,
    most_nodes=math.inf,
    cpus_per_node=math.inf,
    memory_per_node=math.inf,
    accounts=(),
    denied=(),
    nodes=(BIG, replace(BIG, name="node2"), SMALL),
)


def make_preflight_profile(*requests: ResourceRequest) -> Profile:
    """A profile that asks for this."""
    return Profile(Path("slurm/config.yaml"), "slurm", "squeue", "mine", requests)


def check_request(request: ResourceRequest, partition: Partition) -> CheckLine:
    """What is said of one request."""
    (line,) = preflight.check_requests(make_preflight_profile(request), {partition.name: partition})
    return line


def test_a_request_that_fits_says_how_many_nodes_do() -> None:
    assert check_request(SFT, GPU) == CheckLine(
        "ok",
        "train_sft: partition gpu, 2 nodes, 8 GPUs h100, 96 CPUs, 900000 MB, 1 d:"
        " 2 nodes can run it",
    )


@pytest.mark.parametrize(
    ("asked", "site", "said"),
    [
        ({"partition": "gpus"}, {}, "there is no such partition (known: gpu)"),
        ({}, {"up": False}, "the partition is closed (see `sinfo -s`)"),
        ({"minutes": 1441}, {}, "the partition's longest time is 1 d"),
        ({}, {"most_nodes": 1.0}, "the partition allows 1 nodes a job"),
        ({}, {"cpus_per_node": 64.0}, "the partition allows 64 CPUs on a node"),
        ({}, {"memory_per_node": 500000.0}, "the partition allows 500000 MB on a node"),
        ({}, {"accounts": ("other",)}, "the partition is not for account lab"),
        ({}, {"denied": ("lab",)}, "the partition is not for account lab"),
        ({}, {"nodes": ()}, "the partition has no nodes"),
        ({"nodes": 3}, {}, "only 2 nodes of the partition can take a part of it"),
        (
            {"gpus": 9},
            {},
            "its nodes have at most 8 GPUs of type h100 (there are a100:4, h100:8)",
        ),
        (
            {"gpus": 9, "gpu_type": None},
            {},
            "its nodes have at most 8 GPUs (there are a100:4, h100:8)",
        ),
        (
            {"gpu_type": "b200"},
            {},
            "its nodes have at most 0 GPUs of type b200 (there are a100:4, h100:8)",
        ),
        ({"cpus": 97}, {}, "its nodes with 8 GPUs have at most 96 CPUs"),
        (
            {"memory_mb": 1000001},
            {},
            "its nodes with 8 GPUs and 96 CPUs have at most 1000000 MB",
        ),
        (
            {},
            {"nodes": (BIG, replace(BIG, state="drained"))},
            "1 node of the 2 that could run it are down or drained (see `sinfo -R`)",
        ),
    ],
)
def test_what_would_never_start_is_told(
    asked: dict[str, object], site: dict[str, object], said: str
) -> None:
    line = check_request(replace(SFT, **asked), replace(GPU, **site))  # type: ignore[arg-type]
    assert line.kind == "WRONG"
    assert line.text.partition(": ")[0] == "train_sft"
    assert line.text.endswith(f": {said}")


def test_exactly_what_there_is_fits() -> None:
    exact = replace(SFT, memory_mb=1000000, minutes=1440, nodes=2, cpus=96)
    limits = replace(GPU, most_nodes=2, cpus_per_node=96, memory_per_node=1000000)
    assert check_request(exact, limits).kind == "ok"


def test_without_a_partition_any_node_will_do() -> None:
    assert check_request(replace(SFT, partition=None, nodes=1), GPU).kind == "ok"
    assert check_request(replace(SFT, partition=None, gpus=9), GPU).kind == "WRONG"


def test_rules_that_ask_for_the_same_share_a_line() -> None:
    both = make_preflight_profile(SFT, replace(SFT, rule="train_rl"))
    (line,) = preflight.check_requests(both, {"gpu": GPU})
    assert line.text.startswith("train_sft, train_rl: partition gpu, ")


def test_of_a_later_attempt_only_its_own_mistakes_are_told() -> None:
    late = replace(SFT, minutes=2000)
    attempts = make_preflight_profile(late, replace(late, attempt=3, memory_mb=1000001))
    first, third = preflight.check_requests(attempts, {"gpu": GPU})
    assert (first.kind, third.kind) == ("WRONG", "WRONG")
    assert first.text.endswith(": the partition's longest time is 1 d")
    assert third.text.startswith("train_sft (attempt 3): ")
    assert third.text.endswith("MB, 1 d 9 h 20 min: its nodes with 8 GPUs and 96 CPUs have at most"
                               " 1000000 MB")  # fmt: skip
    good = make_preflight_profile(SFT, replace(SFT, attempt=3))
    assert len(list(preflight.check_requests(good, {"gpu": GPU}))) == 1


@pytest.mark.parametrize(
    ("known", "kind"), [(None, "note"), ({"lab", "other"}, "ok"), ({"other"}, "WRONG")]
)
def test_the_account(known: set[str] | None, kind: str) -> None:
    (line,) = preflight.check_account(make_preflight_profile(SFT), known)
    assert line.kind == kind
    assert "lab" in line.text


def test_without_an_account_the_default_is_named() -> None:
    (line,) = preflight.check_account(make_preflight_profile(replace(SFT, account=None)), {"other"})
    assert line == CheckLine("note", "no account named: SLURM takes your default of other")


def list_kinds(lines: Sequence[CheckLine]) -> list[str]:
    """What the lines say, in a word each."""
    return [line.kind for line in lines]


SITE = SiteSettings(requeues=True, accounting=True, job_age=300)


def check_site_tools(site: SiteSettings = SITE, **changes: str | None) -> list[CheckLine]:
    """What is said of Snakemake and the site."""
    return list(preflight.check_tools(replace(make_preflight_profile(), **changes), site))  # type: ignore[arg-type]


def test_snakemakes_executor_must_be_slurm_and_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list_kinds(check_site_tools()) == ["ok"]
    assert list_kinds(check_site_tools(executor=None)) == ["WRONG"]
    monkeypatch.setattr(preflight, "PLUGIN", "snakemake_executor_plugin_of_dreams")
    (line,) = check_site_tools()
    assert line.text.startswith("snakemake_executor_plugin_of_dreams is not installed")
    assert line.kind == "WRONG"


def test_a_site_that_requeues_nothing_is_told() -> None:
    assert list_kinds(check_site_tools(replace(SITE, requeues=False))) == ["ok", "WRONG"]


@pytest.mark.parametrize(
    ("status", "accounting", "kinds_"),
    [
        ("squeue", False, ["ok"]),
        ("sacct", True, ["ok"]),
        (None, True, ["ok"]),
        ("sacct", False, ["ok", "WRONG"]),
        (None, False, ["ok", "WRONG"]),
    ],
)
def test_without_accounting_snakemake_must_follow_its_jobs_by_squeue(
    status: str | None, accounting: bool, kinds_: list[str]
) -> None:
    lines = check_site_tools(replace(SITE, accounting=accounting), status=status)
    assert list_kinds(lines) == kinds_
    assert all("set slurm-status-command to squeue" in line.text for line in lines[1:])


@pytest.mark.parametrize(
    ("age", "status", "kinds_"),
    [
        (180, "squeue", ["ok"]),
        (179, "squeue", ["ok", "note"]),
        (2, "sacct", ["ok"]),
        (None, "squeue", ["ok"]),
    ],
)
def test_a_queue_that_forgets_too_soon_is_noted(
    age: int | None, status: str, kinds_: list[str]
) -> None:
    assert list_kinds(check_site_tools(replace(SITE, job_age=age), status=status)) == kinds_


@pytest.mark.parametrize(
    ("age", "first_look", "accounting", "message"),
    [
        (119, 40, False, "set slurm-init-seconds-before-status-checks to 39 in "),
        (60, 40, False, "asks sacct instead, which never tells of an end here: set slurm-init"),
        (2, 40, False, "ask for a MinJobAge of 120 in slurm.conf"),
        (60, 40, True, "set slurm-status-command to sacct"),
    ],
)
def test_a_queue_that_snakemake_would_not_ask_is_wrong(
    age: int, first_look: int, accounting: bool, message: str
) -> None:
    site = replace(SITE, job_age=age, accounting=accounting)
    *_, line = preflight.check_tools(
        replace(make_preflight_profile(), status="squeue", first_look=first_look), site
    )
    assert (line.kind, message in line.text) == ("WRONG", True), line


def test_an_earlier_first_look_mends_it() -> None:
    site = replace(SITE, job_age=60, accounting=False)
    lines = preflight.check_tools(
        replace(make_preflight_profile(), status="squeue", first_look=20), site
    )
    assert list_kinds(list(lines)) == ["ok", "note"]


def test_a_local_file_system_is_told_from_one_that_is_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    shared = tmp_path / "with blank"
    shared.mkdir()
    where = str(shared).replace(" ", "\\040")
    mounts.write_text(
        f"/dev/sda / ext4 rw 0 0\nnone {where} tmpfs rw 0 0\nnas:/x {where} nfs4 rw\n"
    )
    monkeypatch.setattr(preflight, "MOUNTS", mounts)
    assert preflight.find_file_system(shared / "deep" / "down") == "nfs4"
    assert preflight.find_file_system(tmp_path) == "ext4"
    local, _ = preflight.check_shared_folders(tmp_path)
    assert local.text == (
        f"work folder {tmp_path} is on ext4, which other machines seldom see: it must be on a file"
        " system that all nodes share"
    )
    folder, _ = preflight.check_shared_folders(shared)
    assert folder.text.endswith("(nfs4): that all nodes see it cannot be checked")
    monkeypatch.setattr(preflight, "MOUNTS", tmp_path / "none")
    assert preflight.find_file_system(tmp_path) == "unknown"


def test_disk_is_held_against_the_need(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    assert list_kinds(list(preflight.check_disk(tmp_path, None))) == ["note"]
    assert list_kinds(list(preflight.check_disk(tmp_path, free // 2))) == ["ok"]
    (line,) = preflight.check_disk(tmp_path, 2**60)
    assert line.kind == "WRONG"
    assert line.text.startswith("disk: the study needs 1073741824.0 GiB more, and ")
