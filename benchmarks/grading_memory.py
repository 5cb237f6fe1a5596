r"""Memory of `retu grade`: its peak on files of answers, beside their sizes.

    python benchmarks/grading_memory.py [--rows 2000 20000 200000] [--characters 600]

Each file holds that many answers of one sample a problem. The peak is that of the main process,
whose workers hold 100 MB each whatever the file; the ratio is to the smallest file of the run.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

MIB = 2**20


def write_answers(path: Path, rows: int, characters: int) -> None:
    """A file of that many answers, each of so many characters."""
    prose = "Let us simplify step by step. " * (characters // 30)
    with path.open("w", encoding="utf-8") as handle:
        for number in range(rows):
            row = {"id": number, "gold": str(number % 7), "generation": rf"{prose}\boxed{{3}}"}
            handle.write(json.dumps(row) + "\n")


def measure_peak(path: Path) -> float:
    """Peak memory of grading a file, in MiB."""
    command = [sys.executable, "-m", "retu", "grade", str(path), "--workers", "1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"grading {path} ended with {process.returncode}")
    return usage.ru_maxrss / 1024


def main() -> None:
    """Print a line a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[2_000, 20_000, 200_000])
    parser.add_argument("--characters", type=int, default=600)
    options = parser.parse_args()
    first: tuple[float, float] | None = None
    print(f"{'rows':>8} {'file, MiB':>10} {'peak, MiB':>10} {'file':>7} {'peak':>6}  (ratios)")
    with tempfile.TemporaryDirectory() as folder:
        for rows in options.rows:
            path = Path(folder) / f"{rows}.jsonl"
            write_answers(path, rows, options.characters)
            size, peak = path.stat().st_size / MIB, measure_peak(path)
            first = first or (size, peak)
            ratios = f"{size / first[0]:7.1f} {peak / first[1]:6.2f}"
            print(f"{rows:8} {size:10.1f} {peak:10.0f} {ratios}", flush=True)


if __name__ == "__main__":
    main()
