"""Cost of the graph itself: seconds that Snakemake takes to plan a study, by its number of jobs.

    python benchmarks/dag.py [--jobs 200 500 1000 2000 3000] [--folder FOLDER] [--skip-done]

Makes studies like the paper's with more seeds in a copy of this project, about as large as asked
for, and prints wall and CPU seconds of `snakemake -n` with nothing made yet and of a run with
everything made (files with the right names, adopted by `snakemake --touch`). A straight line is
fitted to each; how far the largest study lies off the line through the others tells whether the
cost grows faster than the study. The paper's own study is the one with a single seed.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from checkout import copy_project

JOBS = (200, 500, 1000, 2000, 3000)
JOBS_A_SEED, OTHER_JOBS = 197, 34
"""Of the paper's study; the table shows how many there really are."""
CORES = ("--cores", "2")


@dataclass(frozen=True)
class ProcessTimes:
    """What a process took, and what it printed."""

    wall: float
    cpu: float
    output: str


def time_snakemake(folder: Path, *arguments: str) -> ProcessTimes:
    """Run Snakemake in a folder; its own time and that of its children."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *CORES, *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(done.stdout)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return ProcessTimes(wall, cpu, done.stdout)


def write_study(folder: Path, jobs: int) -> str:
    """A study like the paper's with about so many jobs; its name."""
    seeds = max(1, round((jobs - OTHER_JOBS) / JOBS_A_SEED))
    name = f"seeds_{seeds}"
    study = {"extends": "paper", "name": name, "seeds": list(range(seeds))}
    (folder / "studies" / f"{name}.yaml").write_text(yaml.safe_dump(study))
    return name


def make_outputs(folder: Path, *config: str) -> None:
    """Files with the names of all outputs, which Snakemake takes for its own."""
    for line in time_snakemake(folder, "--summary", *config).output.splitlines():
        path, tab, _ = line.partition("\t")
        if not tab or path == "output_file":
            continue
        target = folder / path
        # A folder of checkpoints has no suffix.
        if target.suffix:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        else:
            target.mkdir(parents=True, exist_ok=True)
    time_snakemake(folder, "--touch", "--quiet", "all", *config)


def measure_planning(folder: Path, jobs: int, done: bool) -> dict[str, float | str]:
    """Seconds for a study of about so many jobs."""
    name = write_study(folder, jobs)
    config = ("--config", f"study={name}")
    dry = time_snakemake(folder, "-n", "--quiet", "rules", *config)
    count = re.search(r"^total +(\d+)$", dry.output, re.MULTILINE)
    assert count, dry.output
    row: dict[str, float | str] = {"study": name, "jobs": int(count[1])}
    row |= {"-n, s": dry.wall, "-n, CPU s": dry.cpu}
    if done:
        make_outputs(folder, *config)
        finished = time_snakemake(folder, *config)
        assert "Nothing to be done" in finished.output, finished.output
        row |= {"no-op, s": finished.wall, "no-op, CPU s": finished.cpu}
    return row


def fit_growth(jobs: np.ndarray, seconds: np.ndarray) -> dict[str, float]:
    """A line through all studies, and the largest one against the line through the others."""
    slope, start = np.polyfit(jobs, seconds, 1)
    fitted = start + slope * jobs
    before = np.polyval(np.polyfit(jobs[:-1], seconds[:-1], 1), jobs[-1])
    spread = float(((seconds - seconds.mean()) ** 2).sum())
    return {
        "start, s": float(start),
        "s per 1,000 jobs": float(slope) * 1000,
        "jobs/s": 1 / float(slope),
        "R2": 1 - float(((seconds - fitted) ** 2).sum()) / spread,
        "largest / line of the others": float(seconds[-1] / before),
    }


def print_table(title: str, rows: Sequence[Mapping[str, object]]) -> None:
    """Print a table."""
    frame = pd.DataFrame(rows)
    print(f"\n{title}\n{frame.to_string(index=False, float_format='{:.2f}'.format)}", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, nargs="+", default=list(JOBS))
    parser.add_argument("--skip-done", action="store_true", help="leave out runs with all made")
    parser.add_argument("--folder", type=Path, help="where to work (default: the system's)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        folder = Path(place) / "project"
        copy_project(folder)
        rows = [measure_planning(folder, jobs, not options.skip_done) for jobs in options.jobs]
    print_table("Planning", rows)
    if len(rows) > 2:
        frame = pd.DataFrame(rows)
        columns = [str(name) for name in frame if name not in ("study", "jobs")]
        jobs = frame["jobs"].to_numpy(float)
        lines = [
            {"what": name, **fit_growth(jobs, frame[name].to_numpy(float))} for name in columns
        ]
        print_table("Growth", lines)


if __name__ == "__main__":
    main()
