"""Rules `load_file_set`, `load_file_split`: a user's rows in the workflow's columns."""

from pathlib import Path

from retu.data.file_sets import store_file_set
from retu.grading.extraction import find_last_boxes
from retu.planning.jobs import FileSetJob
from retu.runtime.script import make_spec_reader, parse_arguments, run_main


def main() -> None:
    """Store the set with its manifest, say what was read as what and what was left out."""
    spec = make_spec_reader(FileSetJob)
    given = parse_arguments(
        __doc__, ("rows", "judged"), spec=spec, rows=Path, judged=[Path], out=Path
    )
    counts, layout = store_file_set(
        given.spec, given.rows, given.judged, find_last_boxes, given.out
    )
    print(f"{given.spec.name}: {layout.describe()}; {counts.read} rows read{counts.describe()}")


if __name__ == "__main__":
    run_main(main)
