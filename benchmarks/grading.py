r"""Speed and safety of the grading service.

    python benchmarks/grading.py [--pairs 2000] [--unreadable 10000] [--random 10000] [--workers 2]
        [--peers PYTHON ...]

Prints four tables: throughput beside math-verify called one pair after the other in one process,
on a mix of answer types, with the same verdicts; what outputs without a final answer earn (goal:
nothing); what becomes of unreadable answers; and verdicts on the golden cases beside those of
other graders, which `grading_peers.py` asks in environments of their own:

    python -m venv peers && peers/bin/pip install mathruler pylatexenc "lm_eval[math]"
    python benchmarks/grading.py --peers peers/bin/python

Everything is drawn from a seed.
"""

import argparse
import logging
import random
import resource
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import math_verify
import pandas as pd
from grading_verdicts import compare_peers
from latex2sympy2_extended import NormalizationConfig

from retu.config.graders import GraderSettings
from retu.grading.extraction import find_last_boxes
from retu.grading.service import GradingService

Pairs = list[tuple[str, str]]
PROSE = (
    "Let us write down what is known and simplify step by step. ",
    "We have $a + b = 12$ and therefore $2a = 12 - b$. ",
    "Substituting gives \\[ x^2 - 4x + 4 = 0 \\] which is a square. ",
    "This holds for every case that we need, as one can check. ",
    "Wait, that is not right; let me do the last line again. ",
)
# Share of each type, roughly as in the benchmarks: mostly integers (GSM8K is 61% of the score).
MIX = {
    "integers": 0.55,
    "fractions": 0.12,
    "decimals": 0.06,
    "radicals": 0.07,
    "sets": 0.05,
    "intervals": 0.04,
    "tuples": 0.04,
    "polynomials": 0.04,
    "text": 0.03,
}


def make_answer_text(kind: str, rng: random.Random) -> str:
    """A random answer of a type, in LaTeX."""
    a, b, c = rng.randint(1, 40), rng.randint(2, 40), rng.randint(2, 9)
    return {
        "integers": f"{rng.randint(-50, 5000)}",
        "fractions": rf"\frac{{{a}}}{{{b}}}",
        "decimals": f"{a}.{b}",
        "radicals": rf"{c}\sqrt{{{b}}}",
        "sets": rf"\{{{a}, {b}, {c}\}}",
        "intervals": rf"[{-a}, {b})",
        "tuples": rf"({a}, {b}, {c})",
        "polynomials": rf"{c}x^2 + {a}x - {b}",
        "text": rf"\text{{{rng.choice(('Tuesday', 'Friday', 'even', 'odd', 'ellipse'))}}}",
    }[kind]


def make_realistic_pairs(count: int, samples: int, rng: random.Random) -> Pairs:
    """`count` generations, `samples` a problem; half right, wrong ones from a few mistakes."""
    pairs: Pairs = []
    while len(pairs) < count:
        kind = rng.choices(list(MIX), list(MIX.values()))[0]
        gold = make_answer_text(kind, rng)
        mistakes = [make_answer_text(kind, rng) for _ in range(3)]
        for _ in range(samples):
            given = gold if rng.random() < 0.5 else rng.choice(mistakes)
            thought = "".join(rng.choices(PROSE, k=rng.randint(10, 30)))
            pairs.append((rf"{thought}So the answer is $\boxed{{{given}}}$.", gold))
    return pairs[:count]


def grade_naively(pairs: Pairs, whole: bool) -> list[bool]:
    """math-verify one pair after the other, with its own clock; on the whole text or the box."""
    verdicts = []
    for text, gold in pairs:
        given = text if whole else rf"\boxed{{{find_last_boxes(text)[-1]}}}"
        wanted = math_verify.parse(rf"\boxed{{{gold}}}", **make_extraction(repair=True))
        found = math_verify.parse(given, **make_extraction(repair=False))
        verdicts.append(bool(math_verify.verify(wanted, found)))
    return verdicts


