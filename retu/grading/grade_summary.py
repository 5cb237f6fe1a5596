"""What the verdicts of `retu grade` add up to, as data and as text."""

import json
from typing import Any

import pandas as pd

from retu.config.graders import GraderSettings, make_grader_identity
from retu.evaluation.scores import CUT_LIMIT, FINISHED
from retu.evaluation.statistics import UNWEIGHTED, compute_statistics


def summarise_verdicts(
    counted: pd.DataFrame, settings: GraderSettings, ks: list[int], source: str
) -> dict[str, Any]:
    """What the verdicts of `VerdictTotals.make_table` add up to: scores with intervals."""
    scores = compute_statistics(counted, ks, source=source) if len(counted) else pd.DataFrame()
    if len(scores) == 3:  # one benchmark: the two means over benchmarks say the same again
        scores = scores.iloc[:1]
    if FINISHED not in counted:
        scores = scores.drop(columns="cut_share", errors="ignore")
    return {
        "grader": json.loads(make_grader_identity(settings)),
        "samples": len(counted),
        "correct": int(counted["correct"].sum()),
        "scores": [convert_to_python(record) for record in scores.to_dict("records")],
    }


def convert_to_python(record: dict[Any, Any]) -> dict[str, Any]:
    """A record with Python's own numbers, for JSON."""
    return {str(key): getattr(value, "item", lambda v=value: v)() for key, value in record.items()}


def format_summary(report: dict[str, Any]) -> list[str]:
    """The summary as lines of text."""
    versions = ", ".join(f"{k} {v}" for k, v in report["grader"]["versions"].items())
    out = len(report["excluded"])
    lines = [
        f"grader {report['grader']['name']} ({versions})",
        *([f"problems left out for their gold answers, listed below: {out}"] if out else []),
        f"{report['correct']} of {report['samples']} samples correct",
        *(format_score(row) for row in report["scores"]),
        *warn_of_cut_scores(report["scores"]),
        *(
            f"left out: {row['benchmark']} {row['id']}: {row['reason']}"
            for row in report["excluded"]
        ),
    ]
    return lines if report["scores"] else [*lines, "no score: every gold answer was left out"]


def format_score(row: dict[str, Any]) -> str:
    """One line of scores."""
    name = "mean of the benchmarks" if row["benchmark"] == UNWEIGHTED else row["benchmark"]
    passes = "".join(
        f"; {key} {value:.2f} [{row[f'{key} low']:.2f}, {row[f'{key} high']:.2f}]"
        for key, value in row.items()
        if key.startswith("pass@") and " " not in key
    )
    cut = f"; {row['cut_share']:.1%} of the answers cut" if "cut_share" in row else ""
    return (
        f"{name}: {row['score']:.2f}% [{row['low']:.2f}, {row['high']:.2f}] of"
        f" {row['n_problems']} problems, at least {row['samples_a_problem']} samples each,"
        f" steps of {row['resolution']:.3g}{passes}{cut}"
    )


def warn_of_cut_scores(scores: list[dict[str, Any]]) -> list[str]:
    """A line that names the scores with too many answers cut at the token limit."""
    many = [row["benchmark"] for row in scores if row.get("cut_share", 0.0) > CUT_LIMIT]
    if not many:
        return []
    return [
        f"warning: more than {CUT_LIMIT:.0%} of the answers were cut at the token limit"
        f" ({', '.join(many)}): these scores may be the limit's, not the model's"
    ]
