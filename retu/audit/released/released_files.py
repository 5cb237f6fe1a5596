"""The list of the released files, and the check that a file is the listed one."""

import hashlib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from retu.core.errors import InputError
from retu.core.sections import Name, Section
from retu.core.tables import read_facts
from retu.core.yaml_files import validate_content

# A file stays inside the folder it is put in: no absolute path, no step up.
RelativePath = Annotated[str, Field(pattern=r"^\w[\w.-]*(/\w[\w.-]*)*$")]
FETCH_AGAIN = "snakemake --force fetch_caches --config study=released"
"""The command that fetches every released file anew."""
CACHE_FILE_COLUMNS = ("path", "sha256", "bytes", "kind", "dataset", "sft_step", "distinct")


class CacheFile(Section):
    """One released file: where it is in the repository, what it must be, which curve it holds."""

    path: RelativePath
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size: PositiveInt = Field(alias="bytes")
    kind: Literal["sft", "rl"]
    dataset: Name
    sft_step: NonNegativeInt | None = Field(description="where the RL run starts; empty for SFT")
    distinct: bool = Field(description="False for a copy of a file that is used already")

    def find_fault(self, data: bytes) -> str | None:
        """What makes `data` another file than this one; None if it is the file."""
        if len(data) != self.size:
            return f"has {len(data)} bytes instead of {self.size}"
        found = hashlib.sha256(data).hexdigest()
        return None if found == self.sha256 else f"has SHA-256 {found} instead of {self.sha256}"


def read_caches(path: Path) -> list[CacheFile]:
    """Read the list of released files in its order.

    Raises:
        InputError: a row is wrong or there twice, or two used files hold the same curve.
    """
    table = read_facts(path, CACHE_FILE_COLUMNS).astype(object)
    files = [
        _parse_cache_file({str(key): value for key, value in row.items()}, path)
        for row in table.where(table.notna(), None).to_dict("records")
    ]
    curves = [(file.kind, file.dataset, file.sft_step) for file in files if file.distinct]
    for what, keys in (("path", [file.path for file in files]), ("used curve", curves)):
        twice = next((key for i, key in enumerate(keys) if key in keys[:i]), None)
        if twice is not None:
            raise InputError(f"{path}: the {what} {twice} is there twice; list it once")
    return files


def read_cache(folder: Path, file: CacheFile) -> bytes:
    """The bytes of a fetched file, which must be the listed ones.

    Raises:
        InputError: missing, cut short or changed.
    """
    place = folder / file.path
    if not place.is_file():
        raise InputError(f"{place}: is missing; fetch it again ({FETCH_AGAIN})")
    data = place.read_bytes()
    if fault := file.find_fault(data):
        raise InputError(f"{place}: {fault}; fetch it anew ({FETCH_AGAIN})")
    return data


def _parse_cache_file(row: dict[str, object], path: Path) -> CacheFile:
    """One row of the list, checked."""
    step = row["sft_step"]
    if isinstance(step, float) and step.is_integer():
        row = {**row, "sft_step": int(step)}
    file = validate_content(CacheFile, row, f"{path}: {row['path']}")
    if (file.sft_step is None) != (file.kind == "sft"):
        raise InputError(f"{path}: {file.path}: sft_step belongs to RL files only; correct it")
    return file
