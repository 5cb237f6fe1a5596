"""Every command that a text of this project advises can be typed: its own parser takes it.

`test_lineage_remedies` runs those that are put together of records; here is each text of the
source, so that a new one that cannot be typed fails.
"""

import ast
import re
from pathlib import Path

import pytest
from commands_fixtures import Advice, advice_in, find_advice
from dvc.cli import DvcParserError
from dvc.cli.parser import get_main_parser
from snakemake.cli import get_argument_parser

from retu.cli import command_line, lineage_command
from retu.config.study import Config
from retu.core.errors import advise_making
from retu.planning.stages import ROOT
from retu.workflow.targets import RULE_HEADER

ABOUT_A_STUDY = ("verify", "record", "list", "why", "export")
MAKEFILE = (Path(__file__).resolve().parents[2] / "Makefile").read_text(encoding="utf-8")
GIT = {
    "worktree": r"worktree add --detach \S+ \S+",
    "log": r"log --oneline -- \S+",
    "checkout": r"checkout \S+ -- \S+",
}


def rules() -> set[str]:
    """The names of all rules."""
    files = [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]
    return {name for file in files for name in RULE_HEADER.findall(file.read_text())}


def type_in(words: list[str]) -> None:
    """Hand a command to the parser of its program; SystemExit or AssertionError when it fails."""
    program, *rest = words
    if rest[-1] == "--help" and program == "retu":
        assert rest[0] == "lineage", words
        assert rest[1] in lineage_command.LINEAGE_COMMANDS, words
        return
    if program == "retu":
        options = command_line.build_parser(rest[0]).parse_args(rest)
        action = getattr(options, "action", None)
        if action in ABOUT_A_STUDY:
            assert options.output if getattr(options, "output", None) else options.study, words
    elif program == "snakemake":
        options = get_argument_parser().parse_args(rest)
        assert {word for word in options.targets if "/" not in word} <= rules() | {
            "name",
            "{target}",
        }
        settings = {word.partition("=")[0] for word in options.config or ()}
        assert settings <= set(Config.model_fields), words
        for profile in options.profile or ():
            assert (ROOT / profile / "config.yaml").is_file()
    elif program == "dvc":
        get_main_parser().parse_args(rest)
    elif program == "git":
        assert re.fullmatch(GIT[rest[0]], " ".join(rest)), words
    elif program == "make":
        assert re.search(rf"^{rest[0]}:", MAKEFILE, re.MULTILINE), words
    elif program == "cd":
        assert words[2] == "&&", words
    else:
        assert program == "jq", f"nothing tells whether {words} can be typed"


ADVICE = find_advice()


@pytest.mark.parametrize("advice", ADVICE, ids=lambda advice: f"{advice.where}: {advice.text}")
def test_it_can_be_typed_as_it_stands(advice: Advice) -> None:
    assert "a name" not in advice.text.replace("'a name'", ""), "a name with a blank is two words"
    type_in(advice.words)


def test_all_kinds_are_found() -> None:
    found = {" ".join(advice.words[:3]) for advice in ADVICE}
    assert {"retu lineage restore", "snakemake --unlock --config", "dvc commit --force"} <= found
    packages = {advice.where.split("/")[1] for advice in ADVICE}
    assert packages >= {"lineage", "runtime", "cluster", "cli"}
    assert len(ADVICE) > 40


@pytest.mark.parametrize(
    "text",
    [
        'f"gone; put it back (retu lineage restore {path})"',
        '"gone; ask (retu lineage verfy --study smoke)"',
        '"gone; do it again (retu lineage record)"',
        '"wrong; run snakemake tabel_4"',
        '"wrong; run snakemake table_4 --config stduy=smoke"',
        '"gone (dvc checkout --froce data.dvc)"',
        '"gone (git worktree add)"',
        '["retu", "lineage", "restore"]',
    ],
)
def test_one_that_cannot_is_found(text: str) -> None:
    (advice,) = advice_in(ast.parse(f"told = {text}"), command_line.__name__, "here")
    with pytest.raises((SystemExit, AssertionError, DvcParserError)):
        test_it_can_be_typed_as_it_stands(advice)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("results/smoke/a b.csv", " (snakemake 'results/smoke/a b.csv' --config study=smoke)"),
        ("data/lab/pool.parquet", " (snakemake data/lab/pool.parquet --config study=lab)"),
        ("/elsewhere/a.csv", ", or correct the path"),
    ],
)
def test_a_missing_output_is_made_in_its_own_study(path: str, said: str) -> None:
    assert advise_making(Path(path)) == f"run the rule that makes it{said}"
