"""Mistyped targets, settings, profiles and commands: one line with what was meant."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from processes import run_as_on_terminal, run_command

from retu.cli import command_line
from retu.config.load import load_config
from retu.core.errors import InputError
from retu.planning.stages import ROOT
from retu.workflow.snakemake_command import check_words
from retu.workflow.targets import CHAPTERS, check_targets

PROJECT = Path(command_line.__file__).parents[2]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "--config study=smoke table_4",
            "--config takes KEY=VALUE, and table_4 sets nothing; targets come before it:"
            " snakemake table_4 --config study=smoke",
        ),
        (
            "-n -C study=smoke table_4 figure_3 --cores 1",
            "snakemake table_4 figure_3 -n -C study=smoke --cores 1",
        ),
        ("--profile slrm", "--profile slrm: there is no such folder; did you mean slurm?"),
        ("--profile=slrm -n", "did you mean slurm?"),
    ],
)
def test_a_command_line_that_snakemake_cannot_read(words: str, message: str) -> None:
    with pytest.raises(InputError) as raised:
        check_words(words.split(), PROJECT)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    "words",
    [
        "table_4 --config study=smoke mirror=x -n",
        "--config study=smoke --cores 2 -- table_4",
        "--profile slurm",
        "--profile slurm/config.yaml --config study=paper",
        "--profile none",
        "",
    ],
)
def test_a_sound_command_line_passes(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)
    check_words(words.split(), PROJECT)


def test_a_sub_folder_names_the_project(tmp_path: Path) -> None:
    (tmp_path / "retu" / "deep").mkdir(parents=True)
    (tmp_path / "Snakefile").touch()
    message = rf"deep has no Snakefile; it is in {tmp_path}: cd {tmp_path} && snakemake -n x"
    with pytest.raises(InputError, match=message):
        check_words(["-n", "x"], tmp_path / "retu" / "deep")
    check_words(["-n", "-s", "../../Snakefile"], tmp_path / "retu" / "deep")
    check_words(["--snakefile=a"], tmp_path / "retu")
    check_words(["-n"], tmp_path)
    # Another project's folder is none of ours.
    check_words(["-n"], tmp_path.parent)


def make_rule_stub(name: str, *outputs: str) -> Any:
    """A rule as far as targets go."""
    return SimpleNamespace(
        name=name, output=list(outputs), is_producer=lambda target: target in outputs
    )


RULES = [
    make_rule_stub("table_4"),
    make_rule_stub("report"),
    make_rule_stub("make_table_4", "results/smoke/tables/table_4.csv"),
    make_rule_stub("train_sft", "results/smoke/sft/{model}/manifest.json"),
]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("table_44", "study smoke has no rule that makes table_44; did you mean table_4?"),
        (
            "nothing_like",
            "study smoke has no rule that makes nothing_like; targets: report, table_4",
        ),
        ("claims", "study released has: snakemake claims --config study=released"),
        ("fetch_base", "study paper has: snakemake fetch_base --config study=paper"),
        ("subphases", "study lab has: snakemake subphases --config study=lab"),
        (
            "results/lab/curves.csv",
            "results/lab/curves.csv belongs to study lab, and this is study smoke:"
            " snakemake results/lab/curves.csv --config study=lab",
        ),
        ("results/smoke/tables/table_5.csv", "did you mean results/smoke/tables/table_4.csv?"),
        ("study=lab", "settings follow --config: --config study=lab"),
    ],
)
def test_a_target_that_nothing_makes(target: str, message: str) -> None:
    with pytest.raises(InputError) as raised:
        check_targets([target], SimpleNamespace(rules=RULES), "smoke", PROJECT)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_targets_that_there_are_pass() -> None:
    targets = ["table_4", "make_table_4", "results/smoke/tables/table_4.csv"]
    check_targets(targets, SimpleNamespace(rules=RULES), "smoke", PROJECT)


def test_the_chapters_of_studies_are_there() -> None:
    known = {path.stem for path in (PROJECT / "rules").glob("*.smk")}
    assert {name for chapters in CHAPTERS.values() for name in chapters} <= known


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("plan paper", "a study is named by --study: retu plan --study paper"),
        ("paln", "there is no paln; did you mean plan?"),
        ("cluster chekc", "there is no chekc; did you mean check?"),
        ("plan --studdy x", "--studdy, x has no place in retu plan"),
        (
            "",
            "name a command: report, update, plan, lineage, claim, fit, grade, "
            "new-study, check, advise, cluster, completion",
        ),
    ],
)
def test_retu_tells_a_mistake_in_a_line(
    words: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        command_line.main(words.split())
    assert raised.value.code == command_line.EXIT_BAD_INPUT
    said = capsys.readouterr().err
    assert said.startswith("error: retu")
    assert message in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("word", ["null", "~", "None", ""])
@pytest.mark.parametrize("key", ["branching", "grader", "mirror", "container"])
def test_null_on_the_command_line_is_that_of_the_file(key: str, word: str) -> None:
    assert getattr(load_config({"study": "smoke", key: word}), key) is None


def test_null_is_no_name_of_a_study() -> None:
    with pytest.raises(InputError, match="environments: input should be"):
        load_config({"study": "smoke", "environments": "null"})
    assert load_config({"study": "null"}).study == "null"


def run_make(*words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """What `make -n` says, as if no other make had started the tests."""
    outer = [word for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS") for word in ("-u", name)]
    return run_command(
        [
            "env",
            *outer,
            *(f"{key}={value}" for key, value in settings.items()),
            "make",
            "-n",
            *words,
        ],
        cwd=PROJECT,
    )


@pytest.mark.parametrize("given", ["study=smoke", "cores=2", "Study=smoke", "STUDYY=smoke"])
def test_make_refuses_variables_that_it_does_not_know(given: str) -> None:
    done = run_make("reproduce", given)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert f"*** {given}: make knows no such variable; there are PYTHON VENV" in line
    assert "as in: make reproduce STUDY=smoke." in line


def test_make_takes_those_that_there_are() -> None:
    done = run_make("smoke", "CORES=1", "SNAKEMAKE_ARGS=--config x=y -n", study="mine")
    assert done.returncode == 0, done.stderr
    assert "--cores 1 --config x=y -n --config study=smoke" in done.stdout


def test_what_is_said_last_follows_snakemakes_own_end(tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(
        "import sys\nfrom retu.workflow.snakemake_hooks import say_last\n"
        "rule all:\n    shell: 'exit 1'\n"
        "onerror:\n    say_last(lambda: print('error: why', file=sys.stderr))\n"
    )
    done = run_as_on_terminal(
        [sys.executable, "-m", "snakemake", "--cores", "1"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert "At least one job did not complete" in done.stdout
    assert done.stdout.splitlines()[-1] == "error: why"
    assert done.returncode == 1
