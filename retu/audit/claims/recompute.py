"""Numbers of the paper computed anew from other numbers that the paper prints.

Every input is known to half a unit of its last printed place, so every result carries the slack
that this rounding allows; only what exceeds it contradicts the paper.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from retu.audit.claims.granularity import get_half_unit
from retu.audit.claims.ledger import Claim, Ledger
from retu.compute.flops import EFLOPS, ModelShape, sft_step_flops
from retu.core.run_paths import NO_DATASET
from retu.scaling.correlation import correlate_pairs

MAX_MEAN_LENGTH = 1_000_000.0
"""Tokens: the upper end when a mean length is sought."""


FIGURE_ONLY = "Severe Overfitting"
"""The averages of Figure 3 leave this branch (Easy102K step 6120) out."""


@dataclass(frozen=True)
class RecomputedNumber:
    """What a claim should say: value, how far rounding of the inputs may move it, and from what."""

    claim: str
    value: float
    slack: float
    how: str


def get_printed_value(claim: Claim) -> float:
    """The printed value."""
    return float(claim.value)


def get_rounding_slack(claim: Claim) -> float:
    """Half a unit of its last printed place."""
    return get_half_unit(claim.value, claim.decimals)


def apply_formula(
    target: Claim, inputs: Sequence[Claim], formula: Callable[[list[float]], float], how: str
) -> RecomputedNumber:
    """Apply `formula` to printed inputs; the slack adds up what the rounding of each may do."""
    values = [get_printed_value(claim) for claim in inputs]
    slack = 0.0
    for position, claim in enumerate(inputs):
        ends = []
        for sign in (-1, 1):
            moved = values.copy()
            moved[position] += sign * get_rounding_slack(claim)
            ends.append(formula(moved))
        slack += abs(ends[1] - ends[0]) / 2
    return RecomputedNumber(target.id, formula(values), slack, how)


def recompute_claims(ledger: Ledger) -> list[RecomputedNumber]:
    """Everything in the ledger that other claims determine."""
    parts = (
        recompute_ceilings,
        recompute_averages,
        recompute_maxima,
        recompute_sft_compute,
        recompute_lengths,
        recompute_differences,
        recompute_correlations,
    )
    found = [item for part in parts for item in part(ledger)]
    return [*found, *recompute_epochs(ledger), *recompute_counts(ledger)]


def index_branches(ledger: Ledger, quantity: str) -> dict[tuple[str, str, int], Claim]:
    """The first claim about a quantity of each (model, data set, SFT step)."""
    found: dict[tuple[str, str, int], Claim] = {}
    for claim in ledger.select_claims(quantity):
        if claim.sft_step is not None:
            found.setdefault((claim.model, claim.dataset, claim.sft_step), claim)
    return found


def recompute_ceilings(ledger: Ledger) -> Iterator[RecomputedNumber]:
    """A_post = P_sft + PL_rl, wherever the paper prints all three."""
    start, gain = index_branches(ledger, "P_sft"), index_branches(ledger, "PL_rl")
    for claim in ledger.select_claims("A_post"):
        key = (claim.model, claim.dataset, -1 if claim.sft_step is None else claim.sft_step)
        if key in start and key in gain:
            yield apply_formula(claim, [start[key], gain[key]], sum, "P_sft + PL_rl")


def recompute_averages(ledger: Ledger) -> Iterator[RecomputedNumber]:
    """Averages of Figure 3 over the branches of a set."""
    severe = {
        (c.dataset, c.sft_step) for c in ledger.select_claims("subphase") if c.value == FIGURE_ONLY
    }
    for target in ledger.select_claims("mean_P_sft", "mean_PL_rl", "mean_A_post"):
        # Figure 3 is the place of the averages; its ceilings, not Table 4's, are averaged.
        rows = [
            claim
            for claim in ledger.select_claims(target.quantity.removeprefix("mean_"))
            if (claim.model, claim.dataset) == (target.model, target.dataset)
            and (claim.dataset, claim.sft_step) not in severe
            and claim.sft_step is not None
            and (claim.quantity != "A_post" or claim.place == target.place)
        ]
        if rows:
            yield apply_formula(target, rows, compute_mean, f"mean of {len(rows)} printed rows")


def compute_mean(values: list[float]) -> float:
    """Arithmetic mean."""
    return sum(values) / len(values)


def recompute_maxima(ledger: Ledger) -> Iterator[RecomputedNumber]:
    """The highest ceiling of a set, from the ceilings that the figures draw."""
    for target in ledger.select_claims("highest_A_post"):
        rows = [
            claim
            for claim in ledger.select_claims("A_post")
            if (claim.model, claim.dataset) == (target.model, target.dataset)
            and claim.place in ("Figure 3", "Figure 7")
        ]
        if rows:
            places = " and ".join(dict.fromkeys(claim.place for claim in rows))
            top = max(rows, key=get_printed_value)
            yield apply_formula(target, [top], max, f"highest ceiling drawn in {places}")


def recompute_sft_compute(ledger: Ledger) -> Iterator[RecomputedNumber]:
    """x_sft grows in proportion to the steps of a run: from the longest other checkpoint."""
    groups: dict[tuple[str, str], list[Claim]] = defaultdict(list)
    for claim in ledger.select_claims("x_sft"):
        if claim.sft_step:
            groups[claim.model, claim.dataset].append(claim)
    for claims in groups.values():
        for target in claims:
            others = [claim for claim in claims if claim.sft_step != target.sft_step]
            if others:
                longest = max(others, key=lambda claim: claim.sft_step or 0)
                factor = (target.sft_step or 0) / (longest.sft_step or 1)
                how = f"x_sft of step {longest.sft_step} in proportion to the steps"
                yield apply_formula(target, [longest], make_scale_formula(factor), how)


def make_scale_formula(factor: float) -> Callable[[list[float]], float]:
    """The formula `factor * value`."""
    return lambda values: factor * values[0]


def recompute_lengths(ledger: Ledger) -> Iterator[RecomputedNumber]:
    """The mean response length that x_sft implies by the SFT formula of appendix E."""
    for target in ledger.select_claims("response_tokens"):
        prompt = ledger.claims.get(f"{target.table}.{target.dataset}.prompt_tokens")
        rows = [
            c for c in ledger.select_claims("x_sft") if c.dataset == target.dataset and c.sft_step
        ]
        rows = [c for c in rows if c.model in ledger.models and c.place == "Table 4"]
        if prompt is not None and rows and target.dataset in ledger.batches:
            # The longest run: its compute is printed with the most digits.
            last = max(rows, key=lambda claim: claim.sft_step or 0)
            formula = make_length_formula(ledger, last)
            how = f"x_sft of step {last.sft_step} by the SFT formula of Appendix E"
            yield apply_formula(target, [last, prompt], formula, how)


def make_length_formula(ledger: Ledger, claim: Claim) -> Callable[[list[float]], float]:
    """The formula (x_sft, prompt length) -> response length of the run of `claim`."""

    def formula(values: list[float]) -> float:
        compute, prompt = values
        low, high = 1.0, MAX_MEAN_LENGTH
        # Bisection: x_sft grows with the length, and 60 halvings exhaust a double.
        for _ in range(60):
            middle = (low + high) / 2
            below = compute_step_eflops(ledger, claim, middle) * (claim.sft_step or 0) < compute
            low, high = (middle, high) if below else (low, middle)
        return low - prompt

    return formula


def compute_step_eflops(ledger: Ledger, claim: Claim, mean_length: float) -> float:
    """EFLOPs of one SFT step of the model and data set of `claim`."""
    shape = ModelShape.from_config(ledger.models[claim.model])
    return sft_step_flops(shape, ledger.batches[claim.dataset], mean_length) / EFLOPS


def recompute_differences(ledger: Ledger) -> Iterator[RecomputedNumber]:
    """Gaps that the text quotes between two printed numbers."""
    for target in ledger.claims.values():
        if target.check == "difference":
            first, second = (ledger.claims[name] for name in target.of.split())
            how = f"{first.value} - {second.value} as printed"
            yield apply_formula(target, [first, second], lambda values: values[0] - values[1], how)


def recompute_epochs(ledger: Ledger) -> Iterator[RecomputedNumber]:
    """Epochs = steps x batch / rows."""
    for target in ledger.select_claims("epochs"):
        steps, batch, rows = (ledger.claims[name] for name in target.of.split())
        how = f"{steps.value} steps x batch {batch.value} / {rows.value} thousand rows"
        # Steps and batch are exact counts; only the rows are rounded.
        work = get_printed_value(steps) * get_printed_value(batch) / 1000
        yield apply_formula(target, [rows], make_ratio_formula(work), how)


def make_ratio_formula(work: float) -> Callable[[list[float]], float]:
    """The formula `work / value`."""
    return lambda values: work / values[0]


def recompute_counts(ledger: Ledger) -> Iterator[RecomputedNumber]:
    """How many printed fits use an alignment offset."""
    for target in ledger.select_claims("count"):
        used = [claim for claim in ledger.select_claims("epsilon") if claim.table == target.of]
        total = sum(get_printed_value(claim) > 0 for claim in used)
        yield RecomputedNumber(
            target.id, float(total), 0.0, f"rows with epsilon > 0 of {len(used)}"
        )


def recompute_correlations(ledger: Ledger) -> Iterator[RecomputedNumber]:
    """r and rho over the printed pairs of a table."""
    for target in ledger.select_claims("pearson_r", "spearman_rho"):
        scores, losses = select_pairs(ledger, target.of)
        if len(scores) > 2:
            rank = target.quantity == "spearman_rho"
            n = len(scores)
            how = f"over the {n} printed pairs"
            yield apply_formula(target, [*scores, *losses], make_correlation_formula(n, rank), how)


def make_correlation_formula(n: int, rank: bool) -> Callable[[list[float]], float]:
    """The formula for r or rho of n values followed by their n partners."""

    def formula(values: list[float]) -> float:
        found = correlate_pairs(values[:n], values[n:])
        return found.spearman if rank else found.pearson

    return formula


def select_pairs(ledger: Ledger, table: str) -> tuple[list[Claim], list[Claim]]:
    """Ceilings (Llama: highest scores after DAPO_dc) and minimum losses of the sets of a table."""
    rows = [claim for claim in ledger.claims.values() if claim.table == table]
    losses = {c.dataset: c for c in rows if c.quantity == "min_val_loss"}
    scores = {
        claim.dataset: claim
        for claim in rows
        if claim.quantity in ("highest_A_post", "highest_score")
        and (claim.cells or {}).get("recipe", "DAPO_dc") == "DAPO_dc"
        and claim.dataset != NO_DATASET
    }
    shared = [name for name in scores if name in losses]
    return [scores[name] for name in shared], [losses[name] for name in shared]


def is_beyond_rounding(item: RecomputedNumber, claim: Claim) -> bool:
    """Whether rounding of inputs and of the claim itself cannot explain the difference."""
    return (
        abs(item.value - get_printed_value(claim)) > item.slack + get_rounding_slack(claim) + 1e-9
    )
