"""Which Snakemake a folder belongs to: whether it lives is never taken on trust."""

import json
import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cluster_fixtures import RUN, write_controller

from retu.cluster import controller
from retu.cluster.controller import JobController, Liveness, read_controllers, read_process_start


@pytest.fixture(autouse=True)
def own_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the state in the folder that a test gives."""
    monkeypatch.delenv("RETU_STATE", raising=False)


def get_only_controller(root: Path) -> JobController:
    """The one controller of a folder."""
    (found,) = read_controllers(root).values()
    return found


def test_this_process_is_alive_once_it_is_registered(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    log.write_text("Building DAG of jobs...\n")
    controller.register_controller(tmp_path, [log])
    found = get_only_controller(tmp_path)
    assert (found.host, found.pid, found.liveness) == (platform.node(), os.getpid(), Liveness.ALIVE)
    assert found.run_id is None
    log.write_text(f"Building DAG of jobs...\nSLURM run ID: {RUN}\nUsing shell: bash\n")
    assert found.run_id == RUN
    controller.unregister_controller(tmp_path)
    assert read_controllers(tmp_path) == {}
    controller.unregister_controller(tmp_path)


def test_the_state_folder_can_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETU_STATE", str(tmp_path / "fast"))
    controller.register_controller(tmp_path / "work", [])
    assert list((tmp_path / "fast" / "controllers").glob("*.json"))
    assert get_only_controller(tmp_path / "work").liveness is Liveness.ALIVE


def test_a_killed_process_is_dead_before_and_after_it_is_waited_for(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    write_controller(tmp_path, pid=process.pid, start=str(read_process_start(process.pid)))
    assert get_only_controller(tmp_path).liveness is Liveness.ALIVE
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert get_only_controller(tmp_path).liveness is Liveness.DEAD
    process.wait()
    assert get_only_controller(tmp_path).liveness is Liveness.DEAD


def test_a_later_process_with_the_same_number_is_another(tmp_path: Path) -> None:
    boot, ticks = str(read_process_start(os.getpid())).split("/")
    path = write_controller(tmp_path, pid=os.getpid(), start=f"{boot}/{int(ticks) - 1}")
    assert get_only_controller(tmp_path).liveness is Liveness.DEAD
    write_controller(tmp_path, pid=os.getpid(), start=f"another boot/{ticks}")
    assert get_only_controller(tmp_path).liveness is Liveness.DEAD
    write_controller(tmp_path, pid=os.getpid(), start=f"{boot}/{ticks}")
    assert read_controllers(tmp_path)[path].liveness is Liveness.ALIVE


def test_nothing_is_known_of_a_process_on_another_host(tmp_path: Path) -> None:
    write_controller(tmp_path, pid=os.getpid(), start="x", host="login2")
    found = get_only_controller(tmp_path)
    assert found.liveness is Liveness.UNKNOWN
    assert found.is_on_other_host
    assert found.name == f"process {os.getpid()} on login2, started 2026-01-02 03:04:05+00:00"


def test_a_program_with_a_blank_and_a_bracket_in_its_name_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "sys/kernel/random").mkdir(parents=True)
    (tmp_path / "sys/kernel/random/boot_id").write_text("boot\n")
    rest = " ".join(["S", *(str(n) for n in range(4, 22)), "4711", "23"])
    (tmp_path / "7" / "stat").write_text(f"7 (a ) S b) {rest}\n")
    monkeypatch.setattr(controller, "PROC_FOLDER", tmp_path)
    assert read_process_start(7) == "boot/4711"
    assert read_process_start(8) is None


def test_without_its_log_the_run_is_not_known(tmp_path: Path) -> None:
    write_controller(tmp_path, pid=1, start="x")
    found = get_only_controller(tmp_path)
    assert (found.run_id, found.has_lost_logs) == (RUN, False)
    Path(found.logs[0]).unlink()
    assert (found.run_id, found.has_lost_logs) == (None, True)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"host": "x"}', '{"logs": [], "more": 1}'])
def test_a_damaged_file_vouches_for_nothing(text: str, tmp_path: Path) -> None:
    path = write_controller(tmp_path, pid=1, start="x")
    path.write_text(text)
    assert read_controllers(tmp_path) == {}


def test_they_come_in_the_order_they_started(tmp_path: Path) -> None:
    first = write_controller(tmp_path, pid=2, start="x")
    last = write_controller(tmp_path, pid=1, start="x")
    found = replace(read_controllers(tmp_path)[last], since="2026-01-02 03:04:06+00:00")
    last.write_text(json.dumps({**found.__dict__}))
    assert list(read_controllers(tmp_path)) == [first, last]
