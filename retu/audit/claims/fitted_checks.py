"""Checks against the fits: ceilings, their averages and maxima, correlations, fit quality."""

import math

import numpy as np

from retu.audit.claims.check_context import (
    NAN,
    ClaimContext,
    get_branch,
    judge_against,
    make_missing,
)
from retu.audit.claims.claim_verdict import (
    EXACT,
    OUTSIDE,
    UNCHECKABLE,
    Outcome,
    judge_fitted,
    judge_rounding,
)
from retu.audit.claims.evidence import DRAW_MEASURES, BranchKey, Evidence
from retu.audit.claims.ledger import Claim
from retu.audit.claims.statements import correlate_pearson_draws, correlate_spearman_draws
from retu.config.protocols import KIT, PAPER, ROBUST
from retu.scaling.correlation import fisher_interval
from retu.scaling.draw_statistics import compute_central_interval
from retu.scaling.law import FloatArray, compute_gain

QUANTITY_COLUMNS = {
    **{"PL_rl": "pl_rl", "A_post": "a_post", "C_mid": "c_mid", "B": "b", "epsilon": "epsilon"},
    **{"mean_PL_rl": "pl_rl", "mean_A_post": "a_post"},
}
FISHER_LEVEL = 0.95
"""The level that is usual for r, and that the report uses."""


def check_fitted(claim: Claim, context: ClaimContext) -> Outcome:
    """A fitted number of one branch against the robust protocol, and beside it the others."""
    evidence, branch = context.evidence, get_branch(claim)
    if branch not in evidence.branches:
        return make_missing("no curve")
    column = QUANTITY_COLUMNS[claim.quantity]
    ours, paper, kit = (evidence.get_fit(p, branch, column) for p in (ROBUST, PAPER, KIT))
    interval = get_interval(evidence, branch, column)
    verdict = judge_fitted(
        claim.value, ours, paper, interval, evidence.is_identified(branch), claim.decimals
    )
    note = describe_other_protocols(paper, kit)
    if not all(map(math.isfinite, interval)):
        note += "; no interval for it"
    if doubt := evidence.explain_doubt(branch):
        note += f"; {doubt}"
    if evidence.get_fit(PAPER, branch, "at_bound") > 0:
        note += "; the paper protocol ends at its upper bound"
    return Outcome(
        verdict, ours, f"robust: {column}", *interval, ours - float(claim.value),
        judge_rounding(paper, claim.value,
        claim.decimals) or ("no" if math.isfinite(paper) else ""),
        note=note,
    )  # fmt: skip


def get_interval(evidence: Evidence, branch: BranchKey, column: str) -> tuple[float, float]:
    """90% interval of a fitted number of one branch; NaN where the fits give none."""
    if column == "a_post":
        low, high = (evidence.get_fit(ROBUST, branch, f"a_post_{end}") for end in ("low", "high"))
        return low, high
    if column in evidence.draws:
        return compute_central_interval(evidence.draws[column][evidence.find_rows([branch])[0]])
    return NAN, NAN


def describe_other_protocols(paper: float, kit: float) -> str:
    """What the other protocols say."""
    texts = [(PAPER, paper), (KIT, kit)]
    known = [f"{name} protocol {value:.2f}" for name, value in texts if math.isfinite(value)]
    return ", ".join(known) or "no other protocol fits it"


def check_fitted_mean(claim: Claim, context: ClaimContext) -> Outcome:
    """An average of fitted numbers over the branches of a set."""
    evidence, branches = context.evidence, context.list_averaged_branches(claim.dataset)
    column = QUANTITY_COLUMNS[claim.quantity]
    ours, paper, kit = (
        float(np.mean([evidence.get_fit(p, b, column) for b in branches]))
        for p in (ROBUST, PAPER, KIT)
    )
    ends = compute_central_interval(
        evidence.draws[column][evidence.find_rows(branches)].mean(axis=0)
    )
    known = [branch for branch in branches if evidence.is_identified(branch)]
    verdict = judge_fitted(claim.value, ours, paper, ends, len(known) == len(branches))
    note = (
        f"{len(known)} of {len(branches)} ceilings identified; "
        f"{describe_other_protocols(paper, kit)}"
    )
    reproduced = judge_rounding(paper, claim.value) or "no"
    difference = ours - float(claim.value)
    source = f"robust: mean {column}"
    return Outcome(verdict, ours, source, *ends, difference, reproduced, note=note)


