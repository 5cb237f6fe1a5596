"""Answering problem sets with a model, as rows to store before anything is graded."""

from collections.abc import Mapping

import pandas as pd

from workflow_scripts.errors import InputError
from workflow_scripts.evaluation.engines import Engine
from workflow_scripts.study.schema import Sampling

PROBLEM_COLUMNS = ("benchmark", "problem_id", "prompt", "gold")


def attempts(problems: pd.DataFrame, samples: Mapping[str, int]) -> pd.DataFrame:
    """Repeat every problem of each wanted benchmark as often as it is sampled.

    Raises:
        InputError: a benchmark to sample has no problems.
    """
    absent = sorted(set(samples) - set(problems["benchmark"]))
    if absent:
        raise InputError(f"benchmarks: no problems for {', '.join(absent)}; make the data again")
    wanted = problems[problems["benchmark"].isin(list(samples))].reset_index(drop=True)
    repeats = wanted["benchmark"].map(dict(samples))
    rows = wanted.loc[wanted.index.repeat(repeats), list(PROBLEM_COLUMNS)].reset_index(drop=True)
    rows["sample"] = rows.groupby(["benchmark", "problem_id"]).cumcount()
    return rows


def generate(engine: Engine, rows: pd.DataFrame, step: int, settings: Sampling) -> pd.DataFrame:
    """Sample an answer for every row of `attempts` with the model at `step`.

    Returns:
        columns step, benchmark, problem_id, sample, prompt, gold, generation, n_tokens, finished.
    """
    answers = engine.sample(rows["prompt"].tolist(), settings, seed=settings.seed + step)
    return pd.DataFrame(
        {
            "step": step,
            **{
                name: rows[name] for name in ("benchmark", "problem_id", "sample", "prompt", "gold")
            },
            "generation": [answer.text for answer in answers],
            "n_tokens": [answer.tokens for answer in answers],
            "finished": [answer.finished for answer in answers],
        }
    )
