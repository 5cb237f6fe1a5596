"""`retu completion`: scripts that shells read, and what they complete to."""

import shutil
import subprocess
from pathlib import Path

import pytest

from retu.cli import command_line
from retu.cli.command_registry import SUBCOMMANDS
from retu.config.graders import load_graders
from retu.config.load import STUDIES
from retu.config.protocols import load_protocols
from retu.planning.artefact_choice import ARTEFACT_TITLES

STUDY_NAMES = {path.stem for path in STUDIES.glob("*.yaml")}
COMPLETE = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); COMPREPLY=()
$(complete -p retu | sed 's/.*-F \\([^ ]*\\).*/\\1/')
printf '%s\\n' "${COMPREPLY[@]}"
"""


def print_script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What `retu completion` prints."""
    assert command_line.main(["completion", shell]) == 0
    return capsys.readouterr().out


@pytest.fixture
def bash_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The script for bash in a file."""
    path = tmp_path / "retu.bash"
    path.write_text(print_script("bash", capsys))
    return path


def complete_words(script: Path, *words: str) -> set[str]:
    """What bash would complete the last word to."""
    done = subprocess.run(
        ["bash", "-c", COMPLETE, "-", str(script), "retu", *words],
        capture_output=True,
        text=True,
        check=True,
        cwd=script.parent,
    )
    return set(done.stdout.split())


def test_bash_completes_commands_and_real_names(bash_script: Path) -> None:
    expected = {
        ("",): set(SUBCOMMANDS),
        ("li",): {"lineage"},
        ("plan", "--study", ""): STUDY_NAMES,
        ("report", "rel"): {"released"},
        ("lineage", "list", "--study", "smo"): {"smoke", "smollm2"},
        ("update", ""): set(ARTEFACT_TITLES),
        ("fit", "--protocol", ""): set(load_protocols()),
        ("grade", "--grader", ""): set(load_graders()),
        ("grade", "--compare", "paper_s"): {"paper_strict"},
        ("cluster", "che"): {"check"},
    }
    for words, names in expected.items():
        assert complete_words(bash_script, *words) == names, words
    assert "--json" in complete_words(bash_script, "claim", "--")


def test_a_study_that_is_written_later_is_completed(bash_script: Path, tmp_path: Path) -> None:
    studies = tmp_path / "studies of mine"
    studies.mkdir()
    (studies / "brand_new.yaml").touch()
    text = bash_script.read_text()
    assert str(STUDIES) in text
    bash_script.write_text(text.replace(str(STUDIES), f"{studies}".replace(" ", "\\ ")))
    assert complete_words(bash_script, "plan", "--study", "br") == {"brand_new"}


def test_zsh_gets_a_script_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = print_script("zsh", capsys)
    assert script.startswith("#compdef retu\n")
    assert all(f"    {name}:'" in script for name in SUBCOMMANDS)
    zsh = shutil.which("zsh")
    if zsh:
        path = tmp_path / "_retu"
        path.write_text(script)
        assert subprocess.run([zsh, "-n", str(path)], check=False).returncode == 0


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        command_line.main(["completion", "bsh"])
    assert raised.value.code == command_line.EXIT_BAD_INPUT
    assert "did you mean bash?" in capsys.readouterr().err
