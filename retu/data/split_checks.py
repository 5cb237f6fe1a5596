"""Checks on data before anything is trained on it."""

from collections.abc import Mapping

import pandas as pd

from retu.core.errors import InputError
from retu.data.benchmark_answers import format_options


def check_disjoint(frames: Mapping[str, pd.DataFrame]) -> None:
    """InputError if two splits share a problem, or one holds a problem twice.

    Splits are compared by prompt, as a leak would be: an identifier can differ, a prompt cannot.
    """
    owner: dict[str, str] = {}
    for name, frame in frames.items():
        repeated = frame["prompt"][frame["prompt"].duplicated()]
        if not repeated.empty:
            raise InputError(f"{name}: holds the prompt {repeated.iloc[0]!r} twice; remove one")
        for prompt in frame["prompt"]:
            other = owner.setdefault(prompt, name)
            if other != name:
                raise InputError(
                    f"{name}: shares the prompt {prompt!r} with {other}; evaluation and training"
                    " data must not overlap, remove it from one of them"
                )


def check_chains(frames: Mapping[str, pd.DataFrame]) -> None:
    """InputError if two splits of the lab share a chain, whatever the form in which it is asked."""
    owner: dict[str, str] = {}
    for name, frame in frames.items():
        for chain in frame["problem_id"]:
            other = owner.setdefault(chain, name)
            if other != name:
                raise InputError(
                    f"{name}: shares the chain {chain} with {other}; evaluation and training data"
                    " must not overlap, remove it from one of them"
                )


def add_bare_questions(problems: pd.DataFrame) -> pd.DataFrame:
    """Problems, and below them the questions of multiple choices without their options.

    A set that is trained on may have the question alone, which would be a leak as well.
    """
    if "options" not in problems:
        return problems
    choices = problems[problems["options"].notna()]
    questions = [
        str(prompt).replace(format_options(options), "")
        for prompt, options in zip(choices["prompt"], choices["options"], strict=True)
    ]
    known = set(problems["prompt"])
    bare = [question for question in dict.fromkeys(questions) if question not in known]
    return pd.concat([problems, pd.DataFrame({"prompt": bare})], ignore_index=True)


def check_lengths(lengths: list[int], limit: int, where: str, remedy: str) -> None:
    """InputError if a tokenised row is longer than `limit`; names the first such row."""
    for index, length in enumerate(lengths):
        if length > limit:
            raise InputError(f"{where}: row {index} has {length} tokens, above {limit}; {remedy}")
