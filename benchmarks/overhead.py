"""How much of a study's CPU time is training and generation, and what the rest goes into.

    python benchmarks/overhead.py [--study lab] [--cores 2] [--keep FOLDER]

Runs the study from nothing in a fresh copy of the project and prints a table by rule. Every job
ends its log with a `usage:` line (retu/runtime/usage.py); CPU time that no job accounts for
is Snakemake's own, the shells' and the job server's (its imports, done once for all jobs).
"""

import argparse
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from checkout import copy_project

USAGE = re.compile(r"^usage: cpu ([\d.]+) s, training and generation ([\d.]+) s", re.MULTILINE)


@dataclass
class RuleCost:
    """CPU seconds of the jobs of one rule."""

    jobs: int = 0
    cpu: float = 0.0
    work: float = 0.0


def sum_costs_by_rule(logs: Path) -> dict[str, RuleCost]:
    """Add up the usage lines below a study's log folder; the rule is the first part of a path."""
    costs: dict[str, RuleCost] = defaultdict(RuleCost)
    for path in sorted(logs.rglob("*.log")):
        rule = path.relative_to(logs).parts[0].removesuffix(".log")
        for cpu, work in USAGE.findall(path.read_text(encoding="utf-8", errors="replace")):
            costs[rule].jobs += 1
            costs[rule].cpu += float(cpu)
            costs[rule].work += float(work)
    return dict(costs)


def run_study(folder: Path, study: str, cores: int) -> tuple[float, float]:
    """Run a study in `folder`; wall seconds, and CPU seconds of everything that it started."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--cores",
        str(cores),
        "--config",
        f"study={study}",
    ]
    subprocess.run(command, cwd=folder, check=True, stdout=sys.stderr)
    wall = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu


def format_costs(costs: dict[str, RuleCost], total: float) -> list[str]:
    """Lines of the table, the costliest rule first, orchestration last."""
    lines = [f"{'rule':<22}{'jobs':>5}{'CPU s':>9}{'work s':>9}{'work':>7}"]
    for rule, cost in sorted(costs.items(), key=lambda item: -item[1].cpu):
        share = cost.work / cost.cpu if cost.cpu else 0.0
        lines.append(f"{rule:<22}{cost.jobs:>5}{cost.cpu:>9.1f}{cost.work:>9.1f}{share:>7.0%}")
    rest = total - sum(cost.cpu for cost in costs.values())
    work = sum(cost.work for cost in costs.values())
    lines.append(f"{'snakemake and shells':<22}{'':>5}{rest:>9.1f}{0:>9.1f}{0:>7.0%}")
    lines.append(f"{'all':<22}{'':>5}{total:>9.1f}{work:>9.1f}{work / total:>7.0%}")
    return lines


def main() -> None:
    """Run, add up, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--study", default="lab")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="run in this new folder and leave it there")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="retu-overhead-")) / "project"
    copy_project(folder)
    try:
        wall, total = run_study(folder, options.study, options.cores)
        print(f"study {options.study}: {wall:.0f} s on {options.cores} cores, {total:.0f} CPU s\n")
        print(
            "\n".join(
                format_costs(sum_costs_by_rule(folder / "results" / options.study / "logs"), total)
            )
        )
    finally:
        if options.keep is None:
            shutil.rmtree(folder.parent)


if __name__ == "__main__":
    main()
