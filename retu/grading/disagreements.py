"""Answers of one's own file on which two graders differ, as JSON lines for a judge."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from retu.core.atomic_files import write_text
from retu.core.errors import InputError
from retu.grading.model_judge import KEY_VARIABLE, Judge, Transcript

Disagreement = dict[str, Any]
VERDICT = ["correct", "parsed_answer", "reason"]


def add_judge_arguments(to: argparse.ArgumentParser) -> None:
    """Add the arguments for a second grader and a judge."""
    to.add_argument("--compare", metavar="GRADER", help="also tell on which samples it differs")
    to.add_argument("--disagreements", type=Path, metavar="OUT", help="write them as JSON lines")
    to.add_argument(
        "--judge-url",
        metavar="URL",
        help="let a model decide them: a chat endpoint as OpenAI's, such as http://localhost:8000/v1"
        f" (key: {KEY_VARIABLE}); what it says is kept beside OUT and not asked again",
    )
    to.add_argument("--judge-model", metavar="NAME", help="the model, as the endpoint calls it")


def check_judge_arguments(options: argparse.Namespace) -> None:
    """InputError for arguments that need another one, or compare a grader with itself."""
    needs = (
        ("disagreements", "compare"),
        ("judge_url", "judge_model"),
        ("judge_model", "judge_url"),
        ("judge_url", "disagreements"),
    )
    for name, other in needs:
        if getattr(options, name) is not None and getattr(options, other) is None:
            flags = [f"--{flag.replace('_', '-')}" for flag in (name, other)]
            raise InputError(f"{flags[0]}: give {flags[1]}, too")
    if options.compare == options.grader:
        raise InputError(f"--compare {options.compare}: is --grader itself; name another")


def judge_disagreements(
    options: argparse.Namespace, found: list[Disagreement]
) -> list[Disagreement]:
    """Write the disagreements of two graders, and have a judge decide them if one is named."""
    path: Path | None = options.disagreements
    if path is not None:
        write_disagreements(found, path)
    if path is not None and options.judge_url is not None:
        transcript = Transcript(path.with_name(f"{path.stem}.judge.jsonl"))
        judge = Judge(options.judge_url, options.judge_model, transcript)
        found = add_verdicts(found, judge)
        print(f"judge {judge.model}: asked {judge.asked} times, {transcript.path}", file=sys.stderr)
        write_disagreements(found, path)
    return found


def find_disagreements(
    rows: pd.DataFrame, graded: Mapping[str, pd.DataFrame]
) -> list[Disagreement]:
    """The rows that two graders judge differently.

    Args:
        rows: what was graded (a batch of `GenerationFile`).
        graded: name of each of the two graders -> its verdicts on the rows, in their order
            (`command.grade_rows`). A gold answer that one of them cannot use is no disagreement.

    Returns:
        benchmark, id, sample, gold, generation, and below the name of each grader correct (0, 1),
        parsed_answer and reason.
    """
    one, other = graded.values()
    differ = (one["correct"] != other["correct"]) & one["usable"] & other["usable"]
    answers = rows[differ].rename(columns={"problem_id": "id"}).to_dict("records")
    verdicts = {
        name: table.loc[differ, VERDICT].to_dict("records") for name, table in graded.items()
    }
    return [
        {str(key): value for key, value in answer.items()}
        | {name: listed[place] for name, listed in verdicts.items()}
        for place, answer in enumerate(answers)
    ]


def add_verdicts(found: Sequence[Disagreement], judge: Judge) -> list[Disagreement]:
    """The same rows with the judge's verdict: correct, wrong, unclear or unreadable.

    Equal answers to equal gold are asked about once.
    """
    return [{**row, "judge": judge.ask_verdict(row["gold"], row["generation"])} for row in found]


def write_disagreements(found: Sequence[Disagreement], path: Path) -> None:
    """Write JSON lines; a file without lines says that the graders agree."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found))


def count_agreement(
    found: Sequence[Disagreement], names: Sequence[str], samples: int
) -> Disagreement:
    """Counts for the summary: who alone calls answers correct, and whom the judge agrees with."""
    counts: Disagreement = {"graders": list(names), "samples": samples, "disagreements": len(found)}
    for name in names:
        mine = [row for row in found if row[name]["correct"] == 1]
        counts[name] = {"correct_alone": len(mine)}
        verdicts = Counter(row["judge"] for row in mine if "judge" in row)
        if verdicts:
            counts[name]["judge"] = dict(sorted(verdicts.items()))
    return counts


def format_agreement(counts: Disagreement, path: Path | None) -> list[str]:
    """The counts as lines of text; `path` is where the rows are."""
    first, second = counts["graders"]
    where = f", listed in {path}" if path else ""
    lines = [
        f"{first} and {second} differ on {counts['disagreements']} of {counts['samples']}"
        f" samples{where}"
    ]
    for name in counts["graders"]:
        judge = ", ".join(f"{n} {word}" for word, n in counts[name].get("judge", {}).items())
        says = f"; the judge calls {judge}" if judge else ""
        lines.append(f"correct by {name} alone: {counts[name]['correct_alone']}{says}")
    return lines