def make_extraction(repair: bool) -> dict[str, Any]:
    """The extraction that the grader pins, for a library that the service has not touched."""
    rules = NormalizationConfig(units=True, nits=True, malformed_operators=repair)
    config = math_verify.LatexExtractionConfig(
        try_extract_without_anchor=False, boxed_match_priority=0, normalization_config=rules
    )
    return {
        "extraction_config": (config,),
        "fallback_mode": "no_fallback",
        "extraction_mode": "first_match",
    }


def processor_seconds() -> float:
    """Processor time of this process and of its workers that have ended."""
    parts = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in parts)


def measure_speed(count: int, workers: int) -> list[dict[str, object]]:
    """Seconds and ratios on new answers each; workers are started before the clock."""
    rows: list[dict[str, object]] = []
    for samples in (1, 8):
        pairs = make_realistic_pairs(count, samples, random.Random(samples))
        texts, golds = [text for text, _ in pairs], [gold for _, gold in pairs]
        used = processor_seconds()
        with GradingService(workers=workers) as service:
            started = time.perf_counter()
            service.grade([r"\boxed{\frac{1}{2}}", r"\boxed{\frac{1}{3}}"] * 9, ["\\pi"] * 18)
            warm = time.perf_counter()
            ours = [verdict.correct for verdict in service.grade(texts, golds)]
            seconds = time.perf_counter() - warm
        used = processor_seconds() - used
        for whole in (True, False):
            clock, theirs_used = time.perf_counter(), processor_seconds()
            theirs = grade_naively(pairs, whole)
            slow = time.perf_counter() - clock
            theirs_used = processor_seconds() - theirs_used
            rows.append(
                {
                    "samples a problem": samples,
                    "naive parses": "whole text" if whole else "box alone",
                    "naive pairs/s": round(count / slow),
                    "service pairs/s": round(count / seconds),
                    "ratio": slow / seconds,
                    "with start": slow / (seconds + warm - started),
                    "processor time, with start": theirs_used / used,
                    "same verdicts": f"{sum(map(bool.__eq__, ours, theirs))} of {count}",
                }
            )
    return rows


def list_unreadable_makers(rng: random.Random) -> dict[str, Callable[[], str]]:
    """Answers that are no mathematics, by kind, harmless to any software; none of them is 7."""

    def draw_integer(low: int, high: int) -> int:
        return rng.randint(low, high)

    return {
        "unbalanced braces": lambda: "".join(rng.choices("{}[]()\\", k=draw_integer(1, 80))),
        "long digits": lambda: "8" * draw_integer(200, 5000),
        "control characters": lambda: "".join(
            chr(draw_integer(0, 0x2FF)) for _ in range(draw_integer(1, 60))
        ).replace("7", ""),
        "soup": lambda: "".join(
            rng.choices(
                (r"\frac", r"\sqrt", "}", "^", "_", "x", "9", r"\left", r"\text"),
                k=draw_integer(5, 60),
            )
        ),
        "long text": lambda: "because of this and that " * draw_integer(20, 4000),
    }


