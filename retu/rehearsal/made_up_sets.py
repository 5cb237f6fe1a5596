"""The rehearsal's data sets as tables in the authors' columns, with what real files surprise by.

| repository | form | surprises |
|---|---|---|
| SFT-full | sft, structs | some trajectories are too long for matching |
| S1K | sft, JSON in texts | trajectories are longer than a training row and get cut |
| Distilled-A, Distilled-B | sft, structs and JSON | other abilities, prompts twice, too long ones |
| Val | sft, structs | |
| RL | rl | only some prompts have an expert; long ones; one is a benchmark problem |
| benchmark | prompt, reward_model, data_source | the contest is repeated; some were trained on |
"""

import json
from dataclasses import dataclass
from typing import Any

from retu.rehearsal.made_up_problems import CHINESE, Problem, Source

Row = dict[str, Any]
Table = list[Row]
REPEATS = 4
"""How often a contest problem is in the benchmark file: the paper's AIME is there 16 times."""
CHECKS = 6
"""Checks that make a trajectory longer than a training row."""
LONG_PROMPT = "Read this slowly, twice if you must, and do not hurry at all. " * 6


@dataclass(frozen=True)
class Problems:
    """Who gets which problems."""

    full: list[Problem]
    long: list[Problem]
    small: list[Problem]
    pool_a: list[Problem]
    pool_b: list[Problem]
    code: list[Problem]
    chinese: list[Problem]
    validation: list[Problem]
    prompts: list[Problem]
    sums: list[Problem]
    chains: list[Problem]
    contest: list[Problem]


def draw_problems(seed: int) -> Problems:
    """Draw all problems; no two of them are the same."""
    source = Source(seed)
    return Problems(
        full=source.take(180, 1) + source.take(100, 2),
        long=source.take(8, 2),
        small=source.take(24, 2),
        pool_a=source.take(24, 1) + source.take(16, 2),
        pool_b=source.take(16, 1) + source.take(16, 2),
        code=source.take(8, 1),
        chinese=source.take(6, 1, CHINESE),
        validation=source.take(30, 1) + source.take(19, 2),
        prompts=source.take(24, 1) + source.take(8, 2),
        sums=source.take(22, 1),
        chains=source.take(15, 2),
        contest=source.take(6, 2),
    )


def sft_row(problem: Problem, checks: int = 0, ability: str = "math", as_text: bool = False) -> Row:
    """A row of an SFT file; its structs are JSON in texts where `as_text` says so."""
    structs = {
        "extra_info": {"question": problem.question, "answer": problem.trajectory(checks)},
        "reward_model": {"ground_truth": problem.gold, "style": "rule"},
    }
    cells = {k: json.dumps(v, ensure_ascii=False) if as_text else v for k, v in structs.items()}
    return {"data_source": "rehearsal", "ability": ability, **cells}


def rl_row(problem: Problem, before: str = "", source: str = "rehearsal") -> Row:
    """A row of an RL or benchmark file."""
    return {
        "prompt": [{"role": "user", "content": before + problem.question}],
        "reward_model": {"ground_truth": problem.gold, "style": "rule"},
        "data_source": source,
    }


def sft_tables(drawn: Problems) -> dict[str, Table]:
    """Repository -> rows of its SFT file."""
    full = [sft_row(problem) for problem in drawn.full]
    full += [sft_row(problem, CHECKS) for problem in drawn.long]
    a = [sft_row(problem) for problem in [*drawn.pool_a, *drawn.chinese]]
    a += [sft_row(problem, ability="code") for problem in drawn.code]
    repeated = drawn.pool_a[:6]
    b = [sft_row(problem, as_text=True) for problem in [*repeated, *drawn.pool_b]]
    b += [sft_row(problem, 2 * CHECKS, as_text=True) for problem in drawn.long]
    return {
        "SFT-full": full,
        "S1K": [sft_row(problem, CHECKS, as_text=True) for problem in drawn.small],
        "Distilled-A": a,
        "Distilled-B": b,
        "Val": [sft_row(problem) for problem in drawn.validation],
    }


def rl_table(drawn: Problems) -> Table:
    """Prompts with an expert, some without, some whose expert or prompt is too long."""
    shared = [rl_row(problem) for problem in [*drawn.full[:40], *drawn.full[-24:]]]
    others = [rl_row(problem) for problem in [*drawn.long, *drawn.prompts, drawn.sums[0]]]
    return shared + others + [rl_row(p, LONG_PROMPT) for p in drawn.validation[:3]]


def benchmark_problems(drawn: Problems) -> dict[str, list[Problem]]:
    """Benchmark -> its problems; two of the sums and one of the chains were trained on."""
    return {
        "sums": [*drawn.sums, *drawn.full[:2]],
        "chains": [*drawn.chains, drawn.full[-1]],
        "contest": drawn.contest,
    }


def cleaned_table(drawn: Problems) -> Table:
    """All benchmarks in one file, as the authors have theirs."""
    rows = []
    for name, problems in benchmark_problems(drawn).items():
        once = [rl_row(problem, source=f"rehearsal/{name}") for problem in problems]
        rows += once * (REPEATS if name == "contest" else 1)
    return rows


def original_tables(drawn: Problems) -> dict[str, Table]:
    """Repository -> its benchmark in a form of its own, as those of the hub."""
    problems = benchmark_problems(drawn)
    return {
        "sums": [
            {"question": p.question, "answer": f"{'; '.join(p.steps)}\n#### {p.gold}"}
            for p in problems["sums"]
        ],
        **{
            name: [
                {"id": f"{name}-{i}", "problem": p.question, "answer": p.gold}
                for i, p in enumerate(problems[name])
            ]
            for name in ("chains", "contest")
        },
    }
