"""Drawing all splits of the lab's data from one seed, strictly disjoint."""

import random

import pandas as pd

from retu.config.lab_study import ArithmeticData, ProblemCounts
from retu.core.errors import InputError
from retu.data.arithmetic import (
    ChainProblem,
    draw_chain_problem,
    draw_distinct_problems,
    write_document,
    write_trajectory,
)

EXPERT_SPLITS = ("benchmarks", "validation", "rl_prompts", "pool", "reference")
SPLITS = (*EXPERT_SPLITS, "mixed", "documents")


def make_expert_rows(rng: random.Random, problems: list[ChainProblem]) -> pd.DataFrame:
    """Rows of an expert split: problem_id, prompt, gold, steps, trajectory."""
    return pd.DataFrame(
        {
            "problem_id": [problem.identity for problem in problems],
            "prompt": [problem.prompt for problem in problems],
            "gold": [problem.answer for problem in problems],
            "steps": [len(problem.chain) for problem in problems],
            "trajectory": [write_trajectory(rng, problem) for problem in problems],
        }
    )


def make_splits(
    data: ArithmeticData, benchmarks: dict[str, ProblemCounts]
) -> dict[str, pd.DataFrame]:
    """Draw benchmarks, validation, RL prompts, pool, reference, mixed and documents.

    Each split has a generator of its own, seeded by the study's seed and the split's name; a
    problem drawn for one split is never drawn for a later one, but for `mixed`, a part of the pool.

    Returns:
        split name -> frame; `benchmarks` has one row per problem and a `benchmark` column.

    Raises:
        InputError: a split asks for more problems than exist.
    """
    taken: set[str] = set()

    def split(
        name: str, problems: int, steps: dict[int, float]
    ) -> tuple[random.Random, list[ChainProblem]]:
        rng = random.Random(f"{data.seed}/{name}")
        return rng, draw_distinct_problems(rng, problems, steps, taken, f"study: {name}")

    frames = []
    for name, benchmark in benchmarks.items():
        frame = make_expert_rows(*split(f"benchmarks.{name}", benchmark.problems, benchmark.steps))
        frames.append(frame.drop(columns="trajectory").assign(benchmark=name))
    splits = {"benchmarks": pd.concat(frames, ignore_index=True)}
    for name in ("validation", "rl_prompts", "pool", "reference"):
        section = getattr(data, name)
        splits[name] = make_expert_rows(*split(f"data.{name}", section.problems, section.steps))
    splits["rl_prompts"] = splits["rl_prompts"].drop(columns="trajectory")
    splits["mixed"] = select_mixed_prompts(splits["pool"], data)
    splits["documents"] = draw_documents(data, taken)
    return splits


def select_mixed_prompts(pool: pd.DataFrame, data: ArithmeticData) -> pd.DataFrame:
    """RL prompts that have an expert trajectory, as the paper's MIX37K: rows of the pool.

    Raises:
        InputError: more rows than the pool has.
    """
    if data.mixed > len(pool):
        raise InputError(f"study: data.mixed: is {data.mixed}, but the pool has {len(pool)} rows")
    rng = random.Random(f"{data.seed}/data.mixed")
    chosen = pool.iloc[sorted(rng.sample(range(len(pool)), data.mixed))]
    return chosen.rename(columns={"trajectory": "expert"}).reset_index(drop=True)


def draw_documents(data: ArithmeticData, held_out: set[str]) -> pd.DataFrame:
    """Pre-training texts; repeats are allowed, problems of any other split are not."""
    rng = random.Random(f"{data.seed}/data.documents")
    wrong = {str(operator): rate for operator, rate in data.wrong_result_rate.items()}
    lengths, weights = zip(*sorted(data.documents.steps.items()), strict=True)
    rows: list[tuple[str, str]] = []
    while len(rows) < data.documents.problems:
        problem = draw_unseen_problem(rng, rng.choices(lengths, weights)[0], held_out)
        text = write_document(rng, problem, wrong, data.boxed_rate)
        rows.append((problem.prompt, text))
    return pd.DataFrame(rows, columns=["prompt", "trajectory"])


def draw_unseen_problem(rng: random.Random, steps: int, held_out: set[str]) -> ChainProblem:
    """Draw a problem of given length outside `held_out`."""
    for _ in range(1000):
        problem = draw_chain_problem(rng, steps)
        if problem.identity not in held_out:
            return problem
    raise InputError(
        f"study: data.documents.steps: no problem of {steps} steps is left; raise the chain length"
    )
