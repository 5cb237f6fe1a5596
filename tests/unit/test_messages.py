"""No message tells anybody to delete a file: it is made again, or another one is named."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from retu.core.errors import advise_making_again
from retu.planning.code_identity import is_prose

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted([*ROOT.glob("retu/**/*.py"), *ROOT.glob("workflow_scripts/*.py")])
DELETING = re.compile(
    r"\b(?:delet\w*|remov\w*|eras\w*|unlink\w*|wip(?:e|ing)\w*|rm(?=\s+[-\w/])|rmdir)\b", re.I
)
HARMLESS = {
    # A key, a line, a row or a column of a user's file, or a word of one: to be corrected there.
    *("remove it or correct its spelling", "); correct or remove the line", " or remove the row"),
    *(": no `time value step`; correct or remove it", " is not RUN - METRIC; remove it"),
    *(" is not supported; remove it", " twice; remove one"),
    "; evaluation and training data must not overlap, remove it from one of them",
    "an RL step is missing or appears twice; remove the repeated evaluation",
    "a benchmark appears twice at one RL step; remove the repeated evaluation",
    ": the expert trajectory has an end-of-sequence token before its end; remove it",
    ": the expert trajectory is empty; remove the row or write one",
    # What another tool did, or a setting of a library.
    *(": resuming erases the part before in this file", "deleted", "remove_invalid_values"),
}


def list_messages(tree: ast.Module) -> list[str]:
    """The strings of a module that are no docstrings, those inside f-strings included."""
    prose = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and is_prose(node)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose
    ]


def list_deleting(text: str) -> list[str]:
    """The messages of a module that speak of deleting and are not known to be harmless."""
    found = list_messages(ast.parse(text))
    return [told for told in found if DELETING.search(told) and told not in HARMLESS]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_message_tells_to_delete_a_file(path: Path) -> None:
    assert list_deleting(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        'raise InputError(f"{path}: is empty; delete it and run again")',
        'print("remove the folder", folder)',
        'told = f"run rm -r {folder}"',
    ],
)
def test_one_that_does_is_found(text: str) -> None:
    assert list_deleting(text) != []


def test_every_exception_is_needed() -> None:
    told = {one for path in FILES for one in list_messages(ast.parse(path.read_text("utf-8")))}
    assert told >= HARMLESS


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("results/smoke/curves.csv", "results/smoke/curves.csv"),
        ("results/smoke/base/M/checkpoints/step-000080", "results/smoke/base/M/checkpoints"),
        ("results/smoke/sft/M/D/seed0/checkpoints", "results/smoke/sft/M/D/seed0/checkpoints"),
    ],
)
def test_the_command_makes_the_output_that_a_file_belongs_to(path: str, target: str) -> None:
    said = advise_making_again(Path(path))
    assert said == f"make it again (snakemake --force {target} --config study=smoke)"


def test_a_file_of_no_rule_is_the_users_own() -> None:
    for path in ("curves.csv", "/elsewhere/curves.csv", "results/curves.csv"):
        assert advise_making_again(Path(path)) == "make it again, or name another"


def test_force_makes_an_output_again_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(
        'rule all:\n    input: "results/s/b"\n'
        'rule one:\n    output: "results/s/a"\n    shell: "echo good > {output}"\n'
        'rule two:\n    input: "results/s/a"\n    output: "results/s/b"\n'
        '    shell: "cp {input} {output}"\n'
    )
    (tmp_path / "results/s").mkdir(parents=True)
    (tmp_path / "results/s/a").write_text("bad\n")
    words = advise_making_again(Path("results/s/a")).split("(snakemake ")[1].rstrip(")").split()
    for more in (words, []):
        command = [sys.executable, "-m", "snakemake", "--cores", "1", *more]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    assert (tmp_path / "results/s/b").read_text() == "good\n"
