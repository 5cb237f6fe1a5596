"""The rehearsal's made-up problems and sets: right answers, and the surprises that they promise."""

import re

import pytest
from hub_rows import make_source_rows

from retu.data.benchmark_sets import tabulate_benchmark
from retu.data.benchmark_sources import read_sources
from retu.data.expert_sets import read_rl_record, read_sft_record
from retu.planning.stages import ROOT
from retu.rehearsal.made_up_problems import ProblemSource, WordProblem
from retu.rehearsal.made_up_sets import (
    REPEATS,
    ProblemSets,
    draw_problems,
    group_benchmark_problems,
    make_cleaned_table,
    make_original_tables,
    make_rl_table,
    make_sft_tables,
)


@pytest.fixture(scope="module")
def drawn_problems() -> ProblemSets:
    """The problems of one seed."""
    return draw_problems(2512)


def test_products_come_first() -> None:
    problem = WordProblem((3, 4, 2), ("+", "*"), "What is {}?")
    assert problem.question == "What is 3 + 4 * 2?"
    assert problem.steps == ["4 * 2 = 8", "3 + 8 = 11"]
    assert problem.write_trajectory() == (
        "<think>4 * 2 = 8, 3 + 8 = 11</think> <answer>\\boxed{11}</answer>"
    )


def test_every_answer_is_what_python_makes_of_the_expression() -> None:
    for problem in ProblemSource(seed=1).take_problems(60, 2):
        expression = re.search(r"\d [-+*] \d [-+*] \d", problem.question)
        assert expression is not None
        assert problem.gold == str(eval(expression[0]))


def test_a_checked_trajectory_is_longer_and_ends_the_same() -> None:
    problem = ProblemSource(seed=2).take_problems(1, 2)[0]
    short, long = problem.write_trajectory(), problem.write_trajectory(checks=6)
    assert len(long) > 6 * len(", ".join(problem.steps))
    assert long.partition("</think>")[2] == short.partition("</think>")[2]


def test_no_question_is_drawn_twice(drawn_problems: ProblemSets) -> None:
    questions = [problem.question for part in vars(drawn_problems).values() for problem in part]
    assert len(set(questions)) == len(questions) > 450


def test_another_seed_draws_other_problems() -> None:
    assert draw_problems(1) == draw_problems(1) != draw_problems(2)


def test_sft_sets_are_read_by_the_real_reader(drawn_problems: ProblemSets) -> None:
    for table in make_sft_tables(drawn_problems).values():
        records = [read_sft_record(row) for row in make_source_rows(table)]
        assert len(records) == len(table)
        assert all(record["trajectory"].count("\\boxed{") == 1 for record in records)


def test_the_pool_has_other_abilities_and_prompts_that_both_sources_have(
    drawn_problems: ProblemSets,
) -> None:
    tables = make_sft_tables(drawn_problems)
    first, second = (
        {read_sft_record(row)["prompt"] for row in make_source_rows(tables[name])}
        for name in ("Distilled-A", "Distilled-B")
    )
    assert {row["ability"] for row in tables["Distilled-A"]} == {"math", "code"}
    assert len(first & second) == 6
    assert isinstance(tables["Distilled-A"][0]["extra_info"], dict)
    assert isinstance(tables["Distilled-B"][0]["extra_info"], str)


def test_some_rl_prompts_have_an_expert_and_some_are_benchmark_problems(
    drawn_problems: ProblemSets,
) -> None:
    prompts = {
        read_rl_record(row)["prompt"] for row in make_source_rows(make_rl_table(drawn_problems))
    }
    experts = {problem.question for problem in [*drawn_problems.full, *drawn_problems.long]}
    asked = {
        p.question
        for problems in group_benchmark_problems(drawn_problems).values()
        for p in problems
    }
    assert 0 < len(experts & prompts) < len(prompts) == len(make_rl_table(drawn_problems))
    planted = [drawn_problems.sums[0], *drawn_problems.full[:2], drawn_problems.full[-1]]
    assert prompts & asked == {problem.question for problem in planted}


def test_the_contest_is_repeated_in_the_cleaned_file(drawn_problems: ProblemSets) -> None:
    table = make_cleaned_table(drawn_problems)
    contest = [row for row in table if row["data_source"] == "rehearsal/contest"]
    assert len(contest) == REPEATS * len(drawn_problems.contest)
    assert len(table) == len(contest) + len(drawn_problems.sums) + len(drawn_problems.chains) + 3


def test_originals_have_the_same_problems_as_the_cleaned_file(drawn_problems: ProblemSets) -> None:
    originals = make_original_tables(drawn_problems)
    cleaned = {row["prompt"][0]["content"] for row in make_cleaned_table(drawn_problems)}
    free = {name: rows for name, rows in originals.items() if not name.endswith("labelled")}
    asked = {row.get("question") or row["problem"] for t in free.values() for row in t}
    assert asked == cleaned
    assert originals["sums"][0]["answer"].endswith(f"#### {drawn_problems.sums[0].gold}")


@pytest.mark.parametrize("name", ["labelled", "unlabelled"])
def test_multiple_choices_are_read_as_those_of_the_paper(
    name: str, drawn_problems: ProblemSets
) -> None:
    source = read_sources(ROOT / "studies" / "rehearsal" / "benchmarks.yaml").get_source(name)
    rows = make_original_tables(drawn_problems)[name]
    table = tabulate_benchmark(make_source_rows(rows), name, source)
    problems: list[WordProblem] = getattr(drawn_problems, name)
    for problem, row in zip(problems, table.to_dict("records"), strict=True):
        assert row["prompt"].startswith(f"{problem.question}\n\nA. ")
        assert row["options"]["ABCD".index(row["gold"])] == problem.gold
    assert len(set(table["gold"])) > 2
