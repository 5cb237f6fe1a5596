"""Checks against the fits: ceilings, their averages and maxima, correlations, fit quality."""

import math

import numpy as np

from retu.audit.claims.check_context import NAN, Context, against, branch_of, missing
from retu.audit.claims.claim_verdict import (
    EXACT,
    OUTSIDE,
    UNCHECKABLE,
    Outcome,
    agreement,
    estimated,
)
from retu.audit.claims.evidence import MEASURES, Branch, Evidence
from retu.audit.claims.ledger import Claim
from retu.audit.claims.statements import pearson_draws, spearman_draws
from retu.config.protocols import KIT, PAPER, ROBUST
from retu.scaling.correlation import fisher_interval
from retu.scaling.draw_statistics import central
from retu.scaling.law import FloatArray, gain

COLUMNS = {
    **{"PL_rl": "pl_rl", "A_post": "a_post", "C_mid": "c_mid", "B": "b", "epsilon": "epsilon"},
    **{"mean_PL_rl": "pl_rl", "mean_A_post": "a_post"},
}
FISHER_LEVEL = 0.95
"""The level that is usual for r, and that the report uses."""


def fitted(claim: Claim, context: Context) -> Outcome:
    """A fitted number of one branch against the robust protocol, and beside it the others."""
    evidence, branch = context.evidence, branch_of(claim)
    if branch not in evidence.branches:
        return missing("no curve")
    column = COLUMNS[claim.quantity]
    ours, paper, kit = (evidence.fit(p, branch, column) for p in (ROBUST, PAPER, KIT))
    interval = interval_of(evidence, branch, column)
    verdict = estimated(
        claim.value, ours, paper, interval, evidence.identified(branch), claim.decimals
    )
    note = beside(paper, kit)
    if not all(map(math.isfinite, interval)):
        note += "; no interval for it"
    if doubt := evidence.doubt(branch):
        note += f"; {doubt}"
    if evidence.fit(PAPER, branch, "at_bound") > 0:
        note += "; the paper protocol ends at its upper bound"
    return Outcome(
        verdict, ours, f"robust: {column}", *interval, ours - float(claim.value),
        agreement(paper, claim.value, claim.decimals) or ("no" if math.isfinite(paper) else ""),
        note=note,
    )  # fmt: skip


def interval_of(evidence: Evidence, branch: Branch, column: str) -> tuple[float, float]:
    """90% interval of a fitted number of one branch; NaN where the fits give none."""
    if column == "a_post":
        low, high = (evidence.fit(ROBUST, branch, f"a_post_{end}") for end in ("low", "high"))
        return low, high
    if column in evidence.draws:
        return central(evidence.draws[column][evidence.rows([branch])[0]])
    return NAN, NAN


def beside(paper: float, kit: float) -> str:
    """What the other protocols say."""
    texts = [(PAPER, paper), (KIT, kit)]
    known = [f"{name} protocol {value:.2f}" for name, value in texts if math.isfinite(value)]
    return ", ".join(known) or "no other protocol fits it"


def mean_fitted(claim: Claim, context: Context) -> Outcome:
    """An average of fitted numbers over the branches of a set."""
    evidence, branches = context.evidence, context.averaged(claim.dataset)
    column = COLUMNS[claim.quantity]
    ours, paper, kit = (
        float(np.mean([evidence.fit(p, b, column) for b in branches])) for p in (ROBUST, PAPER, KIT)
    )
    ends = central(evidence.draws[column][evidence.rows(branches)].mean(axis=0))
    known = [branch for branch in branches if evidence.identified(branch)]
    verdict = estimated(claim.value, ours, paper, ends, len(known) == len(branches))
    note = f"{len(known)} of {len(branches)} ceilings identified; {beside(paper, kit)}"
    reproduced = agreement(paper, claim.value) or "no"
    difference = ours - float(claim.value)
    source = f"robust: mean {column}"
    return Outcome(verdict, ours, source, *ends, difference, reproduced, note=note)


def set_ceiling(claim: Claim, context: Context) -> Outcome:
    """The highest ceiling of a set."""
    evidence, branches = context.evidence, context.evidence.of_dataset(claim.dataset)
    if not branches:
        return missing("no curve of this set")
    tops = {name: highest(evidence, branches, name) for name in (ROBUST, PAPER, KIT)}
    values = {name: evidence.fit(name, branch, "a_post") for name, branch in tops.items()}
    ends = central(evidence.draws["a_post"][evidence.rows(branches)].max(axis=0))
    known = evidence.identified(tops[ROBUST])
    ours, paper = values[ROBUST], values[PAPER]
    verdict = estimated(claim.value, ours, paper, ends, known)
    steps = ", ".join(f"{name} step {branch[1]}" for name, branch in tops.items())
    note = f"highest at {steps}; {beside(paper, values[KIT])}"
    reproduced = agreement(paper, claim.value) or "no"
    difference = ours - float(claim.value)
    return Outcome(
        verdict, ours, "robust: highest a_post", *ends, difference, reproduced, note=note
    )


def highest(evidence: Evidence, branches: list[Branch], protocol: str) -> Branch:
    """The branch with the highest ceiling by a protocol; branches without a fit come last."""
    values = [evidence.fit(protocol, branch, "a_post") for branch in branches]
    return branches[int(np.argmax(np.nan_to_num(values, nan=-np.inf)))]


