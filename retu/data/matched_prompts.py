"""Drawing prompts that have an expert trajectory."""

import heapq
from collections.abc import Collection
from hashlib import sha256
from pathlib import Path

from retu.data.set_rules import hash_prompt
from retu.data.stored_rows import read_stored_rows


def draw_prompt_ids(experts: Path, among: Collection[str] | None, rows: int) -> set[str]:
    """So many prompts that have a trajectory, by `hash_prompt`, in no order of their file."""
    found = {hash_prompt(str(row["prompt"])) for row in read_stored_rows(experts, ("prompt",))}
    known = found if among is None else found.intersection(among)
    return set(heapq.nsmallest(rows, known, key=lambda name: sha256(name.encode()).digest()))
