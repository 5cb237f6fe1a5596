"""What a run says on the terminal: little, a line at a time, and the cause of a failure last."""

import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from processes import run_command
from snakemake.common import NOTHING_TO_BE_DONE_MSG
from snakemake_interface_logger_plugins.common import LogEvent

from retu.core.yaml_files import read_yaml
from retu.planning.stages import ROOT
from retu.workflow import snakemake_command
from retu.workflow.terminal_messages import (
    MESSAGES_VARIABLE,
    QUIET_MESSAGES,
    SHORT,
    ShortFilter,
    ShortFormatter,
    describe_jobs,
)

SNAKEFILE = """
from retu.workflow.terminal_messages import shorten_messages
messages = shorten_messages(workflow)
if messages:
    messages.study = "toy"
    messages.show_results = lambda: print("the summary")

rule all:
    input: "one.txt", "two.txt"

rule train_sft:
    output: "one.txt"
    log: "logs/one.log"
    cache: True
    message: "SFT of a toy"
    shell: "{command}"

rule other:
    input: "one.txt"
    output: "two.txt"
    message: "the other"
    shell: "touch two.txt"

onerror:
    stopped = messages and messages.is_stopped
    print("stopped" if stopped else "error: the cause", file=sys.stderr)
"""


def run_toy(folder: Path, command: str, *words: str, **environment: str) -> str:
    """What a small workflow says, both streams in one text, through a pipe."""
    (folder / "Snakefile").write_text(SNAKEFILE.replace("{command}", command))
    done = run_command(
        [
            *("bash", "-c", '"$@" 2>&1', "-", sys.executable),
            *("-m", snakemake_command.__name__, "--cores", "1", *words),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )
    return done.stdout


def test_a_run_says_what_runs_and_how_far_it_is(tmp_path: Path) -> None:
    (tmp_path / "profiles" / "default").mkdir(parents=True)
    (tmp_path / "profiles" / "default" / "config.yaml").write_text("keep-going: true\n")
    said = run_toy(tmp_path, "touch one.txt")
    lines = [re.sub(r"\d+:\d\d:\d\d", "TIME", line) for line in said.splitlines()]
    assert lines == [
        "study toy: 3 jobs (1 SFT run among them)",
        lines[1],
        "1 of 3 jobs done (33%), after TIME",
        lines[3],
        "2 of 3 jobs done (67%), after TIME",
        "3 of 3 jobs done (100%), after TIME",
    ]
    assert re.fullmatch(r"Job \d+: SFT of a toy", lines[1])
    assert re.fullmatch(r"Job \d+: the other", lines[3])
    assert "\r" not in said
    assert "\x1b" not in said
    (log,) = (tmp_path / ".snakemake" / "log").iterdir()
    assert "Select jobs to execute" in log.read_text()
    again = run_toy(tmp_path, "touch one.txt")
    assert sorted(again.splitlines()) == [f"study toy: {NOTHING_TO_BE_DONE_MSG}", "the summary"]


def test_a_failure_is_told_once_and_its_cause_last(tmp_path: Path) -> None:
    said = run_toy(tmp_path, "exit 3").splitlines()
    assert said[-1] == "error: the cause"
    assert [line for line in said if "failed" in line] == [
        "Job 1 failed: SFT of a toy (log: logs/one.log)"
    ]
    assert len(said) == 4, said


def test_who_interrupts_a_run_is_told_of_no_failure(tmp_path: Path) -> None:
    # The job interrupts Snakemake, which then ends it.
    said = run_toy(tmp_path, "kill -INT $PPID; sleep 2; exit 1").splitlines()
    assert said[-2:] == ["Stopping: running jobs save what they have.", "stopped"]
    assert not [line for line in said if "failed" in line or "Traceback" in line]


def test_a_dry_run_keeps_the_table_and_the_reasons(tmp_path: Path) -> None:
    said = run_toy(tmp_path, "touch one.txt", "-n")
    table = r"^Job stats:\n.*\n-.*\ntrain_sft +1\nother +1\nall +1\n"
    assert re.search(table, said, re.MULTILINE)
    assert "Job 1: SFT of a toy\nReason: Missing output files: one.txt\n" in said
    assert "the summary" not in said


@pytest.mark.parametrize(("words", "variable"), [((), "all"), (("--verbose",), SHORT)])
def test_all_messages_can_be_had(tmp_path: Path, words: tuple[str, ...], variable: str) -> None:
    said = run_toy(tmp_path, "touch one.txt", *words, **{MESSAGES_VARIABLE: variable})
    assert "Building DAG of jobs..." in said
    assert "SNAKEMAKE\n=========" in said


def make_record(message: Any, event: LogEvent | None = None) -> logging.LogRecord:
    """A message as Snakemake logs it."""
    record = logging.LogRecord("snakemake", logging.INFO, "", 0, message, (), None)
    record.event = event
    return record


@pytest.mark.parametrize(
    ("message", "event", "shown"),
    [
        ("Building DAG of jobs...", None, False),
        ("\nElapsed time: 0:00:01", None, False),
        ("WorkflowError:\nAt least one job did not complete successfully.", None, False),
        ("MissingOutputException in rule x", LogEvent.ERROR, True),
        ("Provided cores: 2", LogEvent.RESOURCES_INFO, False),
        ("SLURM run ID: 12", None, True),
        ("WorkflowError:\nFailed to open source file", None, True),
        (NOTHING_TO_BE_DONE_MSG, None, True),
    ],
)
def test_what_nobody_acts_on_is_left_out(message: str, event: LogEvent | None, shown: bool) -> None:
    assert ShortFilter().filter(make_record(message, event)) is shown


def test_every_pattern_is_a_regular_expression_of_its_own() -> None:
    patterns = [one for group in read_yaml(QUIET_MESSAGES).values() for one in group]
    assert len(patterns) == len(set(patterns)) > 10
    assert not any(re.match(pattern, "error: x.csv: is wrong") for pattern in patterns)


def test_nothing_to_do_shows_results_only_where_something_could_be_made() -> None:
    shown: list[int] = []
    for plans_only in (True, False):
        formatter = ShortFormatter(plans_only)
        formatter.study, formatter.show_results = "toy", lambda: shown.append(1)
        text = formatter.format(make_record(NOTHING_TO_BE_DONE_MSG))
        assert text == f"study toy: {NOTHING_TO_BE_DONE_MSG}"
    assert shown == [1]


@pytest.mark.parametrize(
    ("stats", "text"),
    [
        ({"grade": 1, "total": 1}, "1 job"),
        (
            {"train_rl": 4, "train_sft": 1, "grade": 3, "total": 8},
            "8 jobs (1 SFT run, 4 RL runs among them)",
        ),
    ],
)
def test_jobs_that_train_are_named(stats: dict[str, int], text: str) -> None:
    assert describe_jobs(stats) == text


def test_make_reproduce_goes_through_the_same_entry() -> None:
    done = subprocess.run(
        ["make", "-n", "reproduce", "STUDY=smoke", "CORES=1"],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"-m {snakemake_command.__name__} --cores 1" in done.stdout
    assert "--config study=smoke" in done.stdout
