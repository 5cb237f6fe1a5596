"""DVC's cache, filled and read file by file: an object is named by the MD5 of what is in it.

Files of 1 MiB and more in output folders (checkpoints) share their bytes with the cache by a hard
link and are read-only from then on, as with DVC. All other files are copied: an edit of a table
must not reach the cache, and Snakemake takes a single output that is read-only for protected and
reruns its job no more.
"""

import configparser
import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from retu.core import hashing
from retu.core.atomic_files import make_temporary_path
from retu.core.errors import InputError

MIN_LINK_BYTES = 1 << 20
READ_ONLY_MODE = 0o444
# Errors that mean a hard link is impossible: other file system, not the owner, links unsupported,
# too many links.
NO_LINK_ERRORS = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK}
OBJECT_NAME = re.compile(r"[0-9a-f]{32}(\.dir)?")


class ChangedFileError(Exception):
    """A file is not what it is said to be."""


@dataclass(frozen=True)
class DvcCache:
    """The local cache below `folder`."""

    folder: Path

    def get_object_path(self, md5: str) -> Path:
        """Where an object is or would be.

        Raises:
            InputError: that is no hash; names come from files that others may have written.
        """
        if not OBJECT_NAME.fullmatch(md5):
            raise InputError(f"{md5!r}: is no hash; do not trust the file that has it for one")
        return self.folder / "files" / "md5" / md5[:2] / md5[2:]

    def is_intact(self, md5: str) -> bool:
        """Whether an object is there and has the content that its name says; reads it."""
        found = self.get_object_path(md5)
        return found.is_file() and hashing.compute_md5(found) == md5

    def add_file(self, source: Path, md5: str, size: int, since: float, link: bool) -> None:
        """Put a file in, once; `link` allows a hard link.

        A big file that is linked, or is in the cache already, is believed to be what its record
        says if it has the size and has not been touched after `since` (a time stamp). A file that
        was moved or copied there with its old modification time still has a new change time
        (ctime). Making a hard link also sets the ctime, so it is ignored for files that are linked
        into the cache. Any other file is hashed, what is copied on the way, and an object that is
        not what its name says is replaced.

        Raises:
            ChangedFileError: the file is another one than its record says.
            OSError: it cannot be read, or the cache cannot be written.
        """
        stat = source.stat()
        if stat.st_size != size:
            raise ChangedFileError
        found, may_link = self.get_object_path(md5), link and size >= MIN_LINK_BYTES
        kept = found.is_file() and found.stat().st_size == size
        if kept or may_link:
            shared = kept and found.samefile(source)
            touched = stat.st_mtime if shared else max(stat.st_mtime, stat.st_ctime)
            if size < MIN_LINK_BYTES or touched > since:
                if hashing.compute_md5(source) != md5:
                    raise ChangedFileError
                if kept and not shared and not self.is_intact(md5):
                    self.remove_object(md5)
                    kept = False
            if kept or (may_link and self._link_file(source.resolve(), found)):
                return
        with open_temporary(found) as temporary:
            if copy_and_hash(source, temporary) != md5:
                raise ChangedFileError
            temporary.chmod(READ_ONLY_MODE)

    def add_listing(self, files: Iterable[hashing.ListedFile], md5: str) -> None:
        """Put the list of a folder's files in."""
        found, content = self.get_object_path(md5), hashing.encode_folder_listing(files)
        if not found.is_file() or found.read_bytes() != content:
            with open_temporary(found) as temporary:
                temporary.write_bytes(content)
                temporary.chmod(READ_ONLY_MODE)

    def place_object(self, md5: str, target: Path, link: bool) -> None:
        """Put an object's content at `target`, which must not be there; `link` as in `keep`.

        Raises:
            ChangedFileError: what is in the object is not what its name says.
        """
        found = self.get_object_path(md5)
        if link and found.stat().st_size >= MIN_LINK_BYTES:
            found.chmod(READ_ONLY_MODE)
            if self._link_file(found, target):
                return
        if copy_and_hash(found, target) != md5:
            raise ChangedFileError

    def remove_object(self, md5: str) -> None:
        """Remove an object that is not what its name says."""
        self.get_object_path(md5).unlink(missing_ok=True)

    def _link_file(self, source: Path, target: Path) -> bool:
        """Link a file; False when the system cannot."""
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except FileExistsError:
            # Another run was first, or half an object lies there.
            if target.stat().st_size == source.stat().st_size:
                return True
            target.unlink()
            return self._link_file(source, target)
        except OSError as error:
            if error.errno not in NO_LINK_ERRORS:
                raise
            return False
        try:
            # chmod only after the link succeeded: a file that is not linked must keep its change
            # time.
            target.chmod(READ_ONLY_MODE)
        except PermissionError:
            # Another user owns the file and could write into the cache through the link.
            target.unlink()
            return False
        return True


