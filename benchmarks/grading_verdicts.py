"""Verdicts of several graders on the golden cases, each beside what is right.

`benchmarks/grading.py` prints the table; `grading_peers.py` asks graders in environments of their
own.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

from retu.grading.service import GradingService


def read_cases() -> list[dict[str, Any]]:
    """Golden cases with a verdict of the default grader."""
    folder = Path(__file__).resolve().parents[1] / "tests" / "golden"
    files = sorted([*folder.glob("grading/*.jsonl"), *folder.glob("grading_kinds/*.jsonl")])
    cases = [
        json.loads(line) for file in files for line in file.read_text("utf-8").split("\n") if line
    ]
    return [case for case in cases if case.get("math_verify") is not None]


def compare_peers(pythons: list[str], workers: int) -> list[dict[str, object]]:
    """Verdicts of several graders on the golden cases, each beside what is right."""
    cases = read_cases()
    texts, golds = [case["generation"] for case in cases], [case["gold"] for case in cases]
    with GradingService(workers=workers) as service:
        ours = [int(verdict.correct) for verdict in service.grade(texts, golds)]
    verdicts = {"math_verify (ours)": ours, "math-verify, defaults": [c["stock"] for c in cases]}
    pairs = [{"gold": case["gold"], "generation": case["generation"]} for case in cases]
    request = "".join(json.dumps(pair) + "\n" for pair in pairs)
    script = Path(__file__).with_name("grading_peers.py")
    for python in pythons:
        done = subprocess.run(
            [python, str(script)], input=request, capture_output=True, text=True, check=True
        )
        verdicts |= json.loads(done.stdout.splitlines()[-1])
    right = [case["math_verify"] for case in cases]
    return [count_verdicts(name, found, right) for name, found in verdicts.items()]


def count_verdicts(name: str, found: list[int], right: list[int]) -> dict[str, object]:
    """How many verdicts of a grader are wrong, and which way."""
    pairs = list(zip(found, right, strict=True))
    return {
        "grader": name,
        "cases": len(pairs),
        "wrong": sum(a != b for a, b in pairs),
        "right answers refused": sum(a < b for a, b in pairs),
        "wrong answers paid": sum(a > b for a, b in pairs),
    }