def correlation(claim: Claim, context: Context) -> Outcome:
    """r or rho of Figure 8 from refitted ceilings and digitised losses, with both intervals."""
    evidence = context.evidence
    rows = [c for c in context.ledger.claims.values() if c.table == claim.of]
    names = tuple(dict.fromkeys(c.dataset for c in rows))
    if not all(evidence.of_dataset(name) for name in names):
        return missing("not all sets have curves")
    setting = context.setting(*names)
    draws_of = spearman_draws if claim.check == "spearman" else pearson_draws
    points = {name: ceilings(evidence, name) for name in (ROBUST, PAPER)}
    ours, theirs = (float(draws_of(values, setting)[0]) for values in points.values())
    others = {name: draws_of(evidence.draws[name], setting) for name in MEASURES}
    ends = central(others["a_post"])
    best = [b for n in names for b in setting.best_branches(points[ROBUST], n)]
    verdict = estimated(claim.value, ours, theirs, ends, all(map(evidence.identified, best)))
    note = (
        f"{context.recomputed[claim.id].value:.3f} over the printed pairs; paper protocol"
        f" {theirs:.2f}; at equal compute {median_text(others['common_score'])}, best smoothed"
        f" score {median_text(others['best_smoothed'])}"
    )
    if claim.check == "pearson":
        low, high = fisher_interval(float(claim.value), len(names), FISHER_LEVEL)
        note += f"; n = {len(names)} alone leaves [{low:.2f}, {high:.2f}] (Fisher, 95%)"
    reproduced = agreement(theirs, claim.value) or "no"
    difference = ours - float(claim.value)
    source = "robust: highest a_post against minimum loss"
    return Outcome(verdict, ours, source, *ends, difference, reproduced, note=note)


def ceilings(evidence: Evidence, protocol: str) -> FloatArray:
    """Ceilings of all branches, shape (branches, 1), like one draw; none counts as lowest."""
    values = [[evidence.fit(protocol, branch, "a_post")] for branch in evidence.branches]
    return np.asarray(np.nan_to_num(np.array(values), nan=-np.inf), dtype=np.float64)


def median_text(draws: FloatArray) -> str:
    """Median and interval of draws, in words."""
    low, high = central(draws)
    return f"{float(np.median(draws)):.2f} [{low:.2f}, {high:.2f}]"


def mean_fit(claim: Claim, context: Context) -> Outcome:
    """The mean quality of the published fits against that of the paper protocol."""
    evidence, column = context.evidence, claim.of
    means = {
        name: float(np.nanmean([evidence.fit(name, b, column) for b in context.published]))
        for name in evidence.fits
    }
    if PAPER not in means:
        return missing("no fit by the paper protocol")
    note = ", ".join(f"{name} {value:.2f}" for name, value in means.items())
    return against(claim, means[PAPER], f"paper protocol: mean {column}", note)


def fit_share(claim: Claim, context: Context) -> Outcome:
    """The mean share of points that lie in the training window, in percent, by three counts."""
    flags = [f for b, f in context.evidence.settings.items() if b in context.published]
    if not flags:
        return missing("no released script")
    end, points = (np.array([float(row[k]) for row in flags]) for k in ("train_end", "points"))
    # train_end and points count x_rl = 0; whether the paper's count does is not said.
    counts = {
        "x = 0 counted": end / points,
        "not counted": (end - 1) / (points - 1),
        "counted in the window only": end / (points - 1),
    }
    shares = {name: 100 * float(np.mean(share)) for name, share in counts.items()}
    return undecided(shares, "released scripts: mean end of the window")


def undecided(values: dict[str, float], source: str) -> Outcome:
    """A number that depends on a choice the paper does not tell."""
    note = ", ".join(f"{name}: {value:.2f}" for name, value in values.items())
    first = next(iter(values.values()))
    reason = "depends on what the paper leaves open"
    return Outcome(UNCHECKABLE, first, source, note=f"{reason}; {note}")


def validation_rmse(claim: Claim, context: Context) -> Outcome:
    """The mean error of the paper protocol after its window, with and without collapses."""
    branches = [b for b in context.published if b in context.evidence.settings]
    errors = {
        name: [error for b in branches for error in later_error(context.evidence, b, usable)]
        for name, usable in (("all points", False), ("without collapses", True))
    }
    if not errors["all points"]:
        return missing("no window or no fit by the paper protocol")
    means = {name: float(np.mean(found)) for name, found in errors.items()}
    means["median of all points"] = float(np.median(errors["all points"]))
    return undecided(means, "paper protocol: mean RMSE after the window")


def later_error(evidence: Evidence, branch: Branch, usable: bool) -> list[float]:
    """RMSE of the paper protocol beyond the training window, up to a collapse if `usable`.

    Empty without such points.
    """
    names = ("p_sft", "epsilon", "pl_rl", "c_mid", "b")
    p_sft, epsilon, pl_rl, c_mid, b = (evidence.fit(PAPER, branch, name) for name in names)
    end = int(evidence.settings[branch]["train_end"])
    x, score = (values[end:] for values in evidence.points[branch])
    if usable:
        kept = x <= evidence.fit(ROBUST, branch, "x_end_eflops")
        x, score = x[kept], score[kept]
    if len(x) == 0 or not math.isfinite(pl_rl):
        return []
    fitted = p_sft + gain(x, epsilon=epsilon, pl_rl=pl_rl, c_mid=c_mid, b=b)
    return [float(np.sqrt(np.mean((score - fitted) ** 2)))]


def offset(claim: Claim, context: Context) -> Outcome:
    """epsilon: a flag of the released script where it is printed as zero, else a fitted number."""
    flags = context.evidence.settings.get(branch_of(claim))
    if float(claim.value) != 0:
        return fitted(claim, context)
    if flags is None:
        return missing("no released script")
    if flags["free_epsilon"] in ("0", "False"):
        return Outcome(EXACT, 0.0, "released script", difference=0.0, note="fixed, not fitted")
    note = "the released script leaves it free"
    return Outcome(OUTSIDE, NAN, "released script", note=note)
