"""Check before a job runs that its inputs are what other jobs recorded as their outputs.

A result that was edited by hand, or came from elsewhere, must not enter what is made from it.
"""

import functools
from collections.abc import Iterable
from pathlib import Path

from retu.core.errors import InputError
from retu.core.hashing import hash_tree
from retu.lineage.graph.record_graph import relocate_record
from retu.lineage.graph.remedies import format_restore_command, make_command
from retu.lineage.record import RECORD_SUFFIX, Artefact, JobRecord, read_record


def check_recorded_inputs(inputs: Iterable[Artefact]) -> None:
    """Hold inputs against the records beside them; what has no record is not looked at.

    Raises:
        InputError: an input is not what its job wrote, or a record beside it is damaged.
    """
    for read in inputs:
        for record in read_folder_records(Path(read.path).parent):
            made = next((output for output in record.outputs if output.path == read.path), None)
            if made and made.md5 != read.md5:
                raise InputError(
                    f"{find_first_change(made)}: is not what {record.rule} wrote (md5 of"
                    f" {read.path}"
                    f" {read.md5[:8]}, recorded {made.md5[:8]}); put it back"
                    f" ({format_restore_command(read.path)}), or make it again"
                    f" ({make_command(read.path)})"
                )


def find_first_change(made: Artefact) -> str:
    """The first file of an output that is new, gone or not as recorded; or the output itself."""
    changed = made.list_changes(hash_tree(Path(made.path))) if made.files else []
    return f"{made.path}/{changed[0]}" if changed else made.path


@functools.cache
def read_folder_records(folder: Path) -> tuple[JobRecord, ...]:
    """The records in a folder, and the one of the folder as a whole beside it."""
    whole = folder.with_name(folder.name + RECORD_SUFFIX) if folder.name else folder / RECORD_SUFFIX
    found = [*sorted(folder.glob(f"*{RECORD_SUFFIX}")), *([whole] if whole.is_file() else [])]
    return tuple(relocate_record(read_record(path), path.as_posix()) for path in found)