def measure_unreadable(count: int, workers: int) -> list[dict[str, object]]:
    """What becomes of unreadable answers, kind by kind, and whether all workers still work."""
    rng = random.Random(1)
    makers = list_unreadable_makers(rng)
    with GradingService(GraderSettings(seconds=2), workers) as service:
        service.grade([r"\boxed{\pi}"] * 2, ["1", "2"])
        rows = []
        for kind, make in makers.items():
            texts = [rf"so \boxed{{{make()}}}" for _ in range(count // len(makers))]
            rows.append(measure_unreadable_kind(kind, texts, service))
        distinct = [rf"\boxed{{{n}/{n + 1}}}" for n in range(64)]
        after = service.grade(distinct, [rf"\frac{{{n}}}{{{n + 1}}}" for n in range(64)])
    right = f"all ({sum(verdict.correct for verdict in after)} of 64 right answers after it)"
    table = pd.DataFrame(rows).drop(columns="kind").sum()
    seconds = round(float(table.pop("seconds")), 1)
    total = {str(name): int(value) for name, value in table.items()}
    return [*rows, {"kind": right, "seconds": seconds, **total}]


def measure_unreadable_kind(
    kind: str, texts: list[str], service: GradingService
) -> dict[str, object]:
    """What becomes of unreadable answers of one kind."""
    before = sum(worker.starts for worker in service.workers)
    started = time.perf_counter()
    verdicts = service.grade(texts, ["7"] * len(texts))
    reasons = Counter(verdict.reason.split(":")[0] for verdict in verdicts)
    return {
        "kind": kind,
        "answers": len(texts),
        "seconds": round(time.perf_counter() - started, 1),
        "rewarded": sum(verdict.correct for verdict in verdicts),
        "refused": reasons["refused"] + reasons["box not closed"],
        "out of time or memory": reasons["time limit"] + reasons["memory limit"],
        "workers started": sum(worker.starts for worker in service.workers) - before,
    }


def list_untrained_makers(rng: random.Random) -> dict[str, Callable[[], str]]:
    """Outputs without a final answer, by kind."""
    tokens = [*"0123456789+-*=?bcd", "thus", "so", "then", "\\boxed", "{", "<eos>"]
    words = [
        "the",
        "of",
        "we",
        "get",
        "answer",
        "number",
        "value",
        "is",
        "and",
        "if",
        "then",
        "final",
        "equals",
        "solve",
        "for",
        "x",
    ]
    return {
        "lab tokens": lambda: " ".join(rng.choices(tokens[:-3], k=rng.randint(1, 40))),
        "open boxes": lambda: " ".join(rng.choices(tokens, k=rng.randint(1, 40))),
        "one token": lambda: " ".join(rng.choices(tokens[:-3], k=1) * rng.randint(1, 60)),
        "characters": lambda: "".join(
            chr(rng.randint(32, 126)) for _ in range(rng.randint(1, 200))
        ),
        "prose": lambda: " ".join(
            rng.choices([*words, *map(str, range(10))], k=rng.randint(3, 80))
        ),
        "an answer promised": lambda: f"the final answer is {rng.randint(0, 9)}",
    }


def measure_untrained(count: int, workers: int) -> list[dict[str, object]]:
    """What outputs without a final answer earn; beside it, what math-verify as it is pays."""
    rng = random.Random(2)
    makers = list_untrained_makers(rng)
    rows: list[dict[str, object]] = []
    with GradingService(workers=workers) as service:
        for kind, make in makers.items():
            texts = [make() for _ in range(-(-count // len(makers)))]
            golds = [str(rng.randint(0, 9)) for _ in texts]
            verdicts = service.grade(texts, golds)
            sample = list(zip(texts, golds, strict=True))[:300]
            paid = sum(
                math_verify.verify(math_verify.parse(g), math_verify.parse(t)) for t, g in sample
            )
            rows.append(
                {
                    "kind": kind,
                    "outputs": len(texts),
                    "rewarded": sum(verdict.correct for verdict in verdicts),
                    "default parsing pays": f"{paid / len(sample):.1%}",
                }
            )
    table = pd.DataFrame(rows)
    total = {name: int(table[name].sum()) for name in ("outputs", "rewarded")}
    return [*rows, {"kind": "all", **total}]


def print_table(title: str, rows: list[dict[str, object]]) -> None:
    """Print a table."""
    table = pd.DataFrame(rows).fillna("").to_string(index=False, float_format="{:.3g}".format)
    print(f"\n{title}\n{table}", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    counts = {"pairs": 2000, "unreadable": 10_000, "random": 10_000, "workers": 2}
    for name, count in counts.items():
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--peers", nargs="*", default=[], metavar="PYTHON")
    options = parser.parse_args()
    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    print_table("Verdicts on the golden cases", compare_peers(options.peers, options.workers))
    rows = measure_speed(options.pairs, options.workers)
    print_table(f"Throughput, {options.pairs} pairs, {options.workers} workers", rows)
    print_table(
        "Outputs without a final answer", measure_untrained(options.random, options.workers)
    )
    print_table(
        "Unreadable answers (gold 7, 2 s each at most)",
        measure_unreadable(options.unreadable, options.workers),
    )


if __name__ == "__main__":
    main()
