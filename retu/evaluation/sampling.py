"""Answering problem sets with a model, as rows to store before anything is graded."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from retu.config.study import Sampling
from retu.core.errors import InputError
from retu.data.chat import encode_prompts
from retu.evaluation.generations import Engine

PROBLEM_COLUMNS = ("benchmark", "problem_id", "prompt", "gold")
ATTEMPT_COLUMNS = ("benchmark", "problem_id", "sample", "prompt", "gold")


def repeat_problems(problems: pd.DataFrame, samples: Mapping[str, int]) -> pd.DataFrame:
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


def check_log_probs(log_probs: Sequence[float], step: int) -> None:
    """Refuse the answers of a model whose probabilities are no numbers."""
    if not all(map(math.isfinite, log_probs)):
        raise InputError(
            f"step {step}: the model's probabilities are no numbers; lower learning_rate in the"
            " recipe that made it and run again"
        )


def sample_generations(
    engine: Engine,
    rows: pd.DataFrame,
    step: int,
    settings: Sampling,
    first: int = 0,
    every: int = 1,
) -> pd.DataFrame:
    """Sample an answer for every row of `attempts`, or of a part of it, with the model at `step`.

    Token ids are not kept: text and length are what is graded, and the ids would double the file.

    Args:
        rows: what to answer.
        step: of the model; steps have seeds of their own.
        settings: how to sample.
        first, every: the first row's place in the whole table, and how far apart rows are there.

    Returns:
        columns step, benchmark, problem_id, sample, prompt, gold, generation, n_tokens, finished,
        mean_log_prob (nats a token, under the distribution it was drawn from).

    Raises:
        InputError: the model's probabilities are no numbers.
    """
    different = rows["prompt"].unique().tolist()
    encoded = dict(zip(different, encode_prompts(engine.tokenizer, different), strict=True))
    prompts = [encoded[text] for text in rows["prompt"]]
    answers = engine.sample(prompts, settings, settings.seed + step, first, every)
    log_probs = [answer.mean_log_prob for answer in answers]
    check_log_probs(log_probs, step)
    return pd.DataFrame(
        {
            "step": step,
            **{name: rows[name] for name in ATTEMPT_COLUMNS},
            "generation": [answer.text for answer in answers],
            "n_tokens": [len(answer.token_ids) for answer in answers],
            "finished": [answer.is_finished for answer in answers],
            "mean_log_prob": log_probs,
        }
    )
