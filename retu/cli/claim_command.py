"""Find what the paper says, and what became of it.

Examples:

    retu claim table 4 hard 1080        by place, data set and step
    retu claim 82.8                     by a printed number
    retu claim "stable sub-phase"       by words of a sentence
    retu claim table_4.Hard102K.1080.pl_rl
    retu claim --list table_4           ids of claims
    retu claim mixed methods --study lab

Shows of the best matches what they say, place, printed value, what a check needs, the verdict of
`snakemake claims --config study=released`, the project's own number, and the command that traces
it. Sentences, also of other papers, are judged on training studies too: `--study`. Case, hyphens
and parts of names do not matter.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from retu.audit.claims.claim_answer import (
    answer_claim,
    explain_no_verdict,
    format_answer,
    read_verdicts,
    wrap_field,
)
from retu.audit.claims.claim_search import (
    ClaimMatches,
    list_claim_ids,
    make_entries,
    read_claim_words,
    search_claims,
)
from retu.audit.claims.ledger import Claim, read_ledger
from retu.audit.study_claims.related_claims import read_related_claims
from retu.config.load import find_study_file
from retu.core.errors import InputError
from retu.core.terminal_width import find_width
from retu.planning.stages import ROOT

STUDY = "released"
SHOWN = 5
MAX_LISTED = 20


def add_arguments(to: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    to.add_argument("text", nargs="*", metavar="TEXT", help="words, a number, a place or an id")
    to.add_argument(
        "--list", nargs="?", const="", metavar="START", help="ids of claims, or those that begin so"
    )
    to.add_argument(
        "--limit", type=int, default=SHOWN, metavar="N", help=f"matches shown (default: {SHOWN})"
    )
    to.add_argument(
        "--study", default=STUDY, metavar="NAME", help=f"whose verdicts (default: {STUDY})"
    )
    to.add_argument("--json", action="store_true", help="one JSON object a claim")


def main(options: argparse.Namespace) -> None:
    """Print the claims that match, or ids.

    Raises:
        InputError: nothing was asked for, or nothing matches.
    """
    if options.limit < 1:
        raise InputError(f"--limit {options.limit}: use a number above 0")
    if options.list is None and not options.text:
        raise InputError("say what to look for: words, a number or a place (or --list)")
    words = read_claim_words(ROOT / "claims")
    entries = make_entries(read_all_claims(ROOT / "claims"), words)
    if options.list is not None:
        ids = list_claim_ids(" ".join([options.list, *options.text]), entries)
        print("\n".join(json.dumps({"id": name}) if options.json else name for name in ids))
        return
    study = find_study_file(options.study).stem
    matches = search_claims(" ".join(options.text), entries)
    results = f"results/{study}"
    verdicts = read_verdicts(ROOT / results / "claims.csv")
    answers = [
        answer_claim(claim, words, verdicts.get(claim.id, {}), results, ROOT)
        for claim in matches.claims[: options.limit]
    ]
    for note in explain_matches(matches):
        print(f"note: {note}", file=sys.stderr)
    if options.json:
        print("\n".join(answer.model_dump_json() for answer in answers))
        return
    for claim, answer in zip(matches.claims, answers, strict=False):
        without = explain_no_verdict(claim, study, bool(verdicts))
        print(format_answer(answer, without, find_width(0)), end="\n\n")
    if rest := [claim.id for claim in matches.claims[options.limit :]]:
        print(wrap_field("", tell_rest(rest, matches.complete), find_width(0)))


def tell_rest(ids: list[str], named: bool) -> str:
    """How many matches are not shown, and which where `named`."""
    if not named:
        return f"{len(ids)} more (--limit)"
    more = f" and {len(ids) - MAX_LISTED} others" if len(ids) > MAX_LISTED else ""
    return f"{len(ids)} more (--limit): {', '.join(ids[:MAX_LISTED])}{more}"


def read_all_claims(folder: Path) -> list[Claim]:
    """The claims of the paper, then those of others."""
    return [*read_ledger(folder).claims.values(), *read_related_claims(folder / "related.yaml")]


def explain_matches(matches: ClaimMatches) -> Iterator[str]:
    """How the question was read where it was not read as it stands."""
    for word, read_as in matches.query.corrections:
        yield f"no claim has {word!r}; read as {read_as!r}"
    for number, nearest in matches.near:
        yield f"no claim of these has {number}; the nearest have {nearest}"
    if not matches.complete and not matches.near:
        yield "no claim has all of this; these have most of it"
