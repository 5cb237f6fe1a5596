"""Drawing all splits of the lab's data from one seed, strictly disjoint."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from retu.config.lab_study import ArithmeticData, BenchmarkProblems, ProblemCounts
from retu.core.errors import InputError
from retu.data.arithmetic import (
    ChainProblem,
    draw_chain_problem,
    draw_distinct_problems,
    write_document,
    write_trajectory,
)
from retu.data.arithmetic_forms import (
    add_options,
    draw_choices,
    list_options,
    write_choice_prompt,
    write_worded_prompt,
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


def make_choice_rows(drawn: list[tuple[ChainProblem, str, int]]) -> pd.DataFrame:
    """Rows of multiple choices: problem_id, prompt, gold, steps, options.

    The id is that of the chain: training on the chain would be a leak.
    """
    return pd.DataFrame(
        {
            "problem_id": [problem.identity for problem, _, _ in drawn],
            "prompt": [write_choice_prompt(problem, first) for problem, _, first in drawn],
            "gold": [letter for _, letter, _ in drawn],
            "steps": [len(problem.chain) for problem, _, _ in drawn],
            "options": [list_options(first) for _, _, first in drawn],
        }
    )


@dataclass(frozen=True)
class ProblemDrawer:
    """Draws the problems of one split after the other; `taken` are those of all before."""

    seed: int
    taken: set[str] = field(default_factory=set)

    def draw(self, name: str, counts: ProblemCounts) -> tuple[random.Random, list[ChainProblem]]:
        """The problems of a split, and its generator, seeded by the study's seed and its name.

        Raises:
            InputError: more problems than are left.
        """
        rng, where = random.Random(f"{self.seed}/{name}"), f"study: {name}"
        return rng, draw_distinct_problems(rng, counts.problems, counts.steps, self.taken, where)

    def draw_benchmark(self, name: str, made: BenchmarkProblems) -> pd.DataFrame:
        """The rows of a benchmark: problem_id, prompt, gold, steps, benchmark, perhaps options."""
        name = f"benchmarks.{name}"
        if made.form == "multiple_choice":
            rng, where = random.Random(f"{self.seed}/{name}"), f"study: {name}"
            return make_choice_rows(draw_choices(rng, made.problems, made.steps, self.taken, where))
        rng, problems = self.draw(name, made)
        frame = make_expert_rows(rng, problems).drop(columns="trajectory")
        if made.form == "worded":
            return frame.assign(prompt=[write_worded_prompt(rng, problem) for problem in problems])
        return frame

    def draw_benchmarks(
        self, benchmarks: Mapping[str, BenchmarkProblems]
    ) -> dict[str, pd.DataFrame]:
        """The rows of some benchmarks by name."""
        return {
            name: self.draw_benchmark(name, made).assign(benchmark=name)
            for name, made in benchmarks.items()
        }


def make_splits(
    data: ArithmeticData, benchmarks: Mapping[str, BenchmarkProblems]
) -> dict[str, pd.DataFrame]:
    """Draw benchmarks, validation, RL prompts, pool, reference, mixed and documents.

    Each split has a generator of its own, seeded by the study's seed and the split's name; a
    problem drawn for one split is never drawn for a later one, but for `mixed`, a part of the pool.
    Benchmarks of another form than chains are drawn after all that is trained on, so that adding
    one changes no other set but the documents.

    Returns:
        split name -> frame; `benchmarks` has one row per problem and a `benchmark` column.

    Raises:
        InputError: a split asks for more problems than exist.
    """
    drawer = ProblemDrawer(data.seed)
    chains = {name: made for name, made in benchmarks.items() if made.form == "chain"}
    others = {name: made for name, made in benchmarks.items() if name not in chains}
    frames = drawer.draw_benchmarks(chains)
    splits = {}
    for name in ("validation", "rl_prompts", "pool", "reference"):
        splits[name] = make_expert_rows(*drawer.draw(f"data.{name}", getattr(data, name)))
    splits["rl_prompts"] = splits["rl_prompts"].drop(columns="trajectory")
    frames |= drawer.draw_benchmarks(others)
    splits["benchmarks"] = pd.concat([frames[name] for name in benchmarks], ignore_index=True)
    splits["mixed"] = select_mixed_prompts(splits["pool"], data)
    splits["documents"] = draw_documents(data, drawer.taken)
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
    rate = data.documents.multiple_choice_rate
    lengths, weights = zip(*sorted(data.documents.steps.items()), strict=True)
    rows: list[tuple[str, str]] = []
    while len(rows) < data.documents.problems:
        problem = draw_unseen_problem(rng, rng.choices(lengths, weights)[0], held_out)
        text = write_document(rng, problem, wrong, data.boxed_rate)
        # Without options no number is drawn for them: the texts are those of earlier versions.
        if rate and rng.random() < rate:
            rows.append(add_options(rng, problem, text))
        else:
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
