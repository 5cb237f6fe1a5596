"""The paper checked against itself: which printed numbers cannot all be right."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from retu.audit.claims.granularity import is_rounded_to
from retu.audit.claims.ledger import Claim, Ledger
from retu.audit.claims.recompute import (
    RecomputedNumber,
    compute_step_eflops,
    get_printed_value,
    get_rounding_slack,
    index_branches,
    is_beyond_rounding,
    recompute_claims,
)
from retu.labeling.subphases import STABLE

CONTRADICTION = "contradiction"
"""No true values round to what is printed."""
ROUNDING_GAP = "rounding"
"""The printed numbers disagree in the last place, which rounding of the inputs explains."""
REMARK = "remark"
"""No contradiction, but a reader may take one number for the other."""

SHIFTS = (-2, -1, 1, 2)
SAME_FOR_A_SET = ("highest_A_post", "min_val_loss")


@dataclass(frozen=True)
class PaperFinding:
    """Something a reader of the paper alone can see.

    Attributes:
        kind: CONTRADICTION, ROUNDING or REMARK.
        check: the name of the check.
        claims: ids of the claims that it puts in doubt.
        text: one sentence with the numbers.
    """

    kind: str
    check: str
    claims: tuple[str, ...]
    text: str


def check_consistency(ledger: Ledger) -> list[PaperFinding]:
    """All findings, shifted columns first: they explain some of the others."""
    found = recompute_claims(ledger)
    shifts = list(find_shifted_rows(ledger, found))
    explained = {name for finding in shifts for name in finding.claims}
    wrong = [
        f for item in found if item.claim not in explained for f in find_misprint(item, ledger)
    ]
    blamed = explained | {n for f in wrong if f.kind == CONTRADICTION for n in f.claims}
    twice = list(find_conflicting_prints(ledger, blamed))
    return [*shifts, *wrong, *twice, *find_low_peaks(ledger), *list_remarks(ledger)]


def find_misprint(item: RecomputedNumber, ledger: Ledger) -> Iterator[PaperFinding]:
    """A finding when a recomputed number is not printed as it should be."""
    claim = ledger.claims[item.claim]
    if is_rounded_to(item.value, claim.value, claim.decimals):
        return
    kind = CONTRADICTION if is_beyond_rounding(item, claim) else ROUNDING_GAP
    text = f"{claim.value} is printed, {format_recomputed(item, claim)} follows ({item.how})"
    yield PaperFinding(kind, "recomputed", (claim.id,), text)


def format_recomputed(item: RecomputedNumber, claim: Claim) -> str:
    """A recomputed value with one digit more than the print has."""
    digits = len(claim.value.partition(".")[2]) + 1
    return f"{item.value:.{digits}f}"


def find_shifted_rows(ledger: Ledger, found: Sequence[RecomputedNumber]) -> Iterator[PaperFinding]:
    """Runs of rows of a table whose A_post belongs to another row, by P_sft + PL_rl."""
    expected = {item.claim: item for item in found if item.how == "P_sft + PL_rl"}
    columns: dict[tuple[str, str], list[Claim]] = defaultdict(list)
    for claim in ledger.select_claims("A_post"):
        if claim.id in expected:
            columns[claim.table, claim.place].append(claim)
    for (_, place), rows in columns.items():
        sums = [expected[claim.id] for claim in rows]
        own = [not is_beyond_rounding(item, claim) for item, claim in zip(sums, rows, strict=True)]
        for shift in SHIFTS:
            fits = [
                0 <= i + shift < len(rows) and not is_beyond_rounding(sums[i + shift], claim)
                for i, claim in enumerate(rows)
            ]
            for start, end in find_row_runs(fits, own):
                names = tuple(claim.id for claim in rows[start : end + 1])
                yield PaperFinding(
                    CONTRADICTION,
                    "row shift",
                    names,
                    describe_shift(rows, start, end, shift, place),
                )


def find_row_runs(fits: Sequence[bool], own: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """First and last row of each run that fits the other row, wrong by its own row at both ends.

    At least two rows of a run must be wrong where they stand: one may be a misprint.
    """
    edges = [-1, *(i for i, fit in enumerate(fits) if not fit), len(fits)]
    for before, after in pairwise(edges):
        wrong = [i for i in range(before + 1, after) if not own[i]]
        if len(wrong) > 1:
            yield wrong[0], wrong[-1]


def describe_shift(rows: Sequence[Claim], start: int, end: int, shift: int, place: str) -> str:
    """The finding in words."""
    first, last = (f"{rows[i].dataset} {rows[i].sft_step}" for i in (start, end))
    values = ", ".join(claim.value for claim in rows[start : end + 1])
    direction = "below" if shift > 0 else "above"
    return (
        f"A_post of {place} from {first} to {last} ({values}) is P_sft + PL_rl of the row"
        f" {abs(shift)} {direction}: the column is shifted"
    )


def find_conflicting_prints(ledger: Ledger, blamed: set[str]) -> Iterator[PaperFinding]:
    """The same quantity printed as two numbers that no single value rounds to."""
    # Counts tell benchmarks apart.
    groups: dict[tuple[object, ...], list[Claim]] = defaultdict(list)
    for claim in ledger.claims.values():
        whole_set = claim.quantity in SAME_FOR_A_SET
        numeric = claim.quantity not in ("subphase", "statement", "setting")
        # Skip numbers already known to be wrong: comparing with them would cast doubt on the
        # correct print.
        if numeric and claim.id not in blamed and (whole_set or claim.sft_step is not None):
            step = None if whole_set else claim.sft_step
            groups[claim.quantity, claim.model, claim.dataset, step, claim.counts].append(claim)
    for claims in groups.values():
        for first, second in pairwise(claims):
            if (
                abs(get_printed_value(first) - get_printed_value(second))
                > get_rounding_slack(first) + get_rounding_slack(second) - 1e-9
            ):
                text = f"{first.place} prints {first.value}, {second.place} prints {second.value}"
                yield PaperFinding(CONTRADICTION, "printed twice", (first.id, second.id), text)


def find_low_peaks(ledger: Ledger) -> Iterator[PaperFinding]:
    """A peak of the SFT curve that lies below a printed point of the same range."""
    scores, computes = index_branches(ledger, "P_sft"), index_branches(ledger, "x_sft")
    for claim in ledger.claims.values():
        if claim.check != "sft_peak":
            continue
        low, high = (float(end) for end in claim.of.split())
        inside = [
            score
            for key, score in scores.items()
            if key[:2] == (claim.model, claim.dataset)
            and key in computes
            and low <= get_printed_value(computes[key]) <= high
        ]
        above = [
            p
            for p in inside
            if get_printed_value(p) - get_rounding_slack(p)
            > get_printed_value(claim) + get_rounding_slack(claim)
        ]
        if above:
            top = max(above, key=get_printed_value)
            text = (
                f"{claim.value} is the SFT peak, but {top.place} prints P_sft {top.value} at step"
                f" {top.sft_step} (if both are the SFT run on {claim.dataset})"
            )
            yield PaperFinding(REMARK, "peak", (claim.id,), text)


def list_remarks(ledger: Ledger) -> Iterator[PaperFinding]:
    """Numbers that are easily taken for each other."""
    yield from find_foreign_minimum(ledger)
    yield from find_implied_steps(ledger)
    figure, table = (
        ledger.claims.get(name)
        for name in ("figure_2.base.dapo_d_ceiling", "table_4.none.0.a_post_figure_3")
    )
    if figure and table and get_printed_value(figure) != get_printed_value(table):
        text = (
            f"the ceiling of Pure RL is {figure.value} in {figure.place} (DAPO_d, MIX37K) and"
            f" {table.value} in {table.place} (DAPO_dc, RL62K): two runs"
        )
        yield PaperFinding(REMARK, "two runs", (figure.id, table.id), text)


def find_foreign_minimum(ledger: Ledger) -> Iterator[PaperFinding]:
    """RL starts at the minimum loss of one model where another model is past its Stable phase."""
    labels = {(claim.dataset, claim.sft_step): claim for claim in ledger.select_claims("subphase")}
    for claim in ledger.select_claims("sft_step"):
        label = labels.get((claim.dataset, claim.sft_step))
        if label is not None and label.value != STABLE:
            text = (
                f"step {claim.value} has the minimum loss of {claim.model} ({claim.place}), and is"
                f" {label.value} for {label.model} ({label.place}): the minima differ by model"
            )
            yield PaperFinding(REMARK, "minimum loss", (claim.id,), text)


def find_implied_steps(ledger: Ledger) -> Iterator[PaperFinding]:
    """The SFT step that a compute without a step stands for, by Appendix E and Table 3."""
    for claim in ledger.select_claims("x_sft"):
        names = [f"table_3.{claim.dataset}.{part}_tokens" for part in ("prompt", "response")]
        known = claim.model in ledger.models and claim.dataset in ledger.batches
        if claim.sft_step is None and known and all(name in ledger.claims for name in names):
            length = sum(get_printed_value(ledger.claims[name]) for name in names)
            step = get_printed_value(claim) / compute_step_eflops(ledger, claim, length)
            text = (
                f"{claim.value} EFLOPs of {claim.model} on {claim.dataset} are SFT step {step:.0f}"
            )
            starts = {
                c.value for c in ledger.select_claims("sft_step") if c.dataset == claim.dataset
            }
            text += f"; Table 1 starts RL at step {', '.join(sorted(starts))}" if starts else ""
            yield PaperFinding(REMARK, "implied step", (claim.id,), text)
