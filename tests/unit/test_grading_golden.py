"""Golden cases: the graders' verdicts on every pair of `tests/golden/grading` and `grading_kinds`.

A case is a line: gold, generation, the verdict of each grader (1, 0, or null where the grader
cannot use the gold answer), that of math-verify as it comes (`stock`), and the reason. Those of
`grading_kinds` follow the kinds of public reports and name the verdict of one of our graders. A
new one needs no code.
"""

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from retu.config.graders import GraderSettings, load_graders
from retu.grading.boxed import judge_integer_answer
from retu.grading.grade_verdict import Grade
from retu.grading.grader import describe_gold_problem, find_answer, grade, judge_answer
from retu.grading.reading.canonical_latex import clean_latex, show_tokens
from retu.grading.service import GradingService
from retu.grading.symbolic.symbolic_engine import parse_latex

FOLDER = Path(__file__).resolve().parents[1] / "golden" / "grading"
DOCUMENT = (FOLDER.parents[2] / "docs" / "grading.md").read_text(encoding="utf-8")
FILES = sorted(FOLDER.glob("*.jsonl"))
KIND_FILES = sorted((FOLDER.parent / "grading_kinds").glob("*.jsonl"))
ALWAYS = {"math_verify", "paper_lenient", "paper_strict"}


