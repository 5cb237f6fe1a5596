"""A verdict on every registered hypothesis, with the value of every replicate behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from retu.audit.hypotheses.contrasts import BESIDE, CONTRASTS, WITHOUT_CEILING, Asked
from retu.audit.hypotheses.inference import (
    LEAST_REPLICATES,
    PooledEffect,
    adjust_holm,
    decide_verdict,
    pool_contrasts,
)
from retu.audit.hypotheses.registered import Hypothesis
from retu.audit.hypotheses.replicates import Replicate
from retu.audit.study_claims.sentence_outcome import CANNOT_BE_ASKED
from retu.config.hypotheses import HypothesesSettings
from retu.core.arrays import FloatArray
from retu.core.markdown import format_interval, format_number
from retu.core.tables import shorten_floats
from retu.scaling.power import count_seeds_needed, find_detectable_effect

HYPOTHESIS_COLUMNS = (
    *("id", "hypothesis", "place", "prediction", "against", "contrast", "protocol", "verdict"),
    *("effect", "low", "high", "unit", "p", "p_adjusted", "standard_error", "scatter"),
    *("sampling_error", "n_replicates", "replicates", "seeds_needed", "detectable_effect"),
    *("ceiling_effect", "n_ceilings", "n_identified", "beside", "note", "missing"),
)
REPLICATE_COLUMNS = (
    *("hypothesis", "replicate", "measure", "contrast", "sampling_error"),
    *("n_branches", "branches", "missing"),
)
SCORE, CEILING = "final score", "ceiling"
SetNotes = Mapping[str, str]
"""By contrast what is to be known of the SFT sets in it."""


@dataclass(frozen=True)
class Answer:
    """What a hypothesis comes to.

    Attributes:
        asked, pooled: by final scores; `pooled` None where too few replicates have the runs.
        ceilings: by fitted ceilings, of which `n_identified` are identified.
        beside: other predictors, by name.
    """

    hypothesis: Hypothesis
    asked: Asked
    pooled: PooledEffect | None
    ceilings: Asked
    n_identified: int
    beside: dict[str, Asked]


def judge_hypotheses(
    hypotheses: Sequence[Hypothesis],
    replicates: Sequence[Replicate],
    ceilings: Sequence[Replicate],
    settings: HypothesesSettings,
    notes: SetNotes,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Judge all of them together: chances of a wrong verdict add up over hypotheses.

    Args:
        hypotheses: as registered.
        replicates: with final scores; ceilings: the same with fitted ceilings.
        settings: the study's `hypotheses`.
        notes: by contrast what is to be known of its sets.

    Returns:
        One row a hypothesis, `HYPOTHESIS_COLUMNS`; and one a hypothesis, replicate and measure,
        `REPLICATE_COLUMNS`.
    """
    chosen = [one for one in hypotheses if settings.asked is None or one.id in settings.asked]
    answers = [answer_hypothesis(one, replicates, ceilings, settings) for one in chosen]
    asked = [one for one in answers if one.pooled is not None]
    adjusted = adjust_holm([one.pooled.p for one in asked if one.pooled is not None])
    by_id = dict(zip((one.hypothesis.id for one in asked), adjusted, strict=True))
    rows = [
        describe_answer(one, by_id.get(one.hypothesis.id), len(asked), settings, notes)
        for one in answers
    ]
    table = pd.DataFrame(rows, columns=list(HYPOTHESIS_COLUMNS))
    counts = ["n_replicates", "seeds_needed", "n_ceilings", "n_identified"]
    table = table.astype({**dict.fromkeys(counts, "Int64"), "p": float, "p_adjusted": float})
    detail = [row for one in answers for row in list_replicate_rows(one)]
    return shorten_floats(table), shorten_floats(
        pd.DataFrame(detail, columns=list(REPLICATE_COLUMNS))
    )


def answer_hypothesis(
    one: Hypothesis,
    replicates: Sequence[Replicate],
    ceilings: Sequence[Replicate],
    settings: HypothesesSettings,
) -> Answer:
    """Ask the contrast of a hypothesis, and what stands beside it."""
    ask = CONTRASTS[one.contrast]
    asked = ask(replicates, settings)
    values = [found.values for found in asked.contrasts.values()]
    enough = len(values) >= LEAST_REPLICATES
    fitted = Asked({}, {}) if one.contrast in WITHOUT_CEILING else ask(ceilings, settings)
    beside = {n: other(replicates, settings) for n, other in BESIDE.get(one.contrast, {}).items()}
    pooled = pool_contrasts(np.stack(values), settings.alpha, settings.test) if enough else None
    if pooled is not None:
        pooled = replace(pooled, p=max(pooled.p, asked.least_p))
    return Answer(one, asked, pooled, fitted, count_identified(fitted, ceilings), beside)


def count_identified(asked: Asked, ceilings: Sequence[Replicate]) -> int:
    """How many of the ceilings in a contrast are identified."""
    return sum(
        branch.key in one.identified
        for one in ceilings
        if one.name in asked.contrasts
        for branch in asked.contrasts[one.name].branches
    )


