"""One worker process seen from the service: started late, replaced when it dies or is stuck."""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from retu.config.graders import GraderSettings
from retu.grading.grade_verdict import Grade, make_unusable_grade, make_wrong_grade
from retu.grading.worker import MEMORY_LIMIT, WORKER_MODULE
from retu.runtime import job_client
from retu.runtime.usage import HELPERS, count_helper

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS, EXIT_SECONDS = 120, 5
# The kernel counts processor time; this is the clock on the wall, for a worker that sleeps or
# waits for its turn on a crowded machine.
WALL_FACTOR, WALL_EXTRA = 6, 10
Pair = tuple[str | None, str]


class WorkerProcess:
    """A process that judges pairs, one batch at a time. Not for several threads at once."""

    def __init__(self, settings: GraderSettings) -> None:
        """Remember the grader; the process starts with the first batch."""
        self.settings = settings
        self.process: subprocess.Popen[bytes] | None = None
        # The worker's number where the job server forked it: it is no child, only its client is.
        self.served: int | None = None
        self.starts = 0
        self.unread = b""

    def judge_pairs(self, pairs: Sequence[Pair]) -> list[Grade]:
        """Verdicts in order; a pair that ends the process is wrong, and a new process goes on.

        A process that ends for no reason of its own (killed from outside) is tried once more.
        """
        done: list[Grade] = []
        tried = -1
        while len(done) < len(pairs):
            try:
                self.send_batch(pairs, done)
            except (EOFError, BrokenPipeError, TimeoutError) as error:
                verdict = self.make_lost_grade(error)
                if verdict.reason == "time limit" or tried == len(done):
                    done.append(verdict)
                else:
                    tried = len(done)
            except BaseException:
                self.close()  # replies that nobody reads would pass for those to the next batch
                raise
        return done

    def send_batch(self, pairs: Sequence[Pair], done: list[Grade]) -> None:
        """Send what is left and add verdicts to `done`, to the end or until memory ran out."""
        process = self.ensure_running()
        if process.stdin is None:
            raise EOFError
        # The worker reads the whole line before it answers, so neither waits for the other.
        process.stdin.write(json.dumps(list(pairs[len(done) :])).encode() + b"\n")
        process.stdin.flush()
        while len(done) < len(pairs):
            seconds = WALL_FACTOR * self.settings.seconds + WALL_EXTRA
            correct, parsed, reason = json.loads(self.read_line(process, seconds))
            usable = correct is not None
            done.append(Grade(correct, parsed, reason) if usable else make_unusable_grade(parsed))
            if reason == MEMORY_LIMIT:
                self.close()
                return

    def ensure_running(self) -> "subprocess.Popen[bytes]":
        """The process, started anew when there is none."""
        if self.process is not None:
            return self.process
        spec = self.settings.model_dump_json(exclude_none=True)
        client, environment = find_job_server()
        # A program of its own, never a fork: the caller may hold torch, threads and a GPU.
        process = self.process = subprocess.Popen(
            [sys.executable, *client, "-m", WORKER_MODULE, spec],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=environment,
        )
        self.starts += 1
        self.unread = b""
        try:
            number = int(self.read_line(process, START_SECONDS))
        except (EOFError, TimeoutError) as error:
            self.close()
            raise RuntimeError("a grading worker did not start; its message is above") from error
        self.served = number if number != process.pid else None
        return process

    def read_line(self, process: "subprocess.Popen[bytes]", seconds: float) -> bytes:
        """The next line of the process; EOFError when it ends, TimeoutError when none comes."""
        if process.stdout is None:
            raise EOFError
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while b"\n" not in self.unread:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise TimeoutError
                read = os.read(process.stdout.fileno(), 65_536)
                if not read:
                    raise EOFError
                self.unread += read
        line, self.unread = self.unread.split(b"\n", 1)
        return line

    def make_lost_grade(self, error: Exception) -> Grade:
        """The verdict on the pair at which the process ended, or was too late and is ended."""
        late = isinstance(error, TimeoutError)
        served = self.served
        status = self.close(kill=late)
        if served and status == -signal.SIGPROF:
            HELPERS["seconds"] += self.settings.seconds
        return make_wrong_grade(
            "time limit" if late or status == -signal.SIGPROF else f"exit {status}"
        )

    def close(self, kill: bool = True) -> int:
        """End the process, if any; returns its exit status."""
        process, self.process = self.process, None
        if process is None:
            return 0
        served, self.served = self.served, None
        if served:
            count_helper(served)
        if kill:
            process.kill()
        try:
            status = process.wait(EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                close_quietly(pipe)
        return status


def find_job_server() -> tuple[list[str], dict[str, str] | None]:
    """Words that have the job server of this run, if it has one, fork the worker; what they need.

    The server has imported the engine: a worker is there in milliseconds, not in half a second.
    """
    place = os.environ.get(job_client.WORKER_VARIABLE)
    if place is None:
        return [], None
    return ["-IS", job_client.__file__], {**os.environ, job_client.SERVER_VARIABLE: place}


def close_quietly(pipe: IO[bytes]) -> None:
    """Close a pipe whose other end may be gone; what was not sent goes to the next process."""
    with contextlib.suppress(BrokenPipeError):
        pipe.close()
