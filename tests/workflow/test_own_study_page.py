"""Every command of docs/your-own-study.md, in its order, with a tiny model."""

import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
from conftest import ROOT, clean_environment, copy_checkout
from files_fixtures import draw_sums, write_completions
from processes import run_as_on_terminal

pytestmark = pytest.mark.slow

PAGE = ROOT / "docs" / "your-own-study.md"
PROGRAMS = {"retu": "retu", "snakemake": "snakemake"}


def list_commands() -> list[list[str]]:
    """The commands of the page's blocks."""
    blocks = re.findall(r"```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.strip().splitlines()]


def test_every_command_of_the_page(made_tiny_model: Path, tmp_path: Path) -> None:
    folder = copy_checkout(tmp_path / "checkout")
    shutil.copytree(made_tiny_model, folder / "models" / "mine")
    write_completions(draw_sums(), folder)
    commands = list_commands()
    assert len(commands) == 6
    for words in commands:
        command = [sys.executable, "-m", PROGRAMS[words[0]], *words[1:]]
        done = run_as_on_terminal(
            command, cwd=folder, env=clean_environment(PYTHONPATH=str(folder))
        )
        assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}"
    summary = (folder / "results/mine/summary.txt").read_text(encoding="utf-8")
    assert "Stop SFT" in summary
    assert "Next run" in summary