def describe_answer(
    answer: Answer,
    p_adjusted: float | None,
    n_asked: int,
    settings: HypothesesSettings,
    notes: SetNotes,
) -> dict[str, object]:
    """The row of a hypothesis.

    Args:
        p_adjusted: over all that could be asked; None where it could not.
        n_asked: how many could.
    """
    one, asked, pooled = answer.hypothesis, answer.asked, answer.pooled
    row: dict[str, object] = {**one.model_dump(), "protocol": settings.protocol}
    row |= {"missing": format_lacking(asked), "verdict": CANNOT_BE_ASKED}
    row |= {"n_replicates": len(asked.contrasts), "replicates": "; ".join(asked.contrasts)}
    row["note"] = "; ".join(filter(None, (asked.note, notes.get(one.contrast, ""))))
    row |= describe_ceilings(answer.ceilings, answer.n_identified)
    row["beside"] = "; ".join(
        f"{name}: {format_pooled(other, settings.alpha)}" for name, other in answer.beside.items()
    )
    if pooled is None or p_adjusted is None:
        return row
    level = settings.alpha / n_asked
    row |= {"effect": pooled.effect, "low": pooled.low, "high": pooled.high, "p": pooled.p}
    row |= {"p_adjusted": p_adjusted, "standard_error": pooled.error, "scatter": pooled.scatter}
    row |= {
        "sampling_error": float(np.sqrt(pooled.shared)),
        "verdict": decide_verdict(pooled.effect, p_adjusted, settings.alpha),
        "seeds_needed": count_seeds_needed(pooled.effect, pooled.scatter, level, pooled.shared),
        "detectable_effect": find_detectable_effect(pooled.error, pooled.n, level),
    }
    return row


def describe_ceilings(asked: Asked, n_identified: int) -> dict[str, object]:
    """The mean contrast of ceilings, how many are in it and how many of them are identified."""
    used = list(asked.contrasts.values())
    if not used:
        return {}
    return {
        "ceiling_effect": float(np.mean([found.values[0] for found in used])),
        "n_ceilings": sum(len(found.branches) for found in used),
        "n_identified": n_identified,
    }


def format_lacking(asked: Asked) -> str:
    """What replicates lack, those that lack the same together."""
    reasons: dict[str, list[str]] = {}
    for name, reason in asked.lacking.items():
        reasons.setdefault(reason, []).append(name)
    return "; ".join(f"{', '.join(names)}: {reason}" for reason, names in reasons.items())


def format_pooled(asked: Asked, alpha: float) -> str:
    """An effect with its interval, in words."""
    values = [found.values for found in asked.contrasts.values()]
    if len(values) < LEAST_REPLICATES:
        return f"cannot be asked ({format_lacking(asked)})"
    pooled = pool_contrasts(np.stack(values), alpha)
    interval = format_interval(pooled.low, pooled.high, 2)
    return f"{format_number(pooled.effect, 2)} {interval}"


def list_replicate_rows(answer: Answer) -> list[dict[str, object]]:
    """The rows of every replicate and measure of a hypothesis."""
    measures = {SCORE: answer.asked, CEILING: answer.ceilings, **answer.beside}
    rows: list[dict[str, object]] = []
    for measure, asked in measures.items():
        for name, found in asked.contrasts.items():
            rows.append(
                {
                    "hypothesis": answer.hypothesis.id,
                    "replicate": name,
                    "measure": measure,
                    "contrast": float(found.values[0]),
                    "sampling_error": measure_error(found.values, measure),
                    "n_branches": len(found.branches),
                    "branches": "; ".join(dict.fromkeys(b.name for b in found.branches)),
                }
            )
        if measure == SCORE:
            rows += [
                {"hypothesis": answer.hypothesis.id, "replicate": name, "measure": measure,
                 "n_branches": 0, "missing": reason}
                for name, reason in asked.lacking.items()
            ]  # fmt: skip
    return rows


def measure_error(values: FloatArray, measure: str) -> float:
    """Standard deviation over draws of problems; NaN for ceilings, which are not drawn."""
    if measure == CEILING or len(values) < 3:
        return float("nan")
    return float(values[1:].std(ddof=1))


def describe_sets(stats: pd.DataFrame, settings: HypothesesSettings) -> SetNotes:
    """How large and how hard the SFT sets are that hypotheses put in order.

    Args:
        stats: dataset_stats.csv: columns dataset, rows, win_rate.
    """
    known = {str(row["dataset"]): row for row in stats.to_dict("records")}
    rows = [f"{n} {int(known[n]['rows'])}" for n in settings.sizes if n in known]
    rates = [
        f"{name} {format_number(float(known[name]['win_rate']), 2)}"
        for name in settings.difficulties or ()
        if name in known
    ]
    return {"more_data": f"rows: {', '.join(rows)}", "harder_data": f"win rate: {', '.join(rates)}"}
