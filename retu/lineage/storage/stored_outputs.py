"""What records describe goes into DVC's cache, unless it has changed since."""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import yaml

from retu.core.errors import InputError
from retu.core.hashing import folder_listing, folder_md5, hash_tree
from retu.lineage.graph.record_graph import TREES, Lineage
from retu.lineage.graph.remedies import make_command, remake_command, restore_command
from retu.lineage.record import SUFFIX, Artefact, File, Record
from retu.lineage.storage.dvc_cache import Cache, ChangedError, make_real

DATA = "data.dvc"
DISTRUST = "do not trust these records and pointers, get the study's anew from whom you trust"


def keep_outputs(root: Path, cache: Cache, record: Record) -> None:
    """Put the outputs of a job and its record into the cache.

    Raises:
        InputError: a file is gone or has changed since its record was written.
    """
    since = (root / record.path).stat().st_mtime
    for artefact in (*record.outputs, present(root, record.path)):
        if artefact.md5.endswith(".dir"):
            make_real_folder(root, artefact)
        for path, file in files_in(artefact):
            try:
                cache.keep(root / path, file.md5, file.size, since, link=bool(artefact.files))
            except (ChangedError, OSError) as error:
                what = "has changed" if isinstance(error, ChangedError) else "cannot be read"
                raise InputError(
                    f"{path}: {what} since its record {record.path} was written; put it back"
                    f" ({restore_command(artefact.path)}) or make it again"
                    f" ({make_command(artefact.path)})"
                ) from error
        if artefact.md5.endswith(".dir"):
            cache.keep_bytes(folder_listing(artefact.files), artefact.md5)


def make_real_folder(root: Path, artefact: Artefact) -> None:
    """See `make_real`; InputError when that fails."""
    try:
        make_real(root / artefact.path)
    except OSError as error:
        raise InputError(
            f"{artefact.path}: holds a link that cannot be followed ({error.strerror}); what to do:"
            f" {shlex.join(['retu', 'lineage', 'verify', artefact.path])}"
        ) from error


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
                f" run `dvc commit --force {DATA}` and commit it, otherwise"
                f" `dvc checkout --force {DATA}`"
            )
            continue
        for path, file in files_in(artefact):
            # Hashed a moment ago, and not read again: what is in the cache is to be checked.
            cache.keep(root / path, file.md5, file.size, since=0.0, link=False)
        if artefact.files:
            cache.keep_bytes(folder_listing(artefact.files), artefact.md5)
    return notes


def present(root: Path, path: str) -> Artefact:
    """A file or folder as it is now, with its files; InputError when it cannot be read."""
    try:
        return Artefact.from_tree(path, hash_tree(root / path), listed=True)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); make it again ({make_command(path)})"
        ) from error


def data_hashes(root: Path) -> dict[str, str]:
    """Path -> hash of everything in the root's data.dvc; empty without one.

    Raises:
        InputError: it is not one, as with the marks of a conflict in it.
    """
    path = root / DATA
    if not path.is_file():
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return {str(out["path"]): str(out.get("md5", "")) for out in content.get("outs", [])}
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise InputError(
            f"{DATA}: is not as DVC writes it; restore it (git checkout HEAD -- {DATA})"
        ) from error


def check_paths(study: str, outputs: Iterable[Artefact]) -> None:
    """Refuse outputs that no job of this study has: records come from elsewhere.

    Raises:
        InputError: a path that is not below the study's results or data, a file that is not below
            its folder, or a folder that is not what its hash says.
    """
    for made in outputs:
        parts = made.path.split("/")
        below = len(parts) > 2 and parts[0] in TREES and parts[1] == study
        if not plain(made.path) or not (
            below or made.path in (f"data/{study}", f"data/{study}{SUFFIX}")
        ):
            raise InputError(f"{made.path}: is no place for an output; {DISTRUST}")
        if made.md5.endswith(".dir"):
            for file in made.files:
                if not plain(file.path):
                    raise InputError(f"{file.path}: is no place in {made.path}; {DISTRUST}")
            if folder_md5(made.files) != made.md5:
                raise InputError(f"{made.path}: its files are not those of its hash; {DISTRUST}")


def plain(path: str) -> bool:
    """Whether a path leads straight down from where it starts."""
    return not {"", ".", ".."} & {*path.split("/")} and "\0" not in path


def made_by(lineage: Lineage, job: str) -> str:
    """The first output of a job, or its record."""
    return next((made.path for made in lineage.records[job].outputs), job)


def check_links(lineage: Lineage, jobs: Iterable[str]) -> None:
    """Refuse records that do not fit together: an input that its maker has recorded otherwise.

    Raises:
        InputError: the input, and the two records.
    """
    for found in lineage.misfits(jobs):
        path = found.read.path
        raise InputError(
            f"{path}: {found.job} read another one than {found.maker} made;"
            f" make it again ({remake_command(lineage, [made_by(lineage, found.job)])})"
        )
