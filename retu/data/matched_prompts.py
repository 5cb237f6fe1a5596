"""Prompts that have an expert trajectory: matched, and drawn."""

import heapq
from collections.abc import Collection, Sequence
from hashlib import sha256
from pathlib import Path

from retu.data.set_rules import hash_prompt, join_expert_trajectories
from retu.data.stored_rows import read_stored_rows
from retu.data.stored_sets import check_stored
from retu.data.text_records import (
    PROMPT_TOKENS,
    RESPONSE_TOKENS,
    LengthLimits,
    RowCounts,
    StoredRow,
    store_rows,
)
from retu.planning.jobs import MatchJob

PROMPT_COLUMNS = ("problem_id", "prompt", "gold", PROMPT_TOKENS)
EXPERT_COLUMNS = ("prompt", "gold", "trajectory", PROMPT_TOKENS, RESPONSE_TOKENS)


def match_prompts(job: MatchJob, experts: Path, prompts: Sequence[Path], out: Path) -> RowCounts:
    """Store the prompts that have a trajectory with it, and say what became of the rows.

    Without `prompts`, those of the experts are taken.

    Raises:
        InputError: a set is not what its manifest says, or lacks a column.
    """
    check_stored(experts, EXPERT_COLUMNS)
    known: dict[str, StoredRow] = {}
    for path in prompts:
        check_stored(path, PROMPT_COLUMNS)
        for row in read_stored_rows(path, PROMPT_COLUMNS):
            known.setdefault(hash_prompt(str(row["prompt"])), row)
    chosen: Collection[str] | None = known if prompts else None
    if job.matched.rows:
        chosen = draw_prompt_ids(experts, chosen, job.matched.rows)
    wanted = None if chosen is None else lambda text: hash_prompt(text) in chosen
    found = read_stored_rows(experts, EXPERT_COLUMNS, wanted)
    rows = join_expert_trajectories(found, known if prompts else None)
    limits = LengthLimits(job.prompt_tokens, job.matched.trajectory_tokens)
    return store_rows(rows, out, limits, prompts=len(known) or None)


def draw_prompt_ids(experts: Path, among: Collection[str] | None, rows: int) -> set[str]:
    """So many prompts that have a trajectory, by `hash_prompt`, in no order of their file."""
    found = {hash_prompt(str(row["prompt"])) for row in read_stored_rows(experts, ("prompt",))}
    known = found if among is None else found.intersection(among)
    return set(heapq.nsmallest(rows, known, key=lambda name: sha256(name.encode()).digest()))
