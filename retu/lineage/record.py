"""The record of a job: what went in, what came out, and everything that decided it.

Every rule leaves one, `NAME.record.json`, beside its outputs. Paths are relative to the project's
root; hashes of files and folders are those of DVC (`hashing`), so that both tell the same story.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError

from retu.core.atomic_files import write_text
from retu.core.errors import InputError, advise_making_again
from retu.core.hashing import TreeHash, list_changed_names
from retu.core.sections import Section
from retu.core.text import escape_hidden

RECORD_VERSION = 1
RECORD_SUFFIX = ".record.json"
UPDATE_REMEDY = "update the project"
"""What to do about a record of a newer version."""


def check_inner_path(path: str) -> str:
    """A path that leads nowhere but down; ValueError for any other."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or not path.isprintable():
        raise ValueError(f"must be a path below a folder, not {path!r}")
    return path


FREE_TEXT_FIELDS = frozenset({"spec", "command", "config", "dirty", "folder"})
"""Parts of a record that hold whatever a study or a file system says."""
ESCAPED_CONTROL = re.compile(r"\\[ubfnrt]")
"""How JSON writes characters that may be hidden; without any, none is."""
# Records come from other machines, and restoring writes where they say.
InnerPath = Annotated[str, AfterValidator(check_inner_path)]


class FileEntry(Section):
    """A file by path, hash and size in bytes; that of a folder has its path from there."""

    path: InnerPath
    md5: str
    size: int


class Artefact(FileEntry):
    """A file or folder with its hash and its size in bytes; of an output folder also the files."""

    files: tuple[FileEntry, ...] = ()

    @classmethod
    def from_tree(cls, path: str, tree: TreeHash, listed: bool) -> "Artefact":
        """From a computed hash; `listed` keeps the files of a folder."""
        kept = tree.files if listed and tree.is_folder else ()
        files = tuple(FileEntry(path=f.path, md5=f.md5, size=f.size) for f in kept)
        return cls(path=path, md5=tree.md5, size=tree.size, files=files)

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.md5.endswith(".dir")

    @property
    def file_hashes(self) -> dict[str, str]:
        """Path -> hash of the files of a folder, as far as they are listed."""
        return {file.path: file.md5 for file in self.files}

    def list_changes(self, tree: TreeHash) -> list[str]:
        """The files that are new, gone or not as listed in what the folder is now."""
        now = {file.path: file.md5 for file in tree.files}
        return list_changed_names(self.file_hashes, now)


class MirrorFile(Section):
    """A local file that no rule made and that a job has read: `path` in the mirror `folder`.

    A file that the study names itself is the user's `own`, in whichever folder it was.
    """

    path: InnerPath
    folder: str
    md5: str
    size: int
    own: bool = False


class CodeDigests(Section):
    """The module that ran and the digest of every module of this project that it could use.

    Records of a time when rules spelt out the options of scripts have a digest of them, `options`.
    """

    module: str
    digest: str
    modules: dict[str, str]
    options: str | None = None


class LockedEnvironment(Section):
    """The lock file with its digest, and the versions of the libraries that were loaded.

    `differs` are the loaded libraries that are not those of the lock: name -> "locked -> loaded";
    `variables` those of the process that can decide the last digits of a result (`numerics`).
    """

    lock: str
    packages: list[str]
    digest: str
    versions: dict[str, str]
    differs: dict[str, str] = Field(default_factory=dict)
    variables: dict[str, str] = Field(default_factory=dict)


class GitCommit(Section):
    """The git commit, and the files that differed from it (None and empty outside git).

    What cannot be shown in the name of a file is written out (`\\x1b`).
    Where git could not tell, `reason` says why: whether there was a commit is then unknown.
    """

    commit: str | None
    dirty: list[Annotated[str, AfterValidator(escape_hidden)]]
    reason: str | None = None


class ResourceUsage(Section):
    """Time in seconds, peak memory in MB, and the training compute in EFLOPs where there was any.

    `started` and `ended` are UTC in ISO 8601; `recording_seconds` is the part of `seconds` that the
    record itself took. CPU time and memory count the processes that the job started; memory is
    that of the largest. If `resumed`, an earlier attempt had left its state: times and memory are
    those of the last attempt alone, while EFLOPs are always those of the whole run.
    """

    started: str
    ended: str
    seconds: float
    recording_seconds: float
    cpu_seconds: float
    peak_memory_mb: float
    peak_gpu_memory_mb: float | None = None
    eflops: float | None = None
    resumed: bool = False


