"""Stored generations to a table with a verdict for each."""

from collections.abc import Mapping

import pandas as pd

from retu.config.graders import GraderSettings
from retu.evaluation.scores import (
    CUT_LIMIT,
    FINISHED,
    GRADE_COLUMNS,
    score_checkpoints,
)
from retu.grading.grader import refuse_golds
from retu.grading.service import GradingService

GRADER = "grader"
"""Column of grades: the name of the grader whose verdict it is."""


def grade_table(
    generations: pd.DataFrame,
    settings: GraderSettings,
    source: str = "generations",
    own: Mapping[str, GraderSettings] | None = None,
) -> pd.DataFrame:
    """Grade every row of a table of generations; the order is kept.

    Args:
        generations: columns step, benchmark, problem_id, sample, gold, generation.
        settings: the grader.
        source: how errors call the table.
        own: benchmarks that have a grader of their own.

    Returns:
        Columns `GRADE_COLUMNS`, `FINISHED`, which is null where the generations do not say whether
        the model ended them, and `GRADER`.

    Raises:
        InputError: a gold answer cannot be used: a benchmark of a study is mended, not cut.
    """
    graders = {name: (own or {}).get(name, settings) for name in generations["benchmark"].unique()}
    distinct = list(dict.fromkeys(grader.model_dump_json() for grader in graders.values()))
    parts = []
    for grader in map(GraderSettings.model_validate_json, distinct):
        names = [name for name, mine in graders.items() if mine == grader]
        rows = generations[generations["benchmark"].isin(names)]
        parts.append(grade_rows(rows, grader, source))
    return pd.concat(parts).loc[generations.index]


def grade_rows(generations: pd.DataFrame, settings: GraderSettings, source: str) -> pd.DataFrame:
    """The grades of rows by one grader, indexed as they are; see `grade_table`."""
    texts = generations["generation"].fillna("").astype(str).tolist()
    golds = generations["gold"].astype(str).tolist()
    with GradingService(settings) as service:
        read = service.read_golds(golds).values()
        refuse_golds((gold.reason for gold in read if not gold.usable), source)
        grades = service.grade(texts, golds)
    unknown = pd.Series(pd.NA, index=generations.index, dtype="boolean")
    table = generations[["step", "benchmark", "problem_id", "sample"]].assign(
        correct=[int(item.correct) for item in grades],
        parsed=[item.parsed for item in grades],
        reason=[item.reason for item in grades],
        **{FINISHED: generations.get(FINISHED, unknown).astype("boolean")},
        **{GRADER: settings.name},
    )
    return table[[*GRADE_COLUMNS, FINISHED, GRADER]]


def warn_of_cut_generations(table: pd.DataFrame, source: str) -> str:
    """A line on answers that the token limit cut, empty without any; a warning where many are."""
    scores = score_checkpoints(table, source)
    worst = scores.loc[[scores["cut_share"].fillna(0.0).idxmax()]].iloc[0]
    if not worst["cut_share"] > 0:
        return ""
    text = (
        f"{worst['cut_share']:.1%} of the answers on {worst['benchmark']} at step {worst['step']}"
        " were cut at the token limit (max_new_tokens), the highest share"
    )
    return f"warning: {source}: {text}" if worst["cut_share"] > CUT_LIMIT else text
