"""SFT sets drawn from the pool: what is left out, and what is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from retu.core.tables import read_table
from retu.data.set_rules import hash_prompt
from retu.data.set_selection import compute_win_rates, select_sft_rows
from retu.data.split_checks import add_bare_questions, check_disjoint
from retu.data.stored_rows import RowIndices, read_columns
from retu.data.stored_sets import check_stored, read_frame
from retu.planning.jobs import SelectJob

ROW_INDEX = "place"


@dataclass(frozen=True)
class DrawnRows:
    """Rows of the pool in the order of the draw, columns to add to them, and rows held out."""

    rows: RowIndices
    added: pd.DataFrame
    held_out: int


def draw_sft_set(
    job: SelectJob, pool: Path, grades: Sequence[Path], judged: Sequence[Path]
) -> DrawnRows:
    """Draw an SFT set.

    Args:
        job: how many rows of which win rate, and what to do about an overlap.
        pool: the stored trajectories.
        grades: attempts of the reference model at the pool, which give the win rates; may be none.
        judged: the sets whose prompts must not be in it.

    Raises:
        InputError: too few rows, no win rates where they are asked for, or a prompt of `judged`.
    """
    check_stored(pool, ("problem_id", "prompt", "gold", "trajectory"))
    graded = [read_table(path, ("problem_id", "correct")) for path in grades]
    rates = compute_win_rates(pd.concat(graded)) if graded else None
    rows = read_columns(pool, "problem_id")
    rows[ROW_INDEX] = range(len(rows))
    outside = rows if job.overlap == "error" else exclude_judged_prompts(rows, judged)
    chosen = select_sft_rows(outside, rates, job.name, job.dataset)
    if job.overlap == "error":
        check_selected_set(chosen, pool, judged, job.name)
    added = chosen.drop(columns=["problem_id", ROW_INDEX])
    return DrawnRows(chosen[ROW_INDEX].to_numpy(), added, len(rows) - len(outside))


def exclude_judged_prompts(pool: pd.DataFrame, judged: Sequence[Path]) -> pd.DataFrame:
    """The pool without what the set is judged on; its ids are hashes of prompts."""
    frames = [read_frame(path, ("prompt",)) for path in judged]
    judging = map(add_bare_questions, frames)
    prompts = {hash_prompt(prompt) for frame in judging for prompt in frame["prompt"]}
    return pool[~pool["problem_id"].isin(prompts)].reset_index(drop=True)


def check_selected_set(chosen: pd.DataFrame, pool: Path, judged: Sequence[Path], name: str) -> None:
    """InputError if the set shares a prompt with what it is judged on."""
    prompts = read_columns(pool, "prompt")
    frames = {str(path): add_bare_questions(read_frame(path, ("prompt",))) for path in judged}
    check_disjoint({**frames, f"data set {name}": prompts.iloc[chosen[ROW_INDEX]]})