def check_set_ceiling(claim: Claim, context: ClaimContext) -> Outcome:
    """The highest ceiling of a set."""
    evidence, branches = context.evidence, context.evidence.list_branches(claim.dataset)
    if not branches:
        return make_missing("no curve of this set")
    tops = {name: find_highest_branch(evidence, branches, name) for name in (ROBUST, PAPER, KIT)}
    values = {name: evidence.get_fit(name, branch, "a_post") for name, branch in tops.items()}
    ends = compute_central_interval(
        evidence.draws["a_post"][evidence.find_rows(branches)].max(axis=0)
    )
    known = evidence.is_identified(tops[ROBUST])
    ours, paper = values[ROBUST], values[PAPER]
    verdict = judge_fitted(claim.value, ours, paper, ends, known)
    steps = ", ".join(f"{name} step {branch[1]}" for name, branch in tops.items())
    note = f"highest at {steps}; {describe_other_protocols(paper, values[KIT])}"
    reproduced = judge_rounding(paper, claim.value) or "no"
    difference = ours - float(claim.value)
    return Outcome(
        verdict, ours, "robust: highest a_post", *ends, difference, reproduced, note=note
    )


def find_highest_branch(evidence: Evidence, branches: list[BranchKey], protocol: str) -> BranchKey:
    """The branch with the highest ceiling by a protocol; branches without a fit come last."""
    values = [evidence.get_fit(protocol, branch, "a_post") for branch in branches]
    return branches[int(np.argmax(np.nan_to_num(values, nan=-np.inf)))]


def check_refitted_correlation(claim: Claim, context: ClaimContext) -> Outcome:
    """r or rho of Figure 8 from refitted ceilings and digitised losses, with both intervals."""
    evidence = context.evidence
    rows = [c for c in context.ledger.claims.values() if c.table == claim.of]
    names = tuple(dict.fromkeys(c.dataset for c in rows))
    if not all(evidence.list_branches(name) for name in names):
        return make_missing("not all sets have curves")
    setting = context.make_setting(*names)
    draws_of = correlate_spearman_draws if claim.check == "spearman" else correlate_pearson_draws
    points = {name: collect_ceilings(evidence, name) for name in (ROBUST, PAPER)}
    ours, theirs = (float(draws_of(values, setting)[0]) for values in points.values())
    others = {name: draws_of(evidence.draws[name], setting) for name in DRAW_MEASURES}
    ends = compute_central_interval(others["a_post"])
    best = [b for n in names for b in setting.find_best_branches(points[ROBUST], n)]
    verdict = judge_fitted(claim.value, ours, theirs, ends, all(map(evidence.is_identified, best)))
    note = (
        f"{context.recomputed[claim.id].value:.3f} over the printed pairs; paper protocol"
        f" {theirs:.2f}; at equal compute {format_median(others['common_score'])}, best smoothed"
        f" score {format_median(others['best_smoothed'])}"
    )
    if claim.check == "pearson":
        low, high = fisher_interval(float(claim.value), len(names), FISHER_LEVEL)
        note += f"; n = {len(names)} alone leaves [{low:.2f}, {high:.2f}] (Fisher, 95%)"
    reproduced = judge_rounding(theirs, claim.value) or "no"
    difference = ours - float(claim.value)
    source = "robust: highest a_post against minimum loss"
    return Outcome(verdict, ours, source, *ends, difference, reproduced, note=note)


def collect_ceilings(evidence: Evidence, protocol: str) -> FloatArray:
    """Ceilings of all branches as one draw, (branches, 1); a missing one counts as the lowest."""
    values = [[evidence.get_fit(protocol, branch, "a_post")] for branch in evidence.branches]
    return np.asarray(np.nan_to_num(np.array(values), nan=-np.inf), dtype=np.float64)


