"""Whatever command is advised can be typed as it stands."""

import contextlib
import io
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import clean_environment, copy_checkout
from lineage_fixtures import RESULTS, TABLE, Ask, MadeStudy, make_study, take_for_project
from pointer_fixtures import PointerProject, make_project
from test_lineage_verify import TAMPERS

from retu.cli import command_line
from retu.core.errors import InputError
from retu.lineage.queries.verify import format_verify_report
from retu.lineage.storage import restore

# One of each kind of finding; what is advised differs by kind alone.
CHOSEN = (
    *("one byte of a checkpoint", "a table gone", "one value of a record", "half a record"),
    *("no record", "an output of no job", "another input than its maker tells of"),
    *("seeds that the specification lacks", "a record of a newer version"),
)
COMMAND = re.compile(r"\b(?:snakemake|retu lineage|dvc (?:checkout|commit))\b[^();`\n]*")
QUESTIONS = (
    *(["why", TABLE], ["why", f"{TABLE}#1/a_post"], ["why", "--stale"], ["list"], ["show", TABLE]),
    *(["verify"], ["verify", TABLE], ["record"], ["export", TABLE], ["diff", TABLE, "smoke"]),
    *(["why", f"{RESULTS}/none.csv"], ["verify", f"{RESULTS}/none.csv"], ["list", "--study", "x"]),
)


@pytest.fixture(scope="module")
def advised_commands(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Every command that is advised for any tampering, with and without DVC's pointers."""
    found: dict[str, None] = {}
    with pytest.MonkeyPatch.context() as patch:
        for number, name in enumerate(CHOSEN):
            tamper = TAMPERS[name][0]
            made = make_study(tmp_path_factory.mktemp(f"made{number}"))
            tamper(made)
            found |= dict.fromkeys(extract_commands("\n".join(format_verify_report(made.verify()))))
            project = make_project(tmp_path_factory.mktemp(f"project{number}") / "a project")
            take_for_project(patch, project.root, "smoke")
            project.write_pointers()
            tamper(project.study)
            # Another project is asked what this one advises.
            said = "\n".join(list_printed_texts()).replace(f"{project.root}/", "")
            found |= dict.fromkeys(extract_commands(said))
    return list(found)


def list_printed_texts() -> Iterator[str]:
    """What `retu lineage` prints when it is asked everything, errors included."""
    for words in QUESTIONS:
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            command_line.main(["lineage", *words])
        yield said.getvalue()


def extract_commands(text: str) -> list[str]:
    """The commands that a text advises."""
    return [found.strip() for found in COMMAND.findall(text)]


def test_commands_are_found_in_a_text() -> None:
    text = "x: it (retu lineage restore 'a b') or again (snakemake --force a --config study=s); y"
    assert extract_commands(text) == [
        *("retu lineage restore 'a b'", "snakemake --force a --config study=s"),
    ]


def test_every_target_is_one_of_a_rule(advised_commands: list[str], tmp_path: Path) -> None:
    """All of them at once: Snakemake plans for seconds."""
    asked = [shlex.split(text) for text in advised_commands if text.startswith("snakemake")]
    assert len(asked) > 5
    targets: dict[str, None] = {}
    for words in asked:
        at = words.index("--config")
        assert words[at + 1 :] == ["study=smoke"] or words[at + 1 :] == ["study=x"]
        if words[at + 1] == "study=smoke":
            assert words[1] == "--force" or at == 1
            targets |= dict.fromkeys(words[2:at])
    assert f"{RESULTS}/fits/robust.csv" in targets
    checkout = copy_checkout(tmp_path / "checkout")
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--force", *targets]
    done = subprocess.run(
        [*command, "--config", "study=smoke"],
        cwd=checkout,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_every_question_can_be_asked(
    advised_commands: list[str],
    project: PointerProject,
    monkeypatch: pytest.MonkeyPatch,
    ask: Ask,
) -> None:
    project.write_pointers()
    project.commit_all()
    # There is no Snakefile here to adopt anything.
    monkeypatch.setattr(restore, "adopt_outputs", lambda *_: None)
    asked = [shlex.split(text) for text in advised_commands if text.startswith("retu")]
    assert {"verify", "restore", "record", "list"} <= {words[2] for words in asked}
    for words in asked:
        if "x" not in words:
            ask(*words[2:], status={0, 1})


def test_data_are_put_back_without_a_question(project: PointerProject) -> None:
    project.study.describe_data()
    project.write_pointers()
    path = project.root / "data/smoke/pool.parquet"
    before = path.read_text()
    path.write_text("edited")
    problems = [f for f in project.study.verify().findings if f.path == "data/smoke"]
    (checkout, commit) = extract_commands(problems[0].remedy)
    project.run_command(sys.executable, "-m", *shlex.split(checkout))
    assert path.read_text() == before
    path.write_text("edited")
    project.run_command(sys.executable, "-m", *shlex.split(commit))
    assert [f for f in project.study.verify().findings if f.path == "data/smoke"] == []


def test_a_stray_file_gets_no_target(made_study: MadeStudy) -> None:
    (made_study.root / RESULTS / "mine.csv").write_text("1")
    (finding,) = made_study.verify().findings
    assert extract_commands(finding.remedy) == ["snakemake --config study=smoke"]
    with pytest.raises(InputError, match="no such output"):
        made_study.verify(f"{RESULTS}/nothing.csv")
