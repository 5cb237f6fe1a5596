r"""Grade your own generations: JSON lines or CSV in, one verdict a sample and a summary out.

Examples:

    retu grade FILE.jsonl --grader math_verify
    retu grade FILE.jsonl --grader paper_strict --json
    retu grade FILE.jsonl --grader paper_strict \
        --compare paper_lenient --disagreements OUT.jsonl

A line of the file holds id, gold and generation (a text, or a list of samples); `benchmark` is
optional, and several lines with one id are samples of one problem. Where lines say whether the
model `finished` (true, false, or a list), the share of cut answers stands beside every score. The
file is checked first, then graded a batch at a time: memory does not grow with the answers' length.
"""

import argparse
import json
import sys
from array import array
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from retu.config.graders import DEFAULT_GRADER, GraderSettings, load_graders
from retu.core.errors import InputError
from retu.core.near_words import suggest_near
from retu.core.yaml_files import validate_content
from retu.evaluation.scores import FINISHED
from retu.evaluation.statistics import score_problems
from retu.grading import disagreements
from retu.grading.grade_summary import convert_to_python, format_summary, summarise_verdicts
from retu.grading.grade_verdict import Grade
from retu.grading.service import GradingService
from retu.grading.user_rows import GenerationFile, open_generations
from retu.runtime.script import EXIT_BAD_INPUT, make_parser

GoldsByProblem = Mapping[tuple[str, str], tuple[str, int]]
EXCLUDED = "gold excluded"
OUTPUT = (
    *("benchmark", "id", "sample", "correct"),
    *("parsed_gold", "parsed_answer", "reason"),
)


def add_arguments(to: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    graders = "; ".join(f"{name}: {facts.title}" for name, facts in load_graders().items())
    to.add_argument("file", type=Path, help="JSON lines, or .csv, with id, gold and generation")
    to.add_argument(
        "--grader", default=DEFAULT_GRADER, help=f"{graders} (default: {DEFAULT_GRADER})"
    )
    to.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="changes",
        help="change a setting of the grader, such as float_rounding=4",
    )
    to.add_argument(
        "--k", type=int, nargs="+", default=[], help="report pass@K; needs K samples a problem"
    )
    to.add_argument("--workers", type=int, help="processes (default: one a processor, up to 4)")
    to.add_argument("--json", action="store_true", help="JSON lines, the summary in the last one")
    disagreements.add_judge_arguments(to)


def main(options: argparse.Namespace) -> None:
    """Grade the file and print verdicts and summary.

    Raises:
        InputError: a bad file, grader or setting, or too few samples for `--k`.
    """
    if options.workers is not None and options.workers < 1:
        raise InputError(f"--workers {options.workers}: use at least 1")
    if any(k < 1 for k in options.k):
        raise InputError(f"--k {min(options.k)}: use at least 1")
    disagreements.check_judge_arguments(options)
    overrides = check_settings(options)
    content = {"name": options.grader, **overrides}
    settings = validate_content(GraderSettings, content, "grader")
    other = GraderSettings(name=options.compare) if options.compare else None
    if settings.near_miss is not None:
        print(f"note: {settings.name} pays for near misses: for audit only", file=sys.stderr)
    with open_generations(options.file) as source, ExitStack() as services:
        graders = [settings, *([other] if other else [])]
        by_name = {
            grader.name: services.enter_context(GradingService(grader, options.workers))
            for grader in graders
        }
        totals = grade_source(source, by_name, options)
    report = summarise_verdicts(totals.make_table(), settings, options.k, str(options.file))
    report["excluded"] = totals.excluded
    if other:
        found = disagreements.judge_disagreements(options, totals.differ)
        report["compared"] = disagreements.count_agreement(found, list(by_name), totals.samples)
    if options.json:
        print(json.dumps({"summary": report}))
    else:
        compared = (
            disagreements.format_agreement(report["compared"], options.disagreements)
            if other
            else []
        )
        print("\n".join(["", *format_summary(report), *compared]))