def read_golden_file(path: Path) -> list[dict[str, Any]]:
    """The cases of a file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


CASES = [case for path in FILES for case in read_golden_file(path)]
KINDS = [case for path in KIND_FILES for case in read_golden_file(path)]
# Every so many cases, so that asking the library stays a matter of seconds.
STOCK_STEP = 12
# The same for asking a worker; this process is asked for all.
SERVICE_STEP = 8


def test_cases_are_complete_and_many() -> None:
    for case in CASES:
        facts = {"gold", "generation", "reason", "stock"}
        assert set(case) - {"multiple_choice"} == facts | ALWAYS
        assert {case[name] for name in load_graders() if name in case} <= {0, 1, None}
        assert case["reason"].strip()
    pairs = [(case["gold"], case["generation"]) for case in CASES]
    assert len(set(pairs)) == len(pairs) >= 300
    assert len(FILES) >= 15


def test_every_kind_has_right_and_wrong_answers() -> None:
    for case in KINDS:
        assert len({"math_verify", "multiple_choice"} & set(case)) == 1
        assert case["reason"].strip()
        assert ("stock" in case) == ("math_verify" in case)
    pairs = [(case["gold"], case["generation"]) for case in KINDS]
    assert len(set(pairs)) == len(pairs) >= 900
    for path in KIND_FILES:
        verdicts = [
            case.get("math_verify", case.get("multiple_choice")) for case in read_golden_file(path)
        ]
        assert len(verdicts) >= 4
        assert {0, 1} <= set(verdicts), path.name


@pytest.mark.parametrize("name", sorted(load_graders()))
def test_every_verdict_is_as_expected(name: str) -> None:
    """In this process, where the graders share what the engine has read."""
    cases = [case for case in CASES + KINDS if name in case]
    settings = GraderSettings(name=name)
    wrong = [
        f"{case['generation']!r} for {case['gold']!r}: {found}, not {case[name]}"
        for case in cases
        if (found := verdict_here(case, settings)) != case[name]
    ]
    assert wrong == []
    assert {case[name] for case in cases} == {0, 1, None}


def verdict_here(case: dict[str, Any], settings: GraderSettings) -> int | None:
    """The verdict on a case in this process, None where the gold answer cannot be used."""
    if describe_gold_problem(case["gold"], settings):
        return None
    return int(grade(case["generation"], case["gold"], settings).correct)


@pytest.mark.parametrize("name", sorted(load_graders()))
def test_a_worker_gives_the_same_verdicts_in_time(name: str) -> None:
    """Each in a second of processor time, as rewards are computed."""
    cases = [case for case in CASES + KINDS if name in case][::SERVICE_STEP]
    golds = [case["gold"] for case in cases]
    with GradingService(GraderSettings(name=name, seconds=1), workers=1) as service:
        facts = service.read_golds(golds)
        verdicts = service.grade([case["generation"] for case in cases], golds)
    found = [
        int(verdict.correct) if facts[gold].usable else None
        for gold, verdict in zip(golds, verdicts, strict=True)
    ]
    assert found == [case[name] for case in cases]
    problems = {gold: describe_gold_problem(gold, GraderSettings(name=name)) for gold in golds}
    assert {gold: None if f.usable else f.reason for gold, f in facts.items()} == problems


def get_stock_verdict(gold: str, generation: str) -> int:
    """What math-verify says with its defaults, in this thread, where its own clock works."""
    import math_verify

    from retu.grading.paper_rules import MATH

    wanted = math_verify.parse(gold if MATH.search(gold) else f"${gold}$")
    return int(bool(math_verify.verify(wanted, math_verify.parse(generation))))


def test_the_librarys_own_verdicts_are_as_noted() -> None:
    cases = [case for case in CASES + KINDS if "stock" in case][::STOCK_STEP]
    assert len(cases) > 100
    wrong = [
        (case["gold"], case["generation"], case["stock"])
        for case in cases
        if get_stock_verdict(case["gold"], case["generation"]) != case["stock"]
    ]
    assert wrong == []


def test_graders_differ_in_both_directions() -> None:
    """The cases show each way in which two graders disagree."""
    verdicts = {tuple(case[name] for name in sorted(ALWAYS)) for case in CASES}
    assert verdicts >= {(0, 0, 0), (0, 1, 0), (0, 1, 1), (1, 0, 0), (1, 1, 0), (1, 1, 1)}


def test_the_documents_examples_are_golden_cases() -> None:
    rows = re.findall(
        r"^\| `(.*)` \| `(.*)` \| ([01]) \| ([01]) \| ([01]) \| ([01]) \|",
        DOCUMENT,
        re.MULTILINE,
    )
    names = ("math_verify", "stock", "paper_lenient", "paper_strict")
    known = {(c["gold"], c["generation"]): [c[name] for name in names] for c in CASES}
    assert len(rows) >= 8
    assert [known[row[0], row[1]] for row in rows] == [[int(v) for v in row[2:]] for row in rows]


def draw_boxed_integers(count: int) -> list[tuple[str, str]]:
    """Random boxed integers and golds, written in several ways, often equal."""
    rng = random.Random(5)
    pairs = []
    for _ in range(count):
        gold = rng.choice([0, 7, -7, 10, rng.randint(-20, 20), rng.randint(-(10**15), 10**15)])
        given = gold if rng.random() < 0.5 else rng.choice([-gold, gold + 1, gold * 10, 0])
        form = rng.choice(["{}", " {} ", "+{}", "0{}", "-{}", "{}.0", "{}\n", "{},000", "{} {}"])
        pairs.append((form.format(given, given), str(gold)))
    return pairs


def test_a_verdict_without_the_engine_is_the_engines() -> None:
    settings = GraderSettings()
    known: list[tuple[str, str, Grade]] = []
    golden = [(find_answer(case["generation"], settings), case["gold"]) for case in CASES]
    for answer, gold in [*golden, *draw_boxed_integers(1500)]:
        quick = judge_integer_answer(answer, gold, settings) if isinstance(answer, str) else None
        if quick is not None:
            known.append((str(answer), gold, quick))
    assert len(known) > 300
    assert {verdict.correct for *_, verdict in known} == {True, False}
    assert [verdict for *_, verdict in known] == [judge_answer(a, g, settings) for a, g, _ in known]


def find_readable_gold(case: dict[str, Any]) -> str | None:
    """The gold answer of a case as canonical LaTeX, where the engine reads it as it stands."""
    text = show_tokens(clean_latex(case["gold"])) if case["math_verify"] is not None else ""
    try:
        return text if text and parse_latex(text) is not None else None
    except Exception:  # the engine raises no type of its own
        return None


def test_the_faster_parser_reads_what_the_librarys_own_reads() -> None:
    """The golden answers, by the parser in two stages and by full prediction alone."""
    from antlr4 import PredictionMode  # type: ignore[import-untyped]
    from latex2sympy2_extended import latex2sympy2

    texts = sorted({text for text in map(find_readable_gold, CASES) if text})
    quick = [repr(parse_latex(text)) for text in texts]
    two_stages = latex2sympy2.PSParser

    class FullParser(two_stages.__base__):  # type: ignore[misc, name-defined]
        def math(self) -> Any:
            self._interp.predictionMode = PredictionMode.LL
            return super().math()

    try:
        latex2sympy2.PSParser = FullParser
        parse_latex.cache_clear()
        full = [repr(parse_latex(text)) for text in texts]
    finally:
        latex2sympy2.PSParser = two_stages
        parse_latex.cache_clear()
    assert len(texts) > 100
    assert quick == full
