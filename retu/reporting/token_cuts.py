"""Answers that the token limit cut, beside the scores that they may have lowered."""

import math
from collections.abc import Sequence

import pandas as pd

from retu.core.markdown import MISSING, format_number
from retu.core.text import format_rest
from retu.evaluation.scores import CUT_LIMIT
from retu.reporting.tidy_files import NO_DATASET, RUN_COLUMNS

CUT_SHARE = "cut_share"
CUT_HEADER = "Cut (%)"
MAX_LISTED_POINTS = 3
"""How many places a warning names."""


def ensure_cut_share(curves: pd.DataFrame) -> pd.DataFrame:
    """The curves with a share of cut answers, NaN where an older or another's table has none."""
    return curves if CUT_SHARE in curves else curves.assign(**{CUT_SHARE: math.nan})


def add_cuts(branches: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Add to a table of branches the highest share of cut answers at any point of each.

    Args:
        branches: one row per branch and seed, with the columns `BRANCH`.
        curves: overall rows of curves.csv.
    """
    runs = ensure_cut_share(curves).groupby(list(RUN_COLUMNS), sort=False)
    highest = runs[CUT_SHARE].max().reset_index()
    return branches.merge(highest, on=list(RUN_COLUMNS), how="left")


def format_cut_columns(shares: Sequence[float]) -> list[tuple[str, bool, list[str]]]:
    """A column of a text table for shares of cut answers; none where nothing is known."""
    values = [float(share) for share in shares]
    if not any(map(math.isfinite, values)):
        return []
    return [
        (
            CUT_HEADER,
            True,
            [format_number(100 * v) if math.isfinite(v) else MISSING for v in values],
        )
    ]


def describe_cut_answers(curves: pd.DataFrame) -> list[str]:
    """Sentences on cut answers: the highest share, and a warning where there are too many.

    Args:
        curves: overall rows of curves.csv. Without any share, no sentence.
    """
    known = ensure_cut_share(curves).dropna(subset=[CUT_SHARE])
    if known.empty:
        return []
    ranked = known.sort_values(CUT_SHARE, ascending=False, kind="stable")
    top = ranked.iloc[0]
    if not top[CUT_SHARE] > CUT_LIMIT:
        return [
            f"Answers cut at the token limit: at most {format_number(100 * top[CUT_SHARE])}% of a"
            f" point's."
        ]
    many = ranked[ranked[CUT_SHARE] > CUT_LIMIT]
    places = [
        f"{format_number(100 * row[CUT_SHARE])}% at {name_point(row)}" for _, row in many.iterrows()
    ]
    distinct = list(dict.fromkeys(places))
    rest = format_rest(len(distinct), MAX_LISTED_POINTS)
    return [
        f"Warning: more than {CUT_LIMIT:.0%} of the answers were cut at the token limit"
        f" ({'; '.join(distinct[:MAX_LISTED_POINTS])}{rest}): these scores are lower bounds, raise"
        " max_new_tokens."
    ]


def name_point(row: pd.Series) -> str:
    """Where a point of a curve lies, in words."""
    start = [] if row["dataset"] == NO_DATASET else [str(row["dataset"])]
    step = [f"SFT step {int(row['sft_step'])}"] if row["sft_step"] else []
    rl = [f"{row['paradigm']} step {int(row['rl_step'])}"] if row["rl_step"] else []
    return ", ".join([*start, *step, *rl]) or "the base model"
