"""What records describe goes into DVC's cache, unless it has changed since."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import yaml

from workflow_scripts.errors import InputError
from workflow_scripts.hashing import folder_listing, hash_tree
from workflow_scripts.lineage.cache import Cache, ChangedError
from workflow_scripts.lineage.graph import Lineage
from workflow_scripts.lineage.record import Artefact, File, Record

DATA = "data.dvc"


def keep_outputs(root: Path, cache: Cache, record: Record) -> None:
    """Put the outputs of a job and its record into the cache.

    Raises:
        InputError: a file is gone or has changed since its record was written.
    """
    since = (root / record.path).stat().st_mtime
    for artefact in (*record.outputs, present(root, record.path)):
        for path, file in files_in(artefact):
            try:
                cache.keep(root / path, file.md5, file.size, since, link=bool(artefact.files))
            except (ChangedError, OSError) as error:
                what = "has changed" if isinstance(error, ChangedError) else "cannot be read"
                raise InputError(
                    f"{path}: {what} since its record {record.path} was written; put it back"
                    f" (retu lineage restore {artefact.path}) or delete it and run again"
                ) from error
        if artefact.md5.endswith(".dir"):
            cache.keep_bytes(folder_listing(artefact.files), artefact.md5)


def files_in(artefact: Artefact) -> Iterator[tuple[str, File]]:
    """The files of an artefact with their paths from the project's root."""
    if artefact.md5.endswith(".dir"):
        for file in artefact.files:
            yield f"{artefact.path}/{file.path}", file
    else:
        yield artefact.path, File(path=artefact.path, md5=artefact.md5, size=artefact.size)


def keep_data(root: Path, cache: Cache, described: Mapping[str, str]) -> list[str]:
    """Put what data.dvc describes (path -> hash) into the cache; a line on what differs from it."""
    notes = []
    for name, md5 in described.items():
        artefact = present(root, name)
        if artefact.md5 != md5:
            notes.append(
                f"{name}: is not what {DATA} says; if the study's data are meant to be others,"
                f" run `dvc commit {DATA}` and commit it, otherwise `dvc checkout {DATA}`"
            )
            continue
        for path, file in files_in(artefact):
            cache.keep(root / path, file.md5, file.size, float("inf"), link=False)
        if artefact.files:
            cache.keep_bytes(folder_listing(artefact.files), artefact.md5)
    return notes


def present(root: Path, path: str) -> Artefact:
    """A file or folder as it is now, with its files; InputError when it cannot be read."""
    try:
        return Artefact.from_tree(path, hash_tree(root / path), listed=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); run again") from error


def data_hashes(root: Path) -> dict[str, str]:
    """Path -> hash of everything in the root's data.dvc; empty without one."""
    path = root / DATA
    content = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {out["path"]: out.get("md5", "") for out in content.get("outs", [])}


def check_links(lineage: Lineage, jobs: Iterable[str]) -> None:
    """Refuse records that do not fit together: an input that its maker has recorded otherwise.

    Raises:
        InputError: the input, and the two records.
    """
    for job in jobs:
        for read in lineage.records[job].inputs:
            made = lineage.output(read.path)
            if made and recorded(made, read.path) != read.md5:
                raise InputError(
                    f"{read.path}: {job} read another one than {lineage.producer(read.path)} made;"
                    " delete what the later of the two has made and run again"
                )


def recorded(made: Artefact, path: str) -> str | None:
    """The hash of an output, or of a file in it; None for what is not in it."""
    if path == made.path:
        return made.md5
    return next((file.md5 for name, file in files_in(made) if name == path), None)
