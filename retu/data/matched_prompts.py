"""Drawing prompts that have an expert trajectory."""

import heapq
from collections.abc import Collection
from hashlib import sha256
from pathlib import Path

from retu.data.set_rules import prompt_id
from retu.data.stored_rows import stored_rows


def drawn(experts: Path, among: Collection[str] | None, rows: int) -> set[str]:
    """So many prompts that have a trajectory, by `prompt_id`, in no order of their file."""
    found = {prompt_id(str(row["prompt"])) for row in stored_rows(experts, ("prompt",))}
    known = found if among is None else found.intersection(among)
    return set(heapq.nsmallest(rows, known, key=lambda name: sha256(name.encode()).digest()))
