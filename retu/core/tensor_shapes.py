"""Names and shapes of the tensors of a model on disk, read from the headers of its files."""

import json
from pathlib import Path

from retu.core.errors import InputError

HEADER_BYTES = 8
"""Bytes of a safetensors file that say how long its header is."""
Shapes = dict[str, tuple[int, ...]]


def read_tensor_shapes(folder: Path) -> Shapes:
    """The tensors of all weight files (`model*.safetensors`) of a model; none is loaded.

    Raises:
        InputError: a file is no safetensors file, or is cut short.
    """
    found: Shapes = {}
    for path in sorted(folder.glob("model*.safetensors")):
        found.update(read_file_shapes(path))
    return found


def read_file_shapes(
    path: Path, name: str | None = None, remedy: str = "copy or save it again"
) -> Shapes:
    """The tensors of one weight file, which messages call by its path or another `name`.

    Raises:
        InputError: it is no safetensors file, or is cut short.
    """
    where, size = name or path, path.stat().st_size
    with path.open("rb") as handle:
        length = int.from_bytes(handle.read(HEADER_BYTES), "little")
        try:
            header = json.loads(handle.read(length) if length < size else b"")
            header.pop("__metadata__", None)
            end = max(tensor["data_offsets"][1] for tensor in header.values())
            shapes = {name: tuple(tensor["shape"]) for name, tensor in header.items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{where}: is no safetensors file; {remedy}") from error
    wanted = HEADER_BYTES + length + end
    if wanted != size:
        raise InputError(f"{where}: has {size} bytes instead of {wanted}; {remedy}")
    return shapes
