"""A worker of the grading service: judges what it reads from stdin, answers on stdout.

A line in is a JSON list of [answer, gold] pairs (answer null: only read the gold answer); for each
pair a line goes out, [correct, parsed, reason] or [null, problem of the gold answer, ""]. The
kernel ends the process when one pair takes more processor time than the grader allows, or more
memory: whoever started it sees the pipe close and knows which pair it was.
"""

import json
import os
import resource
import signal
import sys
from typing import TextIO

from retu.config.graders import GraderSettings
from retu.core.errors import InputError
from retu.grading.grader import get_rule, judge_answer
from retu.grading.symbolic.symbolic_engine import load_symbolic_engine

WORKER_MODULE = "retu.grading.worker"
MEBIBYTE = 1 << 20
MEMORY_LIMIT = "memory limit"
Reply = tuple[bool | None, str, str]


def judge_pair(answer: str | None, gold: str, settings: GraderSettings) -> Reply:
    """The verdict on one pair; None instead of true or false when the gold cannot be used."""
    try:
        if answer is None:
            return True, get_rule(settings).show_gold(gold, settings), ""
        verdict = judge_answer(answer, gold, settings)
        return verdict.correct, verdict.parsed, verdict.reason
    except InputError as error:
        return None, str(error), ""
    except MemoryError:
        return False, "", MEMORY_LIMIT
    except Exception as error:  # the engine meets what nobody foresaw: a verdict, not a crash
        return False, "", f"engine error: {type(error).__name__}"


def judge_stream(source: TextIO, sink: TextIO, settings: GraderSettings) -> None:
    """Judge pair by pair until the source ends."""
    for line in source:
        for answer, gold in json.loads(line):
            signal.setitimer(signal.ITIMER_PROF, settings.seconds)
            reply = judge_pair(answer, gold, settings)
            signal.setitimer(signal.ITIMER_PROF, 0)
            sink.write(json.dumps(reply) + "\n")
            sink.flush()
            if reply[2] == MEMORY_LIMIT:
                return  # what is left of this process is not to be trusted


def main() -> None:
    """Serve with the settings given as JSON in the only argument; the first line is our number."""
    settings = GraderSettings.model_validate_json(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the service ends its workers itself
    if settings.rule != "choice":
        load_symbolic_engine()
    resource.setrlimit(resource.RLIMIT_AS, (settings.megabytes * MEBIBYTE,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Answers have a pipe of their own, so that nothing a library prints gets among them.
    with os.fdopen(os.dup(1), "w", encoding="ascii") as sink:
        os.dup2(2, 1)
        sink.write(f"{os.getpid()}\n")
        sink.flush()
        judge_stream(sys.stdin, sink, settings)


if __name__ == "__main__":
    main()
