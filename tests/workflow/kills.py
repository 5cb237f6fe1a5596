"""Kill the workflow at random moments, type the same command again, compare every byte.

    PYTHONPATH=.:tests python tests/workflow/kills.py --count 100 --finished FOLDER

FOLDER is a checkout in which the smoke study ran to its end; without it one is made first. Each
kill starts from a copy of it, takes the outputs of a job and of some that follow away, and kills
once that job is under way: Snakemake itself, one job, both with all that they started, or Snakemake
by SIGTERM. What follows is the same command, once, and nothing else. Rules take turns.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from conftest import clean_environment, copy_checkout, make_snakemake_command, run_snakemake
from processes import run_command

from retu.core.hashing import hash_tree
from retu.workflow.work_folder import LOCKS, SWEPT_FOLDERS, find_temporaries

STUDY = "smoke"
KINDS = ("main", "job", "tree", "term")
CPU_BUDGET = 12.0
"""Processor seconds of the jobs that one kill makes again."""
EARLIER = 0.8
"""Of a job's processor time: on an idle machine it ends sooner than when its time was taken."""
ANYWHERE = 0.2
"""Share of the kills that do not wait for their job: while Snakemake plans, locks or sums up."""
PATIENCE = 900.0


@dataclass(frozen=True)
class FinishedJob:
    """A job of the finished run, from its record."""

    record: str
    rule: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class PlannedKill:
    """What is killed, during which job, and what is made again."""

    kind: str
    job: FinishedJob
    removed: tuple[FinishedJob, ...]
    targets: tuple[str, ...]
    anywhere: bool
    moment: float
    """Share of the job's recorded time."""


def read_jobs(checkout: Path) -> list[FinishedJob]:
    """All jobs of the finished run."""
    found = []
    folders = (checkout / "results" / STUDY, checkout / "data")
    for path in sorted(path for folder in folders for path in folder.rglob("*.record.json")):
        content = json.loads(path.read_text())
        found.append(
            FinishedJob(
                record=path.relative_to(checkout).as_posix(),
                rule=content["rule"],
                inputs=tuple(item["path"] for item in content["inputs"]),
                outputs=tuple(item["path"] for item in content["outputs"]),
                seconds=content["usage"]["seconds"],
                cpu_seconds=content["usage"]["cpu_seconds"],
            )
        )
    return found


def draw_kill(
    jobs: Sequence[FinishedJob], rule: str, kind: str, draw: random.Random
) -> PlannedKill:
    """A kill during a job of a rule; what follows is made again as far as the budget goes."""
    job = draw.choice([job for job in jobs if job.rule == rule])
    removed, spent = [job], job.cpu_seconds
    grown = True
    while grown:
        grown = False
        made = {path for one in removed for path in one.outputs}
        for other in jobs:
            follows = other not in removed and made & {*other.inputs}
            if follows and spent + other.cpu_seconds <= CPU_BUDGET:
                removed.append(other)
                spent += other.cpu_seconds
                grown = True
                break
    read = {path for one in removed for path in one.inputs}
    last = [one for one in removed if not read & {*one.outputs}]
    whole = any(one.rule == "summary" for one in removed)
    targets = () if whole else tuple(one.record for one in last)
    anywhere = draw.random() < ANYWHERE
    return PlannedKill(kind, job, tuple(removed), targets, anywhere, draw.random())


def remove_outputs(checkout: Path, kill: PlannedKill) -> None:
    """Remove the outputs of the jobs that are to be made again.

    The pointers go as well: a run of everything writes them, one of a single target does not, and
    those of before would name the records of before.
    """
    made = [path for job in kill.removed for path in (job.record, *job.outputs)]
    for name in (*made, f"lineage/{STUDY}"):
        path = checkout / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def list_session_processes(session: int) -> list[int]:
    """The processes of a session that still run."""
    return [
        int(path.name) for path in Path("/proc").glob("[0-9]*") if find_session(path) == session
    ]


def find_session(path: Path) -> int | None:
    """The session of a process; None if it has ended."""
    with contextlib.suppress(OSError):
        fields = (path / "stat").read_text().rpartition(")")[2].split()
        return int(fields[3]) if fields[0] not in "ZX" else None
    return None


def list_job_processes(session: int, rule: str | None = None) -> list[int]:
    """The processes of a session that run a job (of a rule)."""
    found = []
    for pid in list_session_processes(session):
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
            if "retu.cli.run_job" in words and (rule is None or rule in words):
                found.append(pid)
    return found


