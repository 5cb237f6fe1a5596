"""What a run says on the terminal: the study, its jobs, how far they are, and what failed.

The environment's own `snakemake` (`retu.workflow.snakemake_command`) asks for it. Snakemake's log
file keeps everything; `RETU_MESSAGES=all`, `--verbose` or `python -m snakemake` shows it all. One
line at a time, so that a log or a pipe reads like a terminal.
"""

import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from snakemake.common import NOTHING_TO_BE_DONE_MSG
from snakemake.logging import ColorizingTextHandler, DefaultFormatter, format_percentage, get_event
from snakemake_interface_logger_plugins.common import LogEvent

from retu.core.text import format_quantity
from retu.core.yaml_files import read_yaml

MESSAGES_VARIABLE = "RETU_MESSAGES"
SHORT = "short"
STREAM_HANDLER = "DefaultStreamHandler"
"""Snakemake's name for the one that writes to the terminal."""
QUIET_MESSAGES = Path(__file__).with_name("quiet_messages.yaml")
QUIET_EVENTS = (
    *(LogEvent.WORKFLOW_STARTED, LogEvent.RESOURCES_INFO),
    *(LogEvent.JOB_STARTED, LogEvent.JOB_FINISHED),
)
STOPPED_BY_USER = "Terminating processes on user request"
"""How Snakemake begins to tell that it was interrupted."""
DEFAULT_TARGET = "all"
"""A rule that makes nothing."""
TRAINING_RULES = {
    "pretrain_base": "pre-training",
    "train_reference": "reference model",
    "train_sft": "SFT run",
    "train_rl": "RL run",
}
"""Jobs that the first line names; the rest is counted."""


class ShortFilter(logging.Filter):
    """Leaves out what no reader of a run acts on."""

    def __init__(self) -> None:
        super().__init__()
        patterns = [one for group in read_yaml(QUIET_MESSAGES).values() for one in group]
        self.quiet = re.compile("|".join(f"(?:{pattern})" for pattern in patterns))

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a message is shown."""
        event = get_event(record)
        said = str(record.msg).lstrip() if event in (None, LogEvent.ERROR) else ""
        return event not in QUIET_EVENTS and not self.quiet.match(said)


class ShortFormatter(DefaultFormatter):  # type: ignore[misc]
    """One line for the run, and one whenever a job starts, ends or fails.

    Attributes:
        study: its name, once it is known.
        is_stopped: whether the user has interrupted the run: its jobs end, and none has failed.
        show_results: called where nothing was to be done; Snakemake calls no `onsuccess` then.
    """

    def __init__(self, plans_only: bool, **settings: Any) -> None:
        super().__init__(**settings)
        self.plans_only = plans_only
        self.study = ""
        self.is_stopped = False
        self.show_results: Callable[[], None] | None = None
        self.started = time.monotonic()
        self.titles: dict[int, str] = {}

    def format(self, record: logging.LogRecord) -> str:
        """A message as it is shown."""
        text = str(super().format(record))
        if get_event(record) is None and text.startswith(NOTHING_TO_BE_DONE_MSG):
            if self.show_results and not self.plans_only:
                self.show_results()
            return f"study {self.study}: {text}"
        if get_event(record) is None and text.startswith(STOPPED_BY_USER):
            self.is_stopped = True
            return "Stopping: running jobs save what they have."
        return text

    def format_run_info(self, msg: dict[str, Any]) -> str:
        """The study and what will run; the table of rules where it only plans."""
        if self.plans_only:
            return str(msg["msg"])
        return f"study {self.study}: {describe_jobs(msg['stats'])}"

    def format_job_info(self, msg: dict[str, Any]) -> str:
        """The job that starts; why, where it only plans."""
        if msg["rule_name"] == DEFAULT_TARGET:
            return ""
        self.titles[msg["jobid"]] = told = msg["rule_msg"] or msg["rule_name"]
        title = f"Job {msg['jobid']}: {told}"
        return f"{title}\nReason: {msg['reason']}" if self.plans_only else title

    def format_progress(self, msg: dict[str, Any]) -> str:
        """How far the run is."""
        done, total = msg["done"], msg["total"]
        passed = timedelta(seconds=round(time.monotonic() - self.started))
        return f"{done} of {total} jobs done ({format_percentage(done, total)}), after {passed}"

    def format_job_error(self, msg: dict[str, Any]) -> str:
        """The job that failed and its log; the cause comes at the end."""
        if self.is_stopped:
            return ""
        places = [*msg["log"], *(str(value) for value in (msg["aux"] or {}).values())]
        title = self.titles.get(msg["jobid"], msg["rule_name"])
        told = f"Job {msg['jobid']} failed: {title}"
        return f"{told} (log: {', '.join(places)})" if places else told


class ShortHandler(ColorizingTextHandler):  # type: ignore[misc]
    """Snakemake's handler without its empty line before every job."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a message."""
        self.last_msg_was_job_info = True
        super().emit(record)


def describe_jobs(stats: Mapping[str, int]) -> str:
    """How many jobs will run, those that train by name.

    Args:
        stats: jobs by rule, with their `total`.
    """
    named = [
        format_quantity(stats[rule], title)
        for rule, title in TRAINING_RULES.items()
        if rule in stats
    ]
    total = format_quantity(stats["total"])
    return f"{total} ({', '.join(named)} among them)" if named else total


def shorten_messages(workflow: Any) -> ShortFormatter | None:
    """Let a run say less on the terminal, if its `snakemake` has asked for it.

    Args:
        workflow: Snakemake's, of the main process.

    Returns:
        What formats the messages from now on; None where they stay as they are.
    """
    if os.environ.get(MESSAGES_VARIABLE) != SHORT or not workflow.is_main_process:
        return None
    settings, logger = workflow.output_settings, workflow.logger_manager.logger
    shown = ShortFormatter(
        plans_only=settings.dryrun,
        quiet=settings.quiet,
        show_failed_logs=settings.show_failed_logs,
    )
    for old in [one for one in logger.handlers if one.name == STREAM_HANDLER]:
        handler = ShortHandler(nocolor=settings.nocolor, stream=old.stream, formatter=shown)
        for each in (*old.filters, ShortFilter()):
            handler.addFilter(each)
        handler.name = STREAM_HANDLER
        logger.removeHandler(old)
        logger.addHandler(handler)
    return shown