def replace_links(folder: Path) -> None:
    """Put files and folders in the place of the links in a folder.

    Snakemake's cache (`--cache`) fills folders with links. DVC follows none of them, and would call
    the folder another than the one that was recorded. Big files share their bytes with what the
    link led to, as with DVC's cache.

    Raises:
        OSError: a link leads nowhere, or the folder cannot be written.
    """
    # The folder may be a link itself; what lies behind one is not ours to change.
    replace_link(folder)
    for place, folders, names in os.walk(folder):
        for name in (*folders, *names):
            replace_link(Path(place, name))


def replace_link(path: Path) -> None:
    """Put what a link leads to in its place; anything else stays."""
    if not path.is_symlink():
        return
    behind, temporary = path.resolve(strict=True), make_temporary_path(path)
    try:
        if behind.is_dir():
            shutil.copytree(behind, temporary, copy_function=share_or_copy)
        else:
            share_or_copy(str(behind), str(temporary))
        path.unlink()
        temporary.rename(path)
    finally:
        remove_path(temporary)


def share_or_copy(source: str, target: str) -> None:
    """A hard link to a big file where the system can, else a copy with its times."""
    real = os.path.realpath(source)
    if os.stat(real).st_size >= MIN_LINK_BYTES:
        try:
            os.link(real, target)
        except OSError as error:
            if error.errno not in NO_LINK_ERRORS:
                raise
        else:
            return
    shutil.copy2(real, target)


def copy_and_hash(source: Path, target: Path) -> str:
    """Copy a file and return the MD5 of what was read."""
    digest = hashlib.md5(usedforsecurity=False)
    with source.open("rb") as reading, target.open("wb") as made:
        while block := reading.read(hashing.READ_BYTES):
            digest.update(block)
            made.write(block)
    return digest.hexdigest()


@contextmanager
def open_temporary(target: Path) -> Iterator[Path]:
    """A temporary file beside `target` that takes its place at the end, or goes on an error.

    It is not forced to the disk, as other files are: half an object is known by its hash.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = make_temporary_path(target)
    try:
        yield temporary
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def find_local_cache(root: Path) -> DvcCache | None:
    """The cache that DVC's configuration names; None when the project's `.dvc` is not there.

    Raises:
        InputError: the configuration cannot be read.
    """
    if not (root / ".dvc").is_dir():
        return None
    configured = read_cache_folder(root / ".dvc")
    return DvcCache(Path(configured) if configured else root / ".dvc" / "cache")


def read_cache_folder(settings: Path) -> str | None:
    """The folder that DVC's configuration in `settings` gives the cache; None for the usual one.

    Raises:
        InputError: the configuration cannot be read.
    """
    try:
        # Half a second that most commands need not spend.
        from dvc.config import Config, ConfigError
    except ModuleNotFoundError:
        return read_project_cache_folder(settings)
    try:
        configured: str | None = Config(str(settings))["cache"].get("dir")
    except ConfigError as error:
        raise InputError(f".dvc/config: {error}; correct it (docs/lineage.md)") from error
    return configured


def read_project_cache_folder(settings: Path) -> str | None:
    """The same where DVC is not installed, from the project's own files.

    Raises:
        InputError: one of them cannot be read.
    """
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read([settings / "config", settings / "config.local"], encoding="utf-8")
    except configparser.Error as error:
        reason = " ".join(str(error).split())
        raise InputError(f".dvc/config: {reason}; correct it (docs/lineage.md)") from error
    folder = parser.get("cache", "dir", fallback="").strip("\"'")
    # A path that is not absolute begins at the file that says it.
    return str(settings / folder) if folder else None


def remove_path(path: Path) -> None:
    """Remove a file, a link or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
