"""What is found when a study of files is checked before it is run, in the order of its stages."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from retu.config.study import SftRun
from retu.data.column_names import MARK
from retu.grading.service import GradingService
from retu.planning.files_plan import FilesPlan
from retu.preparation.study_rows import StudySet
from retu.preparation.study_tokens import RowLengths, StudyModel

GRADED_ROWS = 500
"""Trajectories of a set that are graded: enough to see what share is wrong."""
EXAMPLES = 3
CLOCK = "strftime_now"
"""What chat templates ask for the date (Llama 3)."""
ALARMING_SHARE = 0.05
SHOWN = 90


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: fine, worth a look, or in the way of a run."""

    level: Literal["ok", "note", "error"]
    text: str

    def __str__(self) -> str:
        return f"{self.level:5}  {self.text}"


def check_sets(sets: list[StudySet]) -> Iterator[Finding]:
    """Sizes of the sets, how they were read, and whether any is empty."""
    for made in sets:
        told = (
            f"{made.role} {made.name}: {len(made.records)} rows of {made.file}:"
            f" {made.layout}{made.counts.describe()}"
        )
        if made.records:
            yield Finding("ok", told)
        else:
            yield Finding("error", f"{told}; give it rows that are in no set that judges it")


def check_overlaps(sets: list[StudySet]) -> Iterator[Finding]:
    """Problems that are in two sets of which one judges what the other trains.

    Those that the study leaves out are in no `records` any more.
    """
    judging = [made for made in sets if made.role in ("benchmark", "validation")]
    found = False
    for judge in judging:
        for other in sets:
            if other is judge or (judge.role, other.role) == ("validation", "benchmark"):
                continue
            if judge.role == "validation" and other.role in ("prompts", "mixed"):
                continue
            shared = judge.identities & other.identities
            if not shared or (other in judging and sets.index(other) < sets.index(judge)):
                continue
            found = True
            told = f"{len(shared)} problems of {judge.name} ({judge.file}) are in {other.name}, too"
            if other.role == "benchmark":
                yield Finding("note", told)
                continue
            first = next(r["prompt"] for r in other.records if r["problem_id"] in shared)
            yield Finding(
                "error",
                f"{told} ({other.file}: {' '.join(first.split())[:SHOWN]!r}); mend the files or set"
                " data.overlap: leave_out",
            )
    if not found:
        yield Finding("ok", "no problem of validation or benchmarks is trained on")


def check_experts(made: StudySet, service: GradingService) -> Iterator[Finding]:
    """Trajectories that the grader does not accept: RL will not pay for what SFT teaches."""
    records = made.records[:GRADED_ROWS]
    grades = service.grade([r["trajectory"] for r in records], [r["gold"] for r in records])
    wrong = [(r, g) for r, g in zip(records, grades, strict=True) if not g.correct]
    share = len(wrong) / max(len(records), 1)
    text = f"{made.name}: the grader accepts {len(records) - len(wrong)} of {len(records)}"
    if not wrong:
        yield Finding("ok", f"{text} trajectories")
        return
    level: Literal["note", "error"] = "error" if share > 0.5 else "note"
    yield Finding(level, f"{text} trajectories; {explain_refusal(made, share)}")
    for record, grade in wrong[:EXAMPLES]:
        end = " ".join(record["trajectory"].split())[-SHOWN:]
        yield Finding(level, f"    gold {record['gold']!r}, {grade.reason}: ...{end}")


def explain_refusal(made: StudySet, share: float) -> str:
    """What to do about trajectories that are not accepted."""
    marked = sum(MARK in record["trajectory"] for record in made.records)
    if share > ALARMING_SHARE and marked > len(made.records) / 2:
        return f"they end in {MARK}, which it does not read: set box_answers: true"
    return "correct them, name another gold column, or choose another grader"


def check_golds(sets: list[StudySet], service: GradingService) -> Iterator[Finding]:
    """Gold answers that the grader cannot read."""
    for made in sets:
        golds = [record["gold"] for record in made.records]
        read = service.read_golds(golds)
        unusable = [gold for gold in golds if not read[gold].usable]
        if unusable:
            reasons = "; ".join(read[gold].reason for gold in dict.fromkeys(unusable[:EXAMPLES]))
            told = f"{made.name} ({made.file}): {len(unusable)} gold answers unusable: {reasons}"
            yield Finding("error", f"{told}; correct them")


def check_dates(model: StudyModel) -> Iterator[Finding]:
    """Chat templates that write the date: a model is asked otherwise than it was trained."""
    if CLOCK in str(model.tokenizer.chat_template):
        yield Finding(
            "note",
            f"models.{model.name}: its chat template writes the date of the day, so that prompts"
            f" differ from day to day; write a fixed one in the place of {CLOCK} in a copy of it",
        )


def check_sft_lengths(plan: FilesPlan, made: StudySet, lengths: RowLengths) -> Iterator[Finding]:
    """Trajectories that SFT would cut, or refuse."""
    for run in plan.study.sft_runs:
        if run.dataset != made.name or not isinstance(run, SftRun):
            continue
        recipe = plan.study.recipes.sft[run.recipe]
        long = sum(length > recipe.max_length for length in lengths.rows)
        text = f"{made.name}: {describe_lengths(lengths.rows)}, SFT recipe {run.recipe}"
        if not long:
            yield Finding("ok", f"{text} holds all (max_length {recipe.max_length})")
        elif recipe.too_long == "truncate":
            share = 100 * long / len(lengths.rows)
            yield Finding("note", f"{text} cuts {share:.0f}% at max_length {recipe.max_length}")
        else:
            yield Finding(
                "error",
                f"{text} refuses {long} above max_length {recipe.max_length}; raise it or set"
                " too_long: truncate",
            )


def check_completions(
    plan: FilesPlan, trained: list[RowLengths], model: StudyModel, prompts: list[RowLengths]
) -> Iterator[Finding]:
    """Limits of answers against the trajectories that models learn from, and the context."""
    responses = [length for lengths in trained for length in lengths.responses]
    mean = sum(responses) / max(len(responses), 1)
    limits = {
        f"RL recipe {name}: max_completion_length": recipe.max_completion_length
        for name, recipe in plan.study.recipes.rl.items()
    }
    limits["evaluation: max_new_tokens"] = plan.study.evaluation.max_new_tokens
    context = int(model.config.get("max_position_embeddings", 0))
    longest = max((length for lengths in prompts for length in lengths.prompts), default=0)
    for name, limit in limits.items():
        cut = sum(length > limit for length in responses) / max(len(responses), 1)
        if limit < mean:
            yield Finding(
                "error",
                f"{name} {limit} does not hold the mean trajectory ({mean:.0f} tokens); raise it",
            )
        else:
            level: Literal["ok", "note"] = "note" if cut > ALARMING_SHARE else "ok"
            yield Finding(level, f"{name} {limit} holds {100 - 100 * cut:.0f}% of trajectories")
        if context and longest + limit > context:
            yield Finding(
                "error",
                f"{name} {limit} and prompts of up to {longest} tokens exceed the context of"
                f" {model.name} ({context}); lower it",
            )


def describe_lengths(lengths: list[int]) -> str:
    """Mean and largest of lengths in tokens."""
    mean = sum(lengths) / max(len(lengths), 1)
    return f"rows of {mean:.0f} tokens on average, at most {max(lengths, default=0)}"
