"""Cost of records and of what is asked of them, in a made-up study of 500 stages.

    python benchmarks/lineage.py [--stages 500] [--megabytes 1024] [--folder FOLDER]

Writes real small files and records into a copy of this project, then prints: seconds to record the
study for DVC, the first time and again; seconds of DVC's own look at it; seconds of `retu lineage
why` for a table cell and of `verify`, each as a whole process; and the speed of our hashes beside
md5sum's, on a file and on a folder of four files. The records' own share of a real study's time is
printed for every study that has results here.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
from checkout import ROOT
from lineage_study import NAME, TABLE, StudyWriter, make_sized_project, write_made_up_study

from retu.lineage.graph.record_graph import Lineage, read_lineage
from retu.lineage.queries.dvc_pointers import write_pointers

CELL = f"{TABLE}#LabFull,10,dapo_dc,0/a_post"
HASH = """
import sys, time
from pathlib import Path
from retu.core.hashing import hash_tree
started = time.monotonic()
hash_tree(Path(sys.argv[1]))
print(time.monotonic() - started)
"""


def measure_seconds(work: Callable[[], object]) -> float:
    """Wall seconds of something."""
    started = time.monotonic()
    work()
    return round(time.monotonic() - started, 3)


def make_process(folder: Path, *module: str) -> Callable[[], object]:
    """A module of the project in a folder, as a process of its own."""
    command = [sys.executable, "-m", *module]
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    return lambda: subprocess.run(
        command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL
    )


def measure_study(folder: Path, stages: int) -> list[dict[str, object]]:
    """Times in the made-up study."""
    plan = make_sized_project(folder, stages)
    write_made_up_study(StudyWriter(folder, plan))
    lineage = read_lineage(folder, NAME)
    retu = ("retu", "lineage")

    def record() -> None:
        write_pointers(folder, read_lineage(folder, NAME), plan)

    times = {
        "read the records": measure_seconds(lambda: read_lineage(folder, NAME)),
        "record, first time": measure_seconds(record),
        "record again": measure_seconds(record),
        "retu lineage record (process)": measure_seconds(
            make_process(folder, *retu, "record", "--study", NAME)
        ),
        "dvc status (process)": measure_seconds(make_process(folder, "dvc", "status")),
        "retu lineage why, a cell (process)": measure_seconds(
            make_process(folder, *retu, "why", CELL)
        ),
        "retu lineage verify (process)": measure_seconds(
            make_process(folder, *retu, "verify", "--study", NAME)
        ),
    }
    jobs = len(lineage.records)
    return [{"stages": jobs, "what": what, "seconds": took} for what, took in times.items()]


def measure_hashing(folder: Path, megabytes: int) -> list[dict[str, object]]:
    """Megabytes a second of our hashes and of md5sum, on the same files in memory."""
    folder.mkdir(parents=True)
    block = os.urandom(1 << 20)
    for number in range(4):
        with (folder / f"part{number}").open("wb") as handle:
            handle.writelines([block] * (megabytes // 4))
    whole = folder.with_name("whole")
    with whole.open("wb") as handle:
        handle.writelines([block] * megabytes)
    rows = []
    for target in (whole, folder):
        paths = (
            [str(path) for path in sorted(target.iterdir())] if target.is_dir() else [str(target)]
        )
        theirs = min(measure_seconds(partial(get_output, ["md5sum", *paths])) for _ in range(3))
        # A process each time: within one, what has been read is not read again.
        ours = min(float(get_output([sys.executable, "-c", HASH, str(target)])) for _ in range(3))
        rows.append(
            {
                "what": f"{len(paths)} file{'s' if len(paths) > 1 else ''}, {megabytes} MB",
                "ours, MB/s": round(megabytes / ours),
                "md5sum, MB/s": round(megabytes / theirs),
                "ratio": round(theirs / ours, 2),
            }
        )
    return rows


def get_output(command: list[str]) -> str:
    """What a command prints."""
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def measure_record_shares() -> list[dict[str, object]]:
    """What the records took of the time of the studies that have results here."""
    rows = []
    for folder in sorted(ROOT.glob("results/*")):
        if any(folder.rglob("*.record.json")):
            lineage = read_lineage(ROOT, folder.name)
            rows.append({"study": folder.name, **measure_record_share(lineage)})
    return rows


def measure_record_share(lineage: Lineage) -> dict[str, object]:
    """Jobs, their seconds, and those of their records."""
    spent = [record.usage for record in lineage.records.values()]
    total, own = sum(u.seconds for u in spent), sum(u.recording_seconds for u in spent)
    return {
        "jobs": len(spent),
        "seconds": round(total, 1),
        "records": round(own, 1),
        "share": f"{own / total:.1%}",
    }


def print_table(title: str, rows: list[dict[str, object]]) -> None:
    """Print a table."""
    print(f"\n{title}\n{pd.DataFrame(rows).to_string(index=False)}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stages", type=int, default=500)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--folder", type=Path, help="where to work (default: the system's)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        print_table("A made-up study", measure_study(Path(place) / "project", options.stages))
        if options.megabytes:
            print_table("Hashes", measure_hashing(Path(place) / "parts", options.megabytes))
    if rows := measure_record_shares():
        print_table("Records in the studies that were run here", rows)


if __name__ == "__main__":
    main()
