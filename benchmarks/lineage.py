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
from lineage_study import NAME, TABLE, Writer, make_study, sized_project

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


def seconds(work: Callable[[], object]) -> float:
    """Wall seconds of something."""
    started = time.monotonic()
    work()
    return round(time.monotonic() - started, 3)


def process(folder: Path, *module: str) -> Callable[[], object]:
    """A module of the project in a folder, as a process of its own."""
    command = [sys.executable, "-m", *module]
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    return lambda: subprocess.run(
        command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL
    )


def study_rows(folder: Path, stages: int) -> list[dict[str, object]]:
    """Times in the made-up study."""
    plan = sized_project(folder, stages)
    make_study(Writer(folder, plan))
    lineage = read_lineage(folder, NAME)
    retu = ("retu", "lineage")

    def record() -> None:
        write_pointers(folder, read_lineage(folder, NAME), plan)

    times = {
        "read the records": seconds(lambda: read_lineage(folder, NAME)),
        "record, first time": seconds(record),
        "record again": seconds(record),
        "retu lineage record (process)": seconds(process(folder, *retu, "record", "--study", NAME)),
        "dvc status (process)": seconds(process(folder, "dvc", "status")),
        "retu lineage why, a cell (process)": seconds(process(folder, *retu, "why", CELL)),
        "retu lineage verify (process)": seconds(process(folder, *retu, "verify", "--study", NAME)),
    }
    jobs = len(lineage.records)
    return [{"stages": jobs, "what": what, "seconds": took} for what, took in times.items()]


def hash_rows(folder: Path, megabytes: int) -> list[dict[str, object]]:
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
        theirs = min(seconds(partial(quiet, ["md5sum", *paths])) for _ in range(3))
        # A process each time: within one, what has been read is not read again.
        ours = min(float(quiet([sys.executable, "-c", HASH, str(target)])) for _ in range(3))
        rows.append(
            {
                "what": f"{len(paths)} file{'s' if len(paths) > 1 else ''}, {megabytes} MB",
                "ours, MB/s": round(megabytes / ours),
                "md5sum, MB/s": round(megabytes / theirs),
                "ratio": round(theirs / ours, 2),
            }
        )
    return rows


def quiet(command: list[str]) -> str:
    """What a command prints."""
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def share_rows() -> list[dict[str, object]]:
    """What the records took of the time of the studies that have results here."""
    rows = []
    for folder in sorted(ROOT.glob("results/*")):
        if any(folder.rglob("*.record.json")):
            lineage = read_lineage(ROOT, folder.name)
            rows.append({"study": folder.name, **share(lineage)})
    return rows


def share(lineage: Lineage) -> dict[str, object]:
    """Jobs, their seconds, and those of their records."""
    spent = [record.usage for record in lineage.records.values()]
    total, own = sum(u.seconds for u in spent), sum(u.recording_seconds for u in spent)
    return {
        "jobs": len(spent),
        "seconds": round(total, 1),
        "records": round(own, 1),
        "share": f"{own / total:.1%}",
    }


def show(title: str, rows: list[dict[str, object]]) -> None:
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
        show("A made-up study", study_rows(Path(place) / "project", options.stages))
        if options.megabytes:
            show("Hashes", hash_rows(Path(place) / "parts", options.megabytes))
    if rows := share_rows():
        show("Records in the studies that were run here", rows)


if __name__ == "__main__":
    main()
