"""What `retu claim` tells of a claim: what it says, its verdict, the evidence, how to trace it."""

import csv
import shlex
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from retu.audit.claims.claim_search import ClaimWords
from retu.audit.claims.ledger import Claim
from retu.core.errors import InputError

CELL_COLUMNS = {
    "A_post": "a_post_robust", "PL_rl": "pl_rl_robust", "C_mid": "c_mid_robust", "B": "b_robust",
    "epsilon": "epsilon_robust", "P_sft": "p_sft", "x_sft": "x_sft_eflops", "subphase": "subphase",
}  # fmt: skip
"""The column of a refitted table 4 that a claim of that table is compared with."""
SHOWN_NUMBERS = {
    "ours": "", "low": "", "high": "", "probability_ceiling": "by ceiling",
    "probability_common": "at equal RL compute", "probability_best": "by best score observed",
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
    """The rows of a claims.csv by id; none where it is not there.

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
    return {row["id"]: {k: v or "" for k, v in row.items() if k} for row in rows}


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
    notes = [verdict.get("source", ""), verdict.get("note", "") or claim.note]
    return ClaimAnswer(
        id=claim.id,
        statement=claim.sentence or describe_number(claim, words),
        place=claim.place,
        tier=claim.tier,
        published=" ".join(part for part in (claim.value, claim.unit) if part),
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
        target = f"{results}/claims.csv#id={claim.id}/{column}"
    return shlex.join(["retu", "lineage", "why", target])


def format_answer(answer: ClaimAnswer, judged: bool, command: str) -> str:
    """The answer in lines; `command` makes the verdicts where nothing was `judged`."""
    verdict = answer.verdict or ("not in the ledger" if judged else f"not judged yet: {command}")
    lines = {
        "place": f"{answer.place} (to check it: {answer.tier})",
        "published": answer.published,
        "verdict": verdict,
        "measured": answer.measured,
        "evidence": answer.evidence,
        "trace": answer.trace,
    }
    shown = [f"  {name:<{LABEL_WIDTH}}{text}" for name, text in lines.items() if text]
    return "\n".join([answer.id, f"  {answer.statement}", *shown])
