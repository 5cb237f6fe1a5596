"""JSON files that pages read: what the study is, and the versions of libraries."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from retu.core.errors import InputError

STUDY_KEYS = ("name", "title", "description", "order", "seeds", "benchmarks")


def read_json(path: Path, keys: Sequence[str] = ()) -> dict[str, Any]:
    """Read a JSON object that must have `keys`; InputError names file and key."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable as JSON ({error}); run its rule again") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: must be a JSON object; run its rule again")
    missing = [key for key in keys if key not in content]
    if missing:
        raise InputError(f"{path}: lacks {', '.join(missing)}; run its rule again")
    return content
