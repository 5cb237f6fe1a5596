"""Orphans: told from the jobs of a living Snakemake, and never submitted a second time."""

import os
import platform
from pathlib import Path

import pytest
from cluster_fixtures import (
    RUN,
    Cluster,
    make_cluster,
    make_queue_line,
    remove_slurm,
    write_controller,
)

from retu.cluster.controller import Liveness, get_own_file, read_controllers, read_process_start
from retu.cluster.orphans import (
    JobCare,
    forget_controllers,
    give_up_control,
    refuse_orphans,
    survey_jobs,
    take_control,
)
from retu.core.errors import InputError

GONE = "boot of long ago/1"


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.delenv("RETU_STATE", raising=False)
    return make_cluster(tmp_path / "bin", monkeypatch)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A work folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def write_living_controller(root: Path, **changes: str | None) -> Path:
    """A controller that lives (the process that runs the tests has a parent)."""
    parent = os.getppid()
    return write_controller(root, pid=parent, start=str(read_process_start(parent)), **changes)


def list_cares(root: Path) -> list[JobCare]:
    """Who looks after the jobs of a folder."""
    return [claim.care for claim in survey_jobs(root)]


def test_jobs_belong_to_the_controller_whose_run_they_are_named_after(
    cluster: Cluster, root: Path
) -> None:
    cluster.set_queue(make_queue_line("11", root), make_queue_line("12", root, run="another run"))
    assert list_cares(root) == [JobCare.ORPHAN, JobCare.ORPHAN]
    path = write_living_controller(root)
    assert list_cares(root) == [JobCare.CONTROLLED, JobCare.ORPHAN]
    assert survey_jobs(root)[0].controller == read_controllers(root)[path]
    path.unlink()
    write_controller(root, pid=os.getppid(), start=GONE)
    assert list_cares(root) == [JobCare.ORPHAN, JobCare.ORPHAN]


def test_a_controller_on_another_host_may_be_alive(cluster: Cluster, root: Path) -> None:
    cluster.set_queue(make_queue_line("11", root))
    write_controller(root, pid=7, start="x", host="login2")
    assert list_cares(root) == [JobCare.UNKNOWN]
    with pytest.raises(InputError, match=r"submitted by process 7 on login2, .*: is it alive\?"):
        refuse_orphans(root)


def test_a_living_controller_without_a_log_may_own_any_job(cluster: Cluster, root: Path) -> None:
    cluster.set_queue(make_queue_line("11", root))
    path = write_living_controller(root)
    Path(read_controllers(root)[path].logs[0]).unlink()
    assert list_cares(root) == [JobCare.UNKNOWN]


def test_a_living_controller_that_has_not_named_its_run_owns_nothing_yet(
    cluster: Cluster, root: Path
) -> None:
    cluster.set_queue(make_queue_line("11", root))
    write_living_controller(root, run=None)
    assert list_cares(root) == [JobCare.ORPHAN]


def test_orphans_are_refused_by_name_with_what_to_do(cluster: Cluster, root: Path) -> None:
    cluster.set_queue(*(make_queue_line(str(number), root) for number in range(101, 111)))
    with pytest.raises(InputError) as raised:
        refuse_orphans(root)
    told = str(raised.value)
    assert told.startswith(f"10 jobs of an earlier run in {root} still in SLURM's queue (101, 102,")
    assert "107, 108 and 2 more) would be submitted a second time. " in told
    assert all(f"`retu cluster {name}`" in told for name in ("wait", "cancel", "status"))
    assert "\n" not in told


def test_an_empty_queue_is_not_refused(cluster: Cluster, root: Path) -> None:
    cluster.set_queue(make_queue_line("11", root.parent / "another folder"))
    refuse_orphans(root)
    assert len(cluster.list_calls("squeue")) == 1


def test_without_slurm_or_an_answer_nothing_is_submitted(
    cluster: Cluster, root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cluster.make_fail("squeue", "slurm_load_jobs error: Socket timed out\n")
    with pytest.raises(InputError, match="Socket timed out"):
        take_control(root, [], slurm=True)
    remove_slurm(tmp_path / "bare", monkeypatch)
    with pytest.raises(InputError, match=r"^no SLURM: "):
        take_control(root, [], slurm=True)
    assert not read_controllers(root)


def test_control_is_taken_and_given_up(
    cluster: Cluster, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = root / "run.log"
    log.write_text(f"SLURM run ID: {RUN}\n")
    take_control(root, [log], slurm=True)
    cluster.set_queue(make_queue_line("11", root))
    assert read_controllers(root)[get_own_file(root)].liveness is Liveness.ALIVE
    assert list_cares(root) == [JobCare.CONTROLLED]
    assert capsys.readouterr().err == ""
    give_up_control(root)
    assert list_cares(root) == [JobCare.ORPHAN]


def test_orphans_keep_control_from_being_taken(cluster: Cluster, root: Path) -> None:
    cluster.set_queue(make_queue_line("11", root))
    dead = write_controller(root, pid=7, start=GONE)
    with pytest.raises(InputError, match="would be submitted a second time"):
        take_control(root, [], slurm=True)
    assert list(read_controllers(root)) == [dead]


def test_a_dead_controller_without_jobs_is_forgotten(
    cluster: Cluster, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_controller(root, pid=7, start=GONE)
    take_control(root, [], slurm=True)
    assert list(read_controllers(root)) == [get_own_file(root)]
    assert capsys.readouterr().err == ""


def test_a_second_living_controller_is_warned_of(
    cluster: Cluster, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = (
        write_living_controller(root),
        write_controller(root, pid=7, start="x", host="login2"),
    )
    take_control(root, [], slurm=True)
    assert set(read_controllers(root)) == {here, there, get_own_file(root)}
    warnings = sorted(capsys.readouterr().err.splitlines())
    assert len(warnings) == 2
    assert warnings[0].startswith("warning: another Snakemake may work in this folder: process 7")
    assert warnings[0].endswith("if it has ended, snakemake --unlock forgets it")
    assert f"process {os.getppid()} on {platform.node()}" in warnings[1]
    assert warnings[1].startswith("warning: another Snakemake works in this folder")
    forget_controllers(root)
    assert set(read_controllers(root)) == {here, get_own_file(root)}


def test_a_local_run_asks_slurm_only_where_jobs_were_submitted(
    cluster: Cluster, root: Path
) -> None:
    cluster.set_queue(make_queue_line("11", root))
    take_control(root, [], slurm=False)
    assert cluster.list_calls("squeue") == []
    write_controller(root, pid=7, start=GONE)
    with pytest.raises(InputError, match="would be submitted a second time"):
        take_control(root, [], slurm=False)


def test_a_local_run_where_there_is_no_slurm_any_more_goes_on(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove_slurm(tmp_path / "bare", monkeypatch)
    write_controller(root, pid=7, start=GONE)
    take_control(root, [], slurm=False)
    assert read_controllers(root) == {}
