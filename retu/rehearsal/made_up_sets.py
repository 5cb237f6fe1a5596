"""The rehearsal's data sets as tables in the authors' columns, with what real files surprise by.

| repository | form | surprises |
|---|---|---|
| SFT-full | sft, structs | some trajectories are too long for matching |
| S1K | sft, JSON in texts | trajectories are longer than a training row and get cut |
| Distilled-A, Distilled-B | sft, structs and JSON | other abilities, prompts twice, too long ones |
| Val | sft, structs | |
| RL | rl | only some prompts have an expert; long ones; one is a benchmark problem |
| benchmark | prompt, reward_model, data_source | the contest is repeated; some were trained on |
| labelled | multiple choice in ARC's columns | every other row has the labels 1 to 4 |
| unlabelled | multiple choice in GPQA's columns | options have no order |
"""

import json
from dataclasses import dataclass
from typing import Any

from retu.rehearsal.made_up_problems import CHINESE, ProblemSource, WordProblem

TableRow = dict[str, Any]
TableRows = list[TableRow]
REPEATS = 4
"""How often a contest problem is in the benchmark file: the paper's AIME is there 16 times."""
TRAJECTORY_CHECKS = 6
"""Checks that make a trajectory longer than a training row."""
LONG_PROMPT = "Read this slowly, twice if you must, and do not hurry at all. " * 6


@dataclass(frozen=True)
class ProblemSets:
    """Who gets which problems."""

    full: list[WordProblem]
    long: list[WordProblem]
    small: list[WordProblem]
    pool_a: list[WordProblem]
    pool_b: list[WordProblem]
    code: list[WordProblem]
    chinese: list[WordProblem]
    validation: list[WordProblem]
    prompts: list[WordProblem]
    sums: list[WordProblem]
    chains: list[WordProblem]
    contest: list[WordProblem]
    labelled: list[WordProblem]
    unlabelled: list[WordProblem]


def draw_problems(seed: int) -> ProblemSets:
    """Draw all problems; no two of them are the same."""
    source = ProblemSource(seed)
    return ProblemSets(
        full=source.take_problems(180, 1) + source.take_problems(100, 2),
        long=source.take_problems(8, 2),
        small=source.take_problems(24, 2),
        pool_a=source.take_problems(24, 1) + source.take_problems(16, 2),
        pool_b=source.take_problems(16, 1) + source.take_problems(16, 2),
        code=source.take_problems(8, 1),
        chinese=source.take_problems(6, 1, CHINESE),
        validation=source.take_problems(30, 1) + source.take_problems(19, 2),
        prompts=source.take_problems(24, 1) + source.take_problems(8, 2),
        sums=source.take_problems(22, 1),
        chains=source.take_problems(15, 2),
        contest=source.take_problems(6, 2),
        labelled=source.take_problems(12, 1),
        unlabelled=source.take_problems(8, 1),
    )


def make_sft_row(
    problem: WordProblem, checks: int = 0, ability: str = "math", as_text: bool = False
) -> TableRow:
    """A row of an SFT file; its structs are JSON in texts where `as_text` says so."""
    structs = {
        "extra_info": {"question": problem.question, "answer": problem.write_trajectory(checks)},
        "reward_model": {"ground_truth": problem.gold, "style": "rule"},
    }
    cells = {k: json.dumps(v, ensure_ascii=False) if as_text else v for k, v in structs.items()}
    return {"data_source": "rehearsal", "ability": ability, **cells}


def make_rl_row(problem: WordProblem, before: str = "", source: str = "rehearsal") -> TableRow:
    """A row of an RL or benchmark file."""
    return {
        "prompt": [{"role": "user", "content": before + problem.question}],
        "reward_model": {"ground_truth": problem.gold, "style": "rule"},
        "data_source": source,
    }


def make_sft_tables(drawn: ProblemSets) -> dict[str, TableRows]:
    """Repository -> rows of its SFT file."""
    full = [make_sft_row(problem) for problem in drawn.full]
    full += [make_sft_row(problem, TRAJECTORY_CHECKS) for problem in drawn.long]
    a = [make_sft_row(problem) for problem in [*drawn.pool_a, *drawn.chinese]]
    a += [make_sft_row(problem, ability="code") for problem in drawn.code]
    repeated = drawn.pool_a[:6]
    b = [make_sft_row(problem, as_text=True) for problem in [*repeated, *drawn.pool_b]]
    b += [make_sft_row(problem, 2 * TRAJECTORY_CHECKS, as_text=True) for problem in drawn.long]
    return {
        "SFT-full": full,
        "S1K": [make_sft_row(problem, TRAJECTORY_CHECKS, as_text=True) for problem in drawn.small],
        "Distilled-A": a,
        "Distilled-B": b,
        "Val": [make_sft_row(problem) for problem in drawn.validation],
    }


def make_rl_table(drawn: ProblemSets) -> TableRows:
    """Prompts with an expert, some without, some whose expert or prompt is too long."""
    shared = [make_rl_row(problem) for problem in [*drawn.full[:40], *drawn.full[-24:]]]
    others = [make_rl_row(problem) for problem in [*drawn.long, *drawn.prompts, drawn.sums[0]]]
    return shared + others + [make_rl_row(p, LONG_PROMPT) for p in drawn.validation[:3]]


def group_benchmark_problems(drawn: ProblemSets) -> dict[str, list[WordProblem]]:
    """Benchmark -> its problems; two of the sums and one of the chains were trained on."""
    return {
        "sums": [*drawn.sums, *drawn.full[:2]],
        "chains": [*drawn.chains, drawn.full[-1]],
        "contest": drawn.contest,
    }


def make_cleaned_table(drawn: ProblemSets) -> TableRows:
    """All benchmarks in one file, as the authors have theirs."""
    rows = []
    for name, problems in group_benchmark_problems(drawn).items():
        once = [make_rl_row(problem, source=f"rehearsal/{name}") for problem in problems]
        rows += once * (REPEATS if name == "contest" else 1)
    return rows


def make_original_tables(drawn: ProblemSets) -> dict[str, TableRows]:
    """Repository -> its benchmark in a form of its own, as those of the hub."""
    problems = group_benchmark_problems(drawn)
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
        "labelled": [make_labelled_row(i, p) for i, p in enumerate(drawn.labelled)],
        "unlabelled": [make_unlabelled_row(i, p) for i, p in enumerate(drawn.unlabelled)],
    }


def list_near_results(problem: WordProblem) -> list[str]:
    """The right result and three others near it, the right one first."""
    return [str(int(problem.gold) + away) for away in (0, 1, -1, 10)]


def make_labelled_row(place: int, problem: WordProblem) -> TableRow:
    """A row in ARC's columns; the right option moves from row to row."""
    texts = list_near_results(problem)
    turned = [*texts[-(place % len(texts)) :], *texts[: -(place % len(texts))]]
    labels = list("1234" if place % 2 else "ABCD")
    return {
        "id": f"labelled-{place}",
        "question": problem.question,
        "choices": {"text": turned, "label": labels},
        "answerKey": labels[turned.index(problem.gold)],
    }


def make_unlabelled_row(place: int, problem: WordProblem) -> TableRow:
    """A row in GPQA's columns."""
    right, *wrong = list_near_results(problem)
    options = {f"Incorrect Answer {i}": text for i, text in enumerate(wrong, start=1)}
    cells = {"Record ID": f"unlabelled-{place}", "Question": problem.question}
    return {**cells, "Correct Answer": right, **options}
