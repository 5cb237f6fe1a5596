"""What `retu claim` tells of a claim: what it says, its verdict, the evidence, how to trace it."""

import csv
import shlex
import textwrap
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from retu.audit.claims.claim_search import ClaimWords
from retu.audit.claims.ledger import Claim
from retu.audit.claims.studied_numbers import WHERE_CHECKED, is_asked_of_studies
from retu.core.errors import InputError
from retu.core.text import format_quantity

CELL_COLUMNS = {
    "A_post": "a_post_robust", "PL_rl": "pl_rl_robust", "C_mid": "c_mid_robust", "B": "b_robust",
    "epsilon": "epsilon_robust", "P_sft": "p_sft", "x_sft": "x_sft_eflops", "subphase": "subphase",
}  # fmt: skip
"""The column of a refitted table 4 that a claim of that table is compared with."""
SHOWN_NUMBERS = {
    "ours": "", "effect": "", "probability_ceiling": "by ceiling",
    "probability_common": "at equal RL compute", "probability_best": "by best score observed",
    "probability": "over the draws",
}  # fmt: skip
TABLE_4 = "table_4"
LABEL_WIDTH = 10


class ClaimAnswer(BaseModel):
    """A claim with what is known about it; what is not known is empty.

    Attributes:
        statement: the sentence, or what the number is.
        published: the number as printed, with its unit.
        verdict: the ledger's verdict; empty where nothing was judged yet.
        measured: the project's own number with its interval, or probabilities of a sentence.
        evidence: what the verdict rests on.
        trace: the command that shows what stands behind `measured`.
    """

    id: str
    statement: str
    place: str
    tier: str
    published: str
    verdict: str
    measured: str
    evidence: str
    trace: str


def read_verdicts(path: Path) -> dict[str, dict[str, str]]:
    """The rows of a claims.csv by id, of several the first; none where it is not there.

    Raises:
        InputError: it has no ids.
    """
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    if rows and not {"id", "verdict"} <= set(rows[0]):
        raise InputError(
            f"{path}: lacks the columns id and verdict; make it again (snakemake claims)"
        )
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        found.setdefault(row["id"], {k: v or "" for k, v in row.items() if k})
    return found


def answer_claim(
    claim: Claim, words: ClaimWords, verdict: Mapping[str, str], results: str, root: Path
) -> ClaimAnswer:
    """All that is known of a claim.

    Args:
        claim: which.
        words: for what a number is.
        verdict: its row of claims.csv; empty if there is none.
        results: the folder of the study, relative to the project.
        root: the project.
    """
    studied = "effect" in verdict
    told = ("why", "branches", "interval_covers") if studied else ("source", "note")
    notes = [verdict.get(name, "") for name in told]
    if claim.source:
        published = claim.note
    else:
        published = " ".join(part for part in (claim.value, claim.unit) if part)
        notes += [] if studied or verdict.get("note") else [claim.note]
    return ClaimAnswer(
        id=claim.id,
        statement=claim.sentence or describe_number(claim, words),
        place=f"{claim.source}, {claim.place}" if claim.source else claim.place,
        tier=claim.tier,
        published=published,
        verdict=verdict.get("verdict", ""),
        measured=format_measured(verdict),
        evidence="; ".join(note for note in notes if note),
        trace=format_trace(claim, verdict, results, root),
    )


def describe_number(claim: Claim, words: ClaimWords) -> str:
    """What a number is about: `A_post of Hard102K, SFT step 1080, Qwen2.5-7B (...)`."""
    about = [
        "" if claim.dataset in ("", "none") else claim.dataset,
        "" if claim.sft_step is None else f"SFT step {claim.sft_step}",
        claim.model,
    ]
    of = ", ".join(part for part in about if part)
    meaning = words.quantities.get(claim.quantity, "")
    start = f"{claim.quantity} of {of}" if of else claim.quantity
    return f"{start} ({meaning})" if meaning else start


def format_measured(verdict: Mapping[str, str]) -> str:
    """The project's own number with its interval, or the probabilities of a sentence."""
    if verdict.get("ours"):
        ends = verdict.get("low"), verdict.get("high")
        return verdict["ours"] + (f" (90% interval {ends[0]} to {ends[1]})" if all(ends) else "")
    if verdict.get("effect"):
        ends = verdict["effect_low"], verdict["effect_high"]
        return (
            f"{verdict['effect']} {verdict['effect_is']} (90% interval {ends[0]} to {ends[1]}),"
            f" {verdict['model']}, {format_quantity(int(verdict['n_seeds']), 'seed')}"
        )
    chances = [
        f"{verdict[name]} {label}"
        for name, label in SHOWN_NUMBERS.items()
        if label and verdict.get(name)
    ]
    return f"holds with probability {', '.join(chances)}" if chances else ""


def format_trace(claim: Claim, verdict: Mapping[str, str], results: str, root: Path) -> str:
    """The command that traces the number; empty where there is none to trace."""
    column = next((name for name in SHOWN_NUMBERS if verdict.get(name)), "")
    if not column:
        return ""
    table = f"{results}/tables/{TABLE_4}.csv"
    cell = CELL_COLUMNS.get(claim.quantity)
    if claim.table == TABLE_4 and cell and (root / table).is_file():
        target = f"{table}#dataset={claim.dataset},sft_step={claim.sft_step}/{cell}"
    else:
        model = f",model={verdict['model']}" if "effect" in verdict else ""
        target = f"{results}/claims.csv#id={claim.id}{model}/{column}"
    return shlex.join(["retu", "lineage", "why", target])


def explain_no_verdict(claim: Claim, study: str, judged: bool) -> str:
    """Why a claim has no verdict, and the command that makes one.

    Args:
        claim: which.
        study: whose verdicts were looked for.
        judged: whether that study has verdicts at all.
    """
    if not judged:
        return f"not judged yet (snakemake claims --config study={study})"
    if claim.source:
        return "asked of training studies (snakemake claims --config study=lab), shown by --study"
    if is_asked_of_studies(claim):
        return f"study {study} has not its model or data set; {WHERE_CHECKED}"
    return f"a number of the paper's own runs; study {study} cannot judge it"


def format_answer(answer: ClaimAnswer, without: str, width: int = 0) -> str:
    """The answer in lines; `without` stands in the place of a verdict where there is none.

    Longer lines than `width` are wrapped, but for the command, which is copied; 0 is no limit.
    """
    lines = {
        "place": f"{answer.place} (to check it: {answer.tier})",
        "published": answer.published,
        "verdict": answer.verdict or without,
        "measured": answer.measured,
        "evidence": answer.evidence,
        "trace": answer.trace,
    }
    shown = [
        wrap_field(f"  {name:<{LABEL_WIDTH}}", text, 0 if name == "trace" else width)
        for name, text in lines.items()
        if text
    ]
    return "\n".join([answer.id, wrap_field("  ", answer.statement, width), *shown])


def wrap_field(start: str, text: str, width: int) -> str:
    """A line with its label, those after the first one below its text."""
    if not width:
        return start + text
    indent = " " * len(start)
    return textwrap.fill(
        text, width, initial_indent=start, subsequent_indent=indent, break_on_hyphens=False
    )