def wait_for_job(process: "subprocess.Popen[bytes]", rule: str) -> None:
    """Wait until a job of the rule runs, or all is over."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and not list_job_processes(process.pid, rule):
        assert time.monotonic() < deadline, f"no job of {rule}"
        time.sleep(0.02)


def kill_at_moment(process: "subprocess.Popen[bytes]", kill: PlannedKill, log: Path) -> bool:
    """Kill at the moment that was drawn and wait for the end; False if that was too late."""
    start = time.monotonic()
    if kill.anywhere:
        time.sleep(kill.moment * 10)
    else:
        wait_for_job(process, kill.job.rule)
        time.sleep(kill.moment * EARLIER * min(kill.job.seconds, kill.job.cpu_seconds))
    if process.poll() is not None:
        return False
    if kill.kind == "main":
        process.kill()
    elif kill.kind == "term":
        process.terminate()
    elif kill.kind == "tree":
        # Stopped first: nothing may start while the others die.
        victims = list_session_processes(process.pid)
        send_signal(victims, signal.SIGSTOP)
        send_signal(list_session_processes(process.pid), signal.SIGKILL)
    else:
        running = list_job_processes(process.pid, kill.job.rule) or list_job_processes(process.pid)
        if not running:
            process.wait(PATIENCE)
            return False
        send_signal(running[:1], signal.SIGKILL)
    process.wait(PATIENCE)
    with log.open("a") as handle:
        handle.write(f"\n[killed {kill.kind} after {time.monotonic() - start:.1f} s]\n")
    return True


def send_signal(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to processes, some of which may have ended."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def hash_outputs(checkout: Path, jobs: Sequence[FinishedJob]) -> dict[str, str]:
    """Output -> its hash."""
    paths = [path for job in jobs for path in job.outputs]
    there = [path for path in paths if (checkout / path).exists()]
    return {path: hash_tree(checkout / path).md5 for path in there}


def find_faults(
    checkout: Path, jobs: Sequence[FinishedJob], expected: dict[str, str]
) -> Iterator[str]:
    """What is not as in a run that was left alone."""
    now = hash_outputs(checkout, jobs)
    yield from (f"{path}: other bytes" for path in expected if now.get(path) != expected[path])
    verify = [sys.executable, "-m", "retu", "lineage", "verify", "--study", STUDY]
    done = run_command(verify, cwd=checkout, env=clean_environment())
    if done.returncode != 0:
        yield f"verify: {done.stdout}{done.stderr}"
    yield from (f"lock left: {path.name}" for path in (checkout / LOCKS).glob("*.lock"))
    for name in (*SWEPT_FOLDERS, ".state"):
        yield from (f"left behind: {path}" for path in find_temporaries(checkout / name))


def run_kill(
    finished: Path, work: Path, jobs: Sequence[FinishedJob], kill: PlannedKill
) -> tuple[bool, list[str]]:
    """Do one kill in a copy of the finished run; whether it hit, and what is wrong afterwards."""
    shutil.rmtree(work, ignore_errors=True)
    # Folders that came from Snakemake's cache are links: the copy has them for real.
    shutil.copytree(finished, work, ignore=shutil.ignore_patterns("__pycache__"))
    expected = hash_outputs(work, jobs)
    remove_outputs(work, kill)
    log = work / "killed.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            make_snakemake_command(*kill.targets),
            cwd=work,
            env=clean_environment(),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            hit = kill_at_moment(process, kill, log)
            again = run_snakemake(work, *kill.targets)
        finally:
            send_signal(list_session_processes(process.pid), signal.SIGKILL)
            process.wait()
    if again.returncode != 0:
        return hit, [f"the same command ended with {again.returncode}:\n{again.stdout[-3000:]}"]
    return hit, list(find_faults(work, jobs, expected))


def main() -> int:
    """Kill so many times and tell what became of it; 1 if any kill left a trace."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--finished", type=Path, help="a checkout with a finished smoke run")
    parser.add_argument("--work", type=Path, help="a folder for the copies")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.work or Path(temporary)
        finished = options.finished or copy_checkout(folder / "finished")
        if options.finished is None:
            run_snakemake(finished).check_returncode()
        return kill_all(finished, folder / "work", options.count, options.seed)


def kill_all(finished: Path, work: Path, count: int, seed: int) -> int:
    """Kill `count` times; prints a line each and a summary."""
    jobs, draw = read_jobs(finished), random.Random(seed)
    rules = sorted({job.rule for job in jobs})
    draw.shuffle(rules)
    hits, bad = Counter[str](), 0
    for number in range(count):
        rule, kind = rules[number % len(rules)], draw.choice(KINDS)
        kill = draw_kill(jobs, rule, kind, draw)
        started = time.monotonic()
        hit, faults = run_kill(finished, work, jobs, kill)
        hits[kind] += hit
        bad += bool(faults)
        told = "; ".join(faults) or "as it should be"
        where = "anywhere" if kill.anywhere else kill.job.rule
        print(
            f"{number + 1:3} {kind:4} {where:20} {len(kill.removed):2} jobs again,"
            f" {time.monotonic() - started:4.0f} s, {'hit' if hit else 'too late'}: {told}",
            flush=True,
        )
    spread = ", ".join(f"{kind} {hits[kind]}" for kind in KINDS)
    print(f"{sum(hits.values())} kills of {count} hit ({spread}), {bad} left a trace")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