def format_median(draws: FloatArray) -> str:
    """Median and interval of draws, in words."""
    low, high = compute_central_interval(draws)
    return f"{float(np.median(draws)):.2f} [{low:.2f}, {high:.2f}]"


def check_mean_fit(claim: Claim, context: ClaimContext) -> Outcome:
    """The mean quality of the published fits against that of the paper protocol."""
    evidence, column = context.evidence, claim.of
    means = {
        name: float(np.nanmean([evidence.get_fit(name, b, column) for b in context.published]))
        for name in evidence.fits
    }
    if PAPER not in means:
        return make_missing("no fit by the paper protocol")
    note = ", ".join(f"{name} {value:.2f}" for name, value in means.items())
    return judge_against(claim, means[PAPER], f"paper protocol: mean {column}", note)


def check_fit_share(claim: Claim, context: ClaimContext) -> Outcome:
    """The mean share of points that lie in the training window, in percent, by three counts."""
    flags = [f for b, f in context.evidence.settings.items() if b in context.published]
    if not flags:
        return make_missing("no released script")
    end, points = (np.array([float(row[k]) for row in flags]) for k in ("train_end", "points"))
    # train_end and points count x_rl = 0; whether the paper's count does is not said.
    counts = {
        "x = 0 counted": end / points,
        "not counted": (end - 1) / (points - 1),
        "counted in the window only": end / (points - 1),
    }
    shares = {name: 100 * float(np.mean(share)) for name, share in counts.items()}
    return make_undecided(shares, "released scripts: mean end of the window")


def make_undecided(values: dict[str, float], source: str) -> Outcome:
    """A number that depends on a choice the paper does not tell."""
    note = ", ".join(f"{name}: {value:.2f}" for name, value in values.items())
    first = next(iter(values.values()))
    reason = "depends on what the paper leaves open"
    return Outcome(UNCHECKABLE, first, source, note=f"{reason}; {note}")


def check_validation_rmse(claim: Claim, context: ClaimContext) -> Outcome:
    """The mean error of the paper protocol after its window, with and without collapses."""
    branches = [b for b in context.published if b in context.evidence.settings]
    errors = {
        name: [
            error for b in branches for error in compute_later_error(context.evidence, b, usable)
        ]
        for name, usable in (("all points", False), ("without collapses", True))
    }
    if not errors["all points"]:
        return make_missing("no window or no fit by the paper protocol")
    means = {name: float(np.mean(found)) for name, found in errors.items()}
    means["median of all points"] = float(np.median(errors["all points"]))
    return make_undecided(means, "paper protocol: mean RMSE after the window")


def compute_later_error(evidence: Evidence, branch: BranchKey, usable: bool) -> list[float]:
    """RMSE of the paper protocol beyond the training window, up to a collapse if `usable`.

    Empty without such points.
    """
    names = ("p_sft", "epsilon", "pl_rl", "c_mid", "b")
    p_sft, epsilon, pl_rl, c_mid, b = (evidence.get_fit(PAPER, branch, name) for name in names)
    end = int(evidence.settings[branch]["train_end"])
    x, score = (values[end:] for values in evidence.points[branch])
    if usable:
        kept = x <= evidence.get_fit(ROBUST, branch, "x_end_eflops")
        x, score = x[kept], score[kept]
    if len(x) == 0 or not math.isfinite(pl_rl):
        return []
    fitted = p_sft + compute_gain(x, epsilon=epsilon, pl_rl=pl_rl, c_mid=c_mid, b=b)
    return [float(np.sqrt(np.mean((score - fitted) ** 2)))]


def check_offset(claim: Claim, context: ClaimContext) -> Outcome:
    """epsilon: a flag of the released script where it is printed as zero, else a fitted number."""
    flags = context.evidence.settings.get(get_branch(claim))
    if float(claim.value) != 0:
        return check_fitted(claim, context)
    if flags is None:
        return make_missing("no released script")
    if flags["free_epsilon"] in ("0", "False"):
        return Outcome(EXACT, 0.0, "released script", difference=0.0, note="fixed, not fitted")
    note = "the released script leaves it free"
    return Outcome(OUTSIDE, NAN, "released script", note=note)
