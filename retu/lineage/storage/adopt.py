"""Have Snakemake take over outputs that it did not see being made.

Snakemake then reruns none of these jobs, and after a change of a module only the jobs that use it.

What Snakemake 9 needs: a target that is there is not made again when files it was made from are
missing, unless they decide what is to be done (`checkpoint` rules). But what has no metadata is
never found stale by its parameters, and a later change upstream needs the files in between. So all
ancestors come back, and `--forceall` has metadata written for each, also where modification times
would not ask for it. Afterwards every file gets the time at which it was made: with a new time,
outputs that depend on it but were not restored would look out of date.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from retu.core.errors import InputError
from retu.lineage.graph.record_graph import Lineage
from retu.lineage.graph.remedies import list_config_options
from retu.lineage.record import RECORD_SUFFIX
from retu.planning.analysis_plan import AnalysisPlan

# Snakemake keeps the modification time of a folder in this file.
TIMESTAMP = ".snakemake_timestamp"


def adopt_outputs(
    root: Path,
    plan: AnalysisPlan,
    lineage: Lineage,
    jobs: Sequence[str],
    also: Sequence[str] = (),
) -> None:
    """Let Snakemake take the outputs of jobs, and the files `also`, for its own.

    The jobs come with all that they depend on, each after those it depends on.

    Raises:
        InputError: it does not, as while another Snakemake runs here.
    """
    config = list_config_options(plan.config.study, plan.config.branching)
    command = [sys.executable, "-m", "snakemake", "--touch", "--forceall", "--cores", "1"]
    command += ["--quiet", "all", *config, "--", *list_leaf_jobs(lineage, jobs), *also]
    done = subprocess.run(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode != 0:
        lines = [line for line in done.stdout.splitlines() if line.strip()]
        raise InputError(
            f"the files are in place, but Snakemake did not adopt them ({' '.join(lines[-2:])});"
            f" once that is mended, run: snakemake {shlex.join(command[3:])}"
        )
    set_output_times(root, lineage, jobs)
    # `--touch` made logs: the jobs ran elsewhere, and theirs are not here.
    for path in (root / "results" / lineage.study / "logs").rglob("*.log"):
        if path.stat().st_size == 0:
            path.unlink()


def check_not_running(root: Path, study: str) -> None:
    """Leave a study alone while Snakemake works on it; its locks name the files.

    Raises:
        InputError: it does, or it was killed while it did.
    """
    own = (f"results/{study}/", f"data/{study}/", f"data/{study}{RECORD_SUFFIX}")
    for lock in (root / ".snakemake" / "locks").glob("*.lock"):
        try:
            names = lock.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            # It has just ended.
            continue
        if any(name.startswith(own) for name in names):
            raise InputError(
                f"results/{study}: a workflow is running on it; wait for its end, or, if it was"
                f" killed, run snakemake --unlock --config study={study}"
            )


def list_leaf_jobs(lineage: Lineage, jobs: Sequence[str]) -> list[str]:
    """The jobs that no other of them depends on."""
    read = {parent for job in jobs for parent in lineage.list_parents(job)}
    return [job for job in jobs if job not in read]


def set_output_times(root: Path, lineage: Lineage, jobs: Sequence[str]) -> None:
    """Give the outputs of jobs the times at which they ended, none before those it depends on."""
    times: dict[str, float] = {}
    for job in jobs:
        record = lineage.records[job]
        ended = datetime.fromisoformat(record.usage.ended).timestamp()
        times[job] = max([ended, *(times[parent] for parent in lineage.list_parents(job))])
        for path in (root / job, *(root / made.path for made in record.outputs)):
            folder = path.is_dir() and not path.is_symlink()
            carrier = path / TIMESTAMP if folder else path
            if folder:
                carrier.touch()
            os.utime(carrier, (times[job], times[job]), follow_symlinks=False)
