"""What a drawn SFT set leaves out, and whether it is large enough."""

from argparse import Namespace

import pandas as pd

from retu.data.set_rules import hash_prompt
from retu.data.split_checks import check_disjoint
from retu.data.stored_rows import read_columns
from retu.data.stored_sets import read_frame

ROW_INDEX = "place"


def exclude_judged_prompts(pool: pd.DataFrame, given: Namespace) -> pd.DataFrame:
    """The pool without what the set is judged on; its ids are hashes of prompts."""
    frames = [read_frame(path, ("prompt",)) for path in (given.benchmarks, given.validation)]
    judged = {hash_prompt(prompt) for frame in frames for prompt in frame["prompt"]}
    return pool[~pool["problem_id"].isin(judged)].reset_index(drop=True)


def check_selected_set(chosen: pd.DataFrame, given: Namespace, name: str) -> None:
    """InputError if the set shares a prompt with what it is judged on."""
    prompts = read_columns(given.pool, "prompt")
    judged = (given.benchmarks, given.validation)
    frames = {str(path): read_frame(path, ("prompt",)) for path in judged}
    check_disjoint({**frames, f"data set {name}": prompts.iloc[chosen[ROW_INDEX]]})
