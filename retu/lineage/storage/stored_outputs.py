"""What records describe goes into DVC's cache, unless it has changed since."""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import yaml

from retu.core.errors import InputError
from retu.core.hashing import hash_folder_listing, hash_tree
from retu.lineage.graph.dvc_lock import find_data_path
from retu.lineage.graph.record_graph import RECORDED_FOLDERS, Lineage
from retu.lineage.graph.remedies import format_remake_command, format_restore_command, make_command
from retu.lineage.record import RECORD_SUFFIX, Artefact, FileEntry, JobRecord
from retu.lineage.storage.dvc_cache import ChangedFileError, DvcCache, replace_links

DATA_POINTER = "data.dvc"
DISTRUST_POINTERS = (
    "do not trust these records and pointers, get the study's anew from whom you trust"
)


def cache_outputs(root: Path, cache: DvcCache, record: JobRecord) -> None:
    """Put the outputs of a job and its record into the cache.

    Raises:
        InputError: a file is gone or has changed since its record was written.
    """
    since = (root / record.path).stat().st_mtime
    for artefact in (*record.outputs, hash_current_path(root, record.path)):
        if artefact.is_folder:
            replace_folder_links(root, artefact)
        for path, file in list_files(artefact):
            try:
                cache.add_file(root / path, file.md5, file.size, since, link=bool(artefact.files))
            except (ChangedFileError, OSError) as error:
                what = "has changed" if isinstance(error, ChangedFileError) else "cannot be read"
                raise InputError(
                    f"{path}: {what} since its record {record.path} was written; put it back"
                    f" ({format_restore_command(artefact.path)}) or make it again"
                    f" ({make_command(artefact.path)})"
                ) from error
        if artefact.is_folder:
            cache.add_listing(artefact.files, artefact.md5)


def add_copies(root: Path, cache: DvcCache, artefact: Artefact) -> None:
    """Put the files of an artefact that was hashed a moment ago into the cache, as copies.

    They are not believed to be in the cache already: whatever it has of them is read, too.
    """
    for path, file in list_files(artefact):
        cache.add_file(root / path, file.md5, file.size, since=0.0, link=False)
    if artefact.is_folder:
        cache.add_listing(artefact.files, artefact.md5)


def replace_folder_links(root: Path, artefact: Artefact) -> None:
    """See `replace_links`; InputError when that fails."""
    try:
        replace_links(root / artefact.path)
    except OSError as error:
        raise InputError(
            f"{artefact.path}: holds a link that cannot be followed ({error.strerror}); what to do:"
            f" {shlex.join(['retu', 'lineage', 'verify', artefact.path])}"
        ) from error


def list_files(artefact: Artefact) -> Iterator[tuple[str, FileEntry]]:
    """The files of an artefact with their paths from the project's root."""
    if artefact.is_folder:
        for file in artefact.files:
            yield f"{artefact.path}/{file.path}", file
    else:
        yield artefact.path, artefact


def cache_data(root: Path, cache: DvcCache, described: Mapping[str, str]) -> list[str]:
    """Put what data.dvc describes (path -> hash) into the cache; a line on what differs from it."""
    notes = []
    for name, md5 in described.items():
        artefact = hash_current_path(root, name)
        if artefact.md5 != md5:
            notes.append(
                f"{name}: is not what {DATA_POINTER} says; if the study's data are meant to be"
                f" others, run `dvc commit --force {DATA_POINTER}` and commit it, otherwise"
                f" `dvc checkout --force {DATA_POINTER}`"
            )
        else:
            add_copies(root, cache, artefact)
    return notes


def hash_current_path(root: Path, path: str) -> Artefact:
    """A file or folder as it is now, with its files; InputError when it cannot be read."""
    try:
        return Artefact.from_tree(path, hash_tree(root / path), listed=True)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); make it again ({make_command(path)})"
        ) from error


def read_data_hashes(root: Path) -> dict[str, str]:
    """Path -> hash of everything in the root's data.dvc; empty without one.

    Raises:
        InputError: it is not one, as with the marks of a conflict in it.
    """
    path = root / DATA_POINTER
    if not path.is_file():
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return {str(out["path"]): str(out.get("md5", "")) for out in content.get("outs", [])}
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise InputError(
            f"{DATA_POINTER}: is not as DVC writes it; restore it (git checkout HEAD --"
            f" {DATA_POINTER})"
        ) from error


def select_made_data(described: Mapping[str, str], records: Iterable[JobRecord]) -> dict[str, str]:
    """Of what data.dvc describes (path -> hash), what jobs have made."""
    made = (artefact.path for record in records for artefact in record.outputs)
    names = {find_data_path(path, described) for path in made}
    return {name: md5 for name, md5 in described.items() if name in names}


def check_output_paths(study: str, outputs: Iterable[Artefact]) -> None:
    """Refuse outputs that no job of this study has: records come from elsewhere.

    Raises:
        InputError: a path that is not below the study's results or data, a file that is not below
            its folder, or a folder that is not what its hash says.
    """
    for made in outputs:
        parts = made.path.split("/")
        below = len(parts) > 2 and parts[0] in RECORDED_FOLDERS and parts[1] == study
        if not is_plain_path(made.path) or not (
            below or made.path in (f"data/{study}", f"data/{study}{RECORD_SUFFIX}")
        ):
            raise InputError(f"{made.path}: is no place for an output; {DISTRUST_POINTERS}")
        for file in made.files:
            if not is_plain_path(file.path):
                raise InputError(f"{file.path}: is no place in {made.path}; {DISTRUST_POINTERS}")
        if made.is_folder and hash_folder_listing(made.files) != made.md5:
            raise InputError(
                f"{made.path}: its files are not those of its hash; {DISTRUST_POINTERS}"
            )


def is_plain_path(path: str) -> bool:
    """Whether a path leads straight down from where it starts."""
    return not {"", ".", ".."} & {*path.split("/")} and "\0" not in path


def check_record_links(lineage: Lineage, jobs: Iterable[str]) -> None:
    """Refuse records that do not fit together: an input that its maker has recorded otherwise.

    Raises:
        InputError: the input, and the two records.
    """
    for found in lineage.find_mismatches(jobs):
        again = format_remake_command(lineage, [lineage.records[found.job].first_output])
        raise InputError(
            f"{found.read.path}: {found.job} read another one than {found.maker} made; make it"
            f" again ({again})"
        )