def check_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The settings that the user changes.

    Raises:
        InputError: a grader or setting that there is not; names the one that was probably meant.
    """
    graders = load_graders()
    for option, name in (("--grader", options.grader), ("--compare", options.compare)):
        if name is not None and name not in graders:
            raise InputError(f"{option} {name}: no such grader; {suggest_near(name, graders)}")
    overrides = parse_overrides(options.changes)
    for key in overrides:
        if key not in GraderSettings.model_fields:
            known = [name for name in GraderSettings.model_fields if name != "name"]
            raise InputError(f"--set {key}: no such setting; {suggest_near(key, known)}")
    return overrides


class VerdictTotals:
    """Compact store of verdicts: a few bytes per sample; texts are kept for disagreements only."""

    def __init__(self) -> None:
        self.problems: dict[tuple[str, str], int] = {}
        self.places, self.correct, self.ends = array("q"), array("b"), array("b")
        self.excluded: list[dict[str, str]] = []
        self.left_out: set[tuple[str, str]] = set()
        self.differ: list[disagreements.Disagreement] = []
        self.samples = 0

    def add_batch(self, graded: pd.DataFrame) -> None:
        """Count a batch of verdicts."""
        self.samples += len(graded)
        if FINISHED in graded:
            self.ends.extend(graded.loc[graded["usable"], FINISHED].astype(int))
        columns = ["benchmark", "id", "correct", "usable", "reason"]
        for benchmark, name, correct, usable, reason in graded[columns].itertuples(index=False):
            problem = (benchmark, name)
            if usable:
                self.places.append(self.problems.setdefault(problem, len(self.problems)))
                self.correct.append(correct)
            elif problem not in self.left_out:
                self.left_out.add(problem)
                named = {"benchmark": benchmark, "id": name, "reason": reason}
                self.excluded.append(named)

    def make_table(self) -> pd.DataFrame:
        """The verdicts that count: benchmark, problem_id, sample, correct, finished if told."""
        names = pd.DataFrame(list(self.problems), columns=["benchmark", "problem_id"])
        table = names.iloc[np.asarray(self.places, dtype=np.int64)].reset_index(drop=True)
        samples = table.groupby(["benchmark", "problem_id"], sort=False).cumcount()
        told = {FINISHED: np.asarray(self.ends, dtype=bool)} if self.ends else {}
        return table.assign(sample=samples, correct=np.asarray(self.correct, np.int64), **told)


def grade_source(
    source: GenerationFile, graders: Mapping[str, GradingService], options: argparse.Namespace
) -> VerdictTotals:
    """Check a source, then grade it and print its verdicts a batch at a time.

    Raises:
        InputError: the source is bad, or has too few samples for `--k`; nothing is printed then.
    """
    problems = source.check_rows()
    golds = dict.fromkeys(gold for gold, _ in problems.values())
    read = {name: service.read_golds(golds) for name, service in graders.items()}
    first = next(iter(graders))
    check_samples(problems, read[first], options)
    totals = VerdictTotals()
    for number, rows in enumerate(source.read_batches()):
        graded = {name: grade_rows(rows, service, read[name]) for name, service in graders.items()}
        print_verdicts(graded[first], as_json=options.json, header=number == 0)
        totals.add_batch(graded[first])
        if len(graded) == 2:
            totals.differ += disagreements.find_disagreements(rows, graded)
    return totals


def check_samples(
    problems: GoldsByProblem, golds: Mapping[str, Grade], options: argparse.Namespace
) -> None:
    """Refuse `--k` before anything is graded if a problem that counts has too few samples."""
    counts = {name: n for name, (gold, n) in problems.items() if golds[gold].usable}
    if options.k and counts:
        most = max(options.k)
        rows = [(*name, k, 0) for name, n in counts.items() for k in range(min(n, most))]
        table = pd.DataFrame(rows, columns=["benchmark", "problem_id", "sample", "correct"])
        score_problems(table, options.k, source=str(options.file))


def print_verdicts(graded: pd.DataFrame, *, as_json: bool, header: bool) -> None:
    """Print a batch of verdicts: JSON lines, or a table separated by tabs."""
    if as_json:
        for record in graded[list(OUTPUT)].to_dict("records"):
            print(json.dumps(convert_to_python(record)))
    else:
        shown = graded[list(OUTPUT)]
        print(shown.to_csv(sep="\t", index=False, header=header, lineterminator="\n"), end="")


def parse_overrides(changes: Iterable[str]) -> dict[str, Any]:
    """Settings from KEY=VALUE; a value that is no JSON is a text."""
    found: dict[str, Any] = {}
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals:
            raise InputError(f"--set {change}: write KEY=VALUE")
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
    return found


def grade_rows(
    rows: pd.DataFrame, service: GradingService, read: Mapping[str, Grade]
) -> pd.DataFrame:
    """Verdicts on the rows of a batch, in order; columns `OUTPUT`, `usable`, `finished`.

    Where the gold answer cannot be used (`read` tells how each is read), correct is 0 and `usable`
    False. `finished` is there if the rows have it.
    """
    texts, golds = rows["generation"].tolist(), rows["gold"].tolist()
    verdicts = service.grade(texts, golds)
    facts = [read[gold] for gold in golds]
    pairs = list(zip(verdicts, facts, strict=True))
    return pd.DataFrame(
        {
            "benchmark": rows["benchmark"],
            "id": rows["problem_id"],
            "sample": rows["sample"],
            "correct": [int(verdict.correct and gold.usable) for verdict, gold in pairs],
            "parsed_gold": [gold.parsed for gold in facts],
            "parsed_answer": [verdict.parsed for verdict in verdicts],
            "reason": [
                v.reason if gold.usable else f"{EXCLUDED}: {gold.reason}" for v, gold in pairs
            ],
            "usable": [gold.usable for gold in facts],
            **{name: rows[name] for name in (FINISHED,) if name in rows},
        }
    )


def run_grade_command() -> None:
    """The command on its own; unlike `run_main` it prints nothing but its answer."""
    reader = make_parser(__doc__)
    add_arguments(reader)
    try:
        main(reader.parse_args())
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(EXIT_BAD_INPUT)


if __name__ == "__main__":
    run_grade_command()