class JobRecord(Section):
    """What made the outputs of one job.

    `path` is where the job wrote it, `sources` what it read of a mirror, `spec` what it was told,
    `command` the other options of its script, `config` the choices of config.yaml, `digest` the MD5
    of everything else in the file (`digest_content`). `ignored` are settings of the checkpoints'
    `generation_config.json` that sampling did not follow, as the study says how to sample.
    """

    version: Literal[1] = 1
    path: str
    rule: str
    wildcards: dict[str, str]
    key: str
    config: dict[str, Any]
    spec: Any
    command: list[str]
    seeds: list[int]
    code: CodeDigests
    environment: LockedEnvironment
    facts: dict[str, str]
    inputs: list[Artefact]
    outputs: list[Artefact]
    sources: list[MirrorFile] = Field(default_factory=list)
    git: GitCommit
    host: dict[str, Any]
    slurm_job: str | None
    usage: ResourceUsage
    ignored: dict[str, Any] = Field(default_factory=dict)
    digest: str = ""

    @property
    def job_name(self) -> tuple[object, ...]:
        """Rule and wildcards: what tells a job from all others of a study."""
        return (self.rule, *sorted(self.wildcards.items()))

    @property
    def first_output(self) -> str:
        """The first output, to be named on a command line; the record of a job without any."""
        return self.outputs[0].path if self.outputs else self.path


def digest_content(content: Mapping[str, Any]) -> str:
    """MD5 of the JSON object of a record without its digest, keys sorted.

    It is computed from the file, not from a parsed `JobRecord`: adding a field with a default later
    does not change the digest of older records.
    """
    rest = {key: value for key, value in content.items() if key != "digest"}
    text = json.dumps(rest, sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def write_record(path: Path, record: JobRecord) -> None:
    """Write a sealed record atomically: readers see all of it or nothing."""
    # The digest covers the content as a reader will parse it, with JSON's own numbers and keys.
    content = json.loads(json.dumps(record.model_dump()))
    sealed = {**content, "digest": digest_content(content)}
    write_text(path, json.dumps(sealed, indent=1) + "\n")


def find_seeds(facts: Any, name: str = "") -> set[int]:
    """Every value below a key `seed` or `seeds`."""
    if isinstance(facts, dict):
        return set().union(*(find_seeds(value, key) for key, value in facts.items()))
    if isinstance(facts, list):
        return set().union(*(find_seeds(value, name) for value in facts))
    return {int(facts)} if name in ("seed", "seeds") and facts is not None else set()


def find_control_characters(content: Any) -> str | None:
    """The first text with control characters in what is printed of a record as it stands.

    What a job was told may have several lines, and is printed as JSON.
    """
    if isinstance(content, dict):
        pairs = [pair for pair in content.items() if pair[0] not in FREE_TEXT_FIELDS]
        content = [part for pair in pairs for part in pair]
    if isinstance(content, list):
        return next(filter(None, map(find_control_characters, content)), None)
    return content if isinstance(content, str) and not content.isprintable() else None


class ChangedRecordError(InputError):
    """A record that reads, but is not as it was written: `record` is not to be trusted."""

    def __init__(self, message: str, record: JobRecord) -> None:
        super().__init__(message)
        self.record = record


def parse_record(text: str, where: str) -> JobRecord:
    """Read a record from JSON.

    Raises:
        InputError: it is cut off, from a newer version of this project, or not a record.
        UnsealedError: it has changed since it was written.
    """
    try:
        content = json.loads(text)
    except ValueError as error:
        raise InputError(
            f"{where}: not a whole record ({error}); {advise_making_again(Path(where))}"
        ) from error
    version = content.get("version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > RECORD_VERSION:
        raise InputError(
            f"{where}: a record of version {version}, and this project reads up to"
            f" {RECORD_VERSION}; {UPDATE_REMEDY}"
        )
    if (ESCAPED_CONTROL.search(text) or not text.isascii()) and (
        hidden := find_control_characters(content)
    ) is not None:
        raise InputError(
            f"{where}: not a record ({hidden!a} holds characters that cannot be shown); do not"
            " trust it"
        )
    try:
        record = JobRecord.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "(top level)"
        raise InputError(
            f"{where}: not a record ({key}: {first['msg'].lower()});"
            f" {advise_making_again(Path(where))}"
        ) from error
    if record.digest != digest_content(content):
        message = f"{where}: has changed since it was written; restore it or run again"
        raise ChangedRecordError(message, record)
    return record


def read_record(path: Path, where: str | None = None) -> JobRecord:
    """Read a record file, called `where` in errors.

    Raises:
        InputError: as `parse_record`, or it cannot be read.
    """
    where = where or str(path)
    try:
        return parse_record(path.read_text(encoding="utf-8"), where)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{where}: not readable ({error}); {advise_making_again(path)}") from error
