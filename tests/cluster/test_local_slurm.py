"""The SLURM that the tests start: it leaves nothing behind, and says why it cannot be."""

import signal
import subprocess
import sys
from pathlib import Path

import local_slurm
import pytest

pytest_plugins = ("slurm_fixtures",)

SCRIPT = [sys.executable, str(Path(local_slurm.__file__))]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_is_taken_down_after_a_signal(site: None, number: signal.Signals) -> None:
    command = [*SCRIPT, "sh", "-c", "echo $RETU_TEST_SLURM; exec sleep 600"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        folder = Path(started.stdout.readline().strip())
        assert len(local_slurm.list_daemons(folder)) == 5
        started.send_signal(number)
        assert started.wait(timeout=120) != 0
    assert local_slurm.list_daemons(folder) == []
    assert not folder.exists()


@pytest.mark.slow
def test_its_command_decides_the_exit_status(site: None) -> None:
    done = subprocess.run([*SCRIPT, "sh", "-c", "exit 7"], check=False)
    assert done.returncode == 7


def test_without_slurm_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("local_slurm.shutil.which", lambda *_, **__: None)
    monkeypatch.setattr("local_slurm.os.geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "argv", ["local_slurm.py", "false"])
    assert local_slurm.main() == 0
    assert capsys.readouterr().out.startswith("skipped: SLURM is not installed (as root: apt-get")
