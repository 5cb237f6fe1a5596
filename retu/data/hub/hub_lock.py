"""The lock file of hub repositories: which commit was used, and what every file of it was.

```yaml
datasets:
  openai/gsm8k:
    revision: main            # what was asked for
    commit: e53f048856ff4f594e959d75785d2c2d37b678ee
    patterns: [main/test-*.parquet]
    files:
      main/test-00000-of-00001.parquet: {sha256: ..., size: 419088}
models: {}
```

A branch or tag moves; the lock says what it was when it was first used, and from then on decides.
"""

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, Field, NonNegativeInt

from retu.core.atomic_files import write_text
from retu.core.errors import InputError
from retu.core.sections import Section
from retu.core.yaml_files import read_yaml, validate_content

RepositoryKind = Literal["dataset", "model"]
CommitHash = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
IS_COMMIT = re.compile(r"[0-9a-f]{40}")


def check_relative_path(path: str) -> str:
    """The path, which must stay in the folder it is put in: not absolute, no step up."""
    if "\\" in path or any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError("a path inside the repository is needed")
    return path


HubPath = Annotated[str, AfterValidator(check_relative_path)]


class Repository(Section):
    """A hub repository and the files wanted of it."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$")]
    kind: RepositoryKind = "dataset"
    revision: Annotated[str, Field(pattern=r"^[\w][\w./-]*$")] | None = Field(
        None, description="commit, branch or tag; none: the branch main, locked at its first use"
    )
    patterns: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        description="files, as paths in the repository; * stands for any characters", min_length=1
    )

    @property
    def requested_revision(self) -> str:
        """The revision that is asked for."""
        return self.revision or "main"

    @property
    def is_pinned(self) -> bool:
        """Whether the revision is a commit, which cannot move."""
        return IS_COMMIT.fullmatch(self.requested_revision) is not None

    @property
    def label(self) -> str:
        """How messages call it."""
        return f"{self.kind} {self.name}"

    def is_wanted(self, path: str) -> bool:
        """Whether a file of the repository is wanted."""
        return any(fnmatchcase(path, pattern) for pattern in self.patterns)


class LockedFile(Section):
    """What a file was."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: NonNegativeInt

    def describe_difference(self, other: "LockedFile") -> str | None:
        """What makes `other` another file than this one; None if it is the same."""
        if other.size != self.size:
            return f"has {other.size} bytes instead of {self.size}"
        return (
            None
            if other.sha256 == self.sha256
            else f"has SHA-256 {other.sha256[:12]}... instead of {self.sha256[:12]}..."
        )


class LockedRepository(Section):
    """What a repository was: its commit and those files that were used."""

    revision: str
    commit: CommitHash
    patterns: tuple[str, ...]
    files: dict[HubPath, LockedFile]

    def has_wanted_files(self, repository: Repository) -> bool:
        """Whether all files that are wanted of a repository are here, for these were asked for."""
        return "*" in self.patterns or set(repository.patterns) <= set(self.patterns)


class HubLock(Section):
    """All repositories used so far, by name."""

    datasets: dict[str, LockedRepository] = Field(default_factory=dict)
    models: dict[str, LockedRepository] = Field(default_factory=dict)

    def find_entry(self, repository: Repository) -> LockedRepository | None:
        """The entry of a repository, None before its first use."""
        return getattr(self, f"{repository.kind}s").get(repository.name)  # type: ignore[no-any-return]


def describe_file(path: Path) -> LockedFile:
    """SHA-256 and size of a file."""
    with path.open("rb", buffering=0) as handle:
        digest = hashlib.file_digest(handle, "sha256")
    return LockedFile(sha256=digest.hexdigest(), size=path.stat().st_size)


def read_hub_lock(path: Path) -> HubLock:
    """Read a lock file; one that does not exist yet is empty.

    Raises:
        InputError: not YAML, or not a lock.
    """
    return validate_content(HubLock, read_yaml(path), str(path)) if path.exists() else HubLock()


def find_locked_entry(path: Path, repository: Repository) -> LockedRepository | None:
    """The entry of a repository, which must be of the revision that is asked for now.

    Raises:
        InputError: the lock holds another revision; the message says how to go on.
    """
    entry = read_hub_lock(path).find_entry(repository)
    if entry and repository.requested_revision not in (entry.revision, entry.commit):
        raise InputError(
            f"{path}: {repository.label}: is locked to {entry.revision} (commit "
            f"{entry.commit[:12]}), but {repository.requested_revision} is asked for; ask for the"
            " locked one, or take its entry out of the file to lock anew"
        )
    return entry


def lock_files(
    path: Path, repository: Repository, commit: str, files: dict[str, LockedFile]
) -> None:
    """Add a repository's files to the lock; what is in it already stays.

    Raises:
        InputError: another process has locked another commit or other bytes meanwhile.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with hold_file_lock(path):
        lock = read_hub_lock(path)
        old = lock.find_entry(repository)
        known = old.files if old else {}
        other = [name for name in files if name in known and known[name] != files[name]]
        if (old and old.commit != commit) or other:
            raise InputError(
                f"{path}: {repository.label}: another commit or file was locked while this one was"
                " fetched; run again"
            )
        entry = LockedRepository(
            revision=old.revision if old else repository.requested_revision,
            commit=commit,
            patterns=tuple(sorted({*(old.patterns if old else ()), *repository.patterns})),
            files=dict(sorted({**known, **files}.items())),
        )
        content = lock.model_dump(mode="json")
        section = {**content[f"{repository.kind}s"], repository.name: entry.model_dump(mode="json")}
        content[f"{repository.kind}s"] = dict(sorted(section.items()))
        write_text(path, yaml.safe_dump(content, sort_keys=False, width=100))


@contextmanager
def hold_file_lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file, so that concurrent jobs do not lose entries.

    The lock is on a hidden file beside it, open for writing: network file systems, on which
    jobs of several nodes meet, lock no other.
    """
    handle = os.open(path.with_name(f".{path.name}.busy"), os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
