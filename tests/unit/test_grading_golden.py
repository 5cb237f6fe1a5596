"""Golden cases: every grader's verdict on every pair of `tests/golden/grading`.

A case is a line: gold, generation, the verdict of each grader (1, 0, or null where the grader
cannot use the gold answer) and the reason. A new one needs no code.
"""

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from workflow_scripts.grading.boxed import plain
from workflow_scripts.grading.grader import find, gold_problem, judge
from workflow_scripts.grading.service import Service
from workflow_scripts.grading.settings import GraderSettings, known_graders
from workflow_scripts.grading.symbolic import clearly_different, parse, verify
from workflow_scripts.grading.verdict import Grade

FOLDER = Path(__file__).resolve().parents[1] / "golden" / "grading"
DOCUMENT = (FOLDER.parents[2] / "docs" / "grading.md").read_text(encoding="utf-8")
FILES = sorted(FOLDER.glob("*.jsonl"))
ALWAYS = {"math_verify", "paper_lenient", "paper_strict"}


def read(path: Path) -> list[dict[str, Any]]:
    """The cases of a file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


CASES = [case for path in FILES for case in read(path)]


def test_cases_are_complete_and_many() -> None:
    for case in CASES:
        assert set(case) - {"multiple_choice"} == {"gold", "generation", "reason", *ALWAYS}
        assert {case[name] for name in known_graders() if name in case} <= {0, 1, None}
        assert case["reason"].strip()
    pairs = [(case["gold"], case["generation"]) for case in CASES]
    assert len(set(pairs)) == len(pairs) >= 300
    assert len(FILES) >= 15


@pytest.mark.parametrize("name", sorted(known_graders()))
def test_every_verdict_is_as_expected(name: str) -> None:
    cases = [case for case in CASES if name in case]
    golds = [case["gold"] for case in cases]
    with Service(GraderSettings(name, seconds=1), workers=2) as service:
        facts = service.read_golds(golds)
        verdicts = service.grade([case["generation"] for case in cases], golds)
    wrong = [
        f"{case['generation']!r} for {case['gold']!r}: {found}, not {case[name]} ({verdict})"
        for case, verdict in zip(cases, verdicts, strict=True)
        if (found := int(verdict.correct) if facts[case["gold"]].usable else None) != case[name]
    ]
    assert wrong == []
    assert {case[name] for case in cases} == {0, 1, None}


def test_graders_differ_in_both_directions() -> None:
    """The cases show each way in which two graders disagree."""
    verdicts = {tuple(case[name] for name in sorted(ALWAYS)) for case in CASES}
    assert verdicts >= {(0, 0, 0), (0, 1, 0), (0, 1, 1), (1, 0, 0), (1, 1, 0), (1, 1, 1)}


def test_the_documents_examples_are_golden_cases() -> None:
    rows = re.findall(
        r"^\| `(.*)` \| `(.*)` \| ([01]) \| ([01]) \| ([01]) \|", DOCUMENT, re.MULTILINE
    )
    names = ("math_verify", "paper_lenient", "paper_strict")
    known = {(c["gold"], c["generation"]): [c[name] for name in names] for c in CASES}
    assert len(rows) >= 8
    assert [known[row[0], row[1]] for row in rows] == [[int(v) for v in row[2:]] for row in rows]


def integers(count: int) -> list[tuple[str, str]]:
    """Random boxed integers and golds, written in several ways, often equal."""
    rng = random.Random(5)
    pairs = []
    for _ in range(count):
        gold = rng.choice([0, 7, -7, 10, rng.randint(-20, 20), rng.randint(-(10**15), 10**15)])
        given = gold if rng.random() < 0.5 else rng.choice([-gold, gold + 1, gold * 10, 0])
        form = rng.choice(["{}", " {} ", "+{}", "0{}", "-{}", "{}.0", "{}\n", "{},000", "{} {}"])
        pairs.append((rf"\boxed{{{form.format(given, given)}}}", str(gold)))
    return pairs


def test_a_verdict_without_the_engine_is_the_engines() -> None:
    settings = GraderSettings()
    known: list[tuple[str, str, Grade]] = []
    golden = [(find(case["generation"], settings), case["gold"]) for case in CASES]
    for answer, gold in [*golden, *integers(1500)]:
        quick = plain(answer, gold, settings) if isinstance(answer, str) else None
        if quick is not None:
            known.append((str(answer), gold, quick))
    assert len(known) > 300
    assert {verdict.correct for *_, verdict in known} == {True, False}
    assert [verdict for *_, verdict in known] == [judge(a, g, settings) for a, g, _ in known]


def test_what_is_clearly_different_the_engine_finds_different() -> None:
    """Golden pairs, and random pairs that are equal, nearly equal or far apart."""
    settings = GraderSettings()
    rng = random.Random(6)
    texts = [r"\frac{%d}{%d}", r"\sqrt{%d}+%d", "%d.%d", "%dx^2-%d", r"%d\pi+%d", "%d\\ln %d"]
    pairs = [
        (text % (rng.randint(1, 4), b := rng.randint(2, 5)), text % (rng.randint(1, 4), b))
        for text in texts
        for _ in range(12)
    ]
    pairs += [(case["gold"], case["generation"]) for case in CASES if case["math_verify"]]
    found = 0
    for gold, given in pairs:
        boxed = given if "boxed" in given else rf"\boxed{{{given}}}"
        wanted, answer = parse(rf"\boxed{{{gold}}}", "boxed"), parse(boxed, "boxed")
        if wanted and answer and clearly_different(wanted, answer, settings.float_rounding):
            found += 1
            assert not verify(wanted, answer, settings.float_rounding, strict=True), (gold, given)
    assert found > 30


def test_the_faster_parser_reads_what_the_librarys_own_reads() -> None:
    """The golden answers, by the parser in two stages and by full prediction alone."""
    from antlr4 import PredictionMode  # type: ignore[import-untyped]
    from latex2sympy2_extended import latex2sympy2
    from math_verify import parser

    settings = GraderSettings()
    texts = [
        answer
        for case in CASES
        if case["math_verify"] is not None
        and isinstance(answer := find(case["generation"], settings), str)
    ]
    quick = [repr(parse(text, "boxed")) for text in texts]
    two_stages = latex2sympy2.PSParser

    class FullParser(two_stages.__base__):  # type: ignore[misc, name-defined]
        def math(self) -> Any:
            self._interp.predictionMode = PredictionMode.LL
            return super().math()

    caches = (parser.parse_latex_cached, parser.extract_latex)
    try:
        latex2sympy2.PSParser = FullParser
        for cache in caches:
            cache.cache_clear()
        full = [repr(parse(text, "boxed")) for text in texts]
    finally:
        latex2sympy2.PSParser = two_stages
    assert len(texts) > 200
    assert quick == full


def test_golds_are_refused_alike_in_and_outside_the_service() -> None:
    golds = sorted({case["gold"] for case in CASES if len(case["gold"]) < 300})
    with Service(workers=1) as service:
        facts = service.read_golds(golds)
    problems = {gold: gold_problem(gold, GraderSettings()) for gold in golds}
    assert {gold: None if f.usable else f.reason for gold, f in facts.items()} == problems
