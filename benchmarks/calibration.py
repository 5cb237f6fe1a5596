"""How often intervals hold and verdicts are right on curves whose law is known.

    python benchmarks/calibration.py [--seeds 101 102] [--methods robust weighted grid ...]
        [--forecasts] [--out docs/data/calibration.csv]

One row a method, noise and kind of curve (`benchmarks/planted.py`). Methods: the protocols of this
package (`robust` is the posterior, `weighted` least squares with bootstrap intervals, `plain`,
`paper`, `kit`), scipy's sigmoids of three and four parameters with intervals from the covariance, a
flat-prior Bayesian grid, and lmfit with its own confidence intervals where it is installed. All
give a ceiling with a 90% interval; a method without a verdict identifies what is narrower than
`Fit.identified_width`.
"""

import argparse
import importlib
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from planted import COUNTS, KINDS, NOISES, Noise, PlantedBranch, plant_curves
from scipy.optimize import curve_fit

from retu.config.analysis import FitSettings
from retu.config.protocols import load_protocols
from retu.core.errors import InputError
from retu.scaling.branch import Branch, ListedSettings
from retu.scaling.fitting.fit import fit_branch
from retu.scaling.forecasting.forecast_settings import ForecastSettings
from retu.scaling.forecasting.predict import GainPrior, forecast_branch
from retu.scaling.law import SCORE_MAX, FloatArray, compute_rise_fraction

SETTINGS = FitSettings()
NAN = float("nan")
PLACES = ("ceiling", "end", "double")
NORMAL = 1.6448536269514722
"""Two-sided 90% of a Gaussian."""


class MethodAnswer(NamedTuple):
    """What a method says: the ceiling, intervals of it, of the end and of twice the end, percent.

    `other` is a second interval of the ceiling, where a method has one.
    """

    identified: bool
    a_post: float
    ceiling: tuple[float, float]
    end: tuple[float, float] = (NAN, NAN)
    double: tuple[float, float] = (NAN, NAN)
    other: tuple[float, float] = (NAN, NAN)


Method = Callable[[Branch], MethodAnswer]
NOTHING = MethodAnswer(False, NAN, (NAN, NAN))


def make_protocol_method(name: str, settings: FitSettings = SETTINGS) -> Method:
    """A protocol of this package."""
    protocol = load_protocols()[name]

    def ask(branch: Branch) -> MethodAnswer:
        listed = ListedSettings(end=branch.x.size)
        try:
            fit = fit_branch(branch, protocol, settings, listed).fit
        except InputError:
            return NOTHING
        return MethodAnswer(
            fit.verdict == "identified",
            fit.a_post,
            (fit.a_post_low, fit.a_post_high),
            (fit.end_low, fit.end_high),
            (fit.double_low, fit.double_high),
            (fit.a_post_profile_low, fit.a_post_profile_high),
        )

    return ask


def judge_by_width(a_post: float, low: float, high: float) -> MethodAnswer:
    """The answer of a method without a verdict of its own."""
    return MethodAnswer(high - low < SETTINGS.identified_width, a_post, (low, high))


def make_sigmoid_method(free_origin: bool) -> Method:
    """scipy's curve_fit of the law, the origin at P_sft or free, Wald interval."""

    def ask(branch: Branch) -> MethodAnswer:
        kept = branch.take_first(branch.end)

        def evaluate_law(
            x: FloatArray, top: float, log_c: float, log_b: float, low: float = 0.0
        ) -> object:
            phi = compute_rise_fraction(x, np.float64(log_c), np.float64(np.exp(log_b)))
            return low + (top - low) * phi

        rise = kept.score - kept.p_sft
        start = [max(float(rise.max()), 0.1), float(np.log(np.median(kept.x[1:]))), 0.3]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                start = [*start, 0.0] if free_origin else start
                found, covariance = curve_fit(evaluate_law, kept.x, rise, p0=start, maxfev=5000)
        except RuntimeError:
            return NOTHING
        a_post, reach = kept.p_sft + found[0], NORMAL * float(np.sqrt(covariance[0, 0]))
        return judge_by_width(a_post, a_post - reach, a_post + reach)

    return ask


def ask_grid(branch: Branch) -> MethodAnswer:
    """A Bayesian grid with flat priors: log C_mid, log B, and A_post up to 100, Gaussian noise.

    Level and gain in closed form, the noise integrated with 1 / sigma; 90% from the marginal.
    """
    kept = branch.take_first(branch.end)
    x, rise = kept.x / kept.x[-1], kept.score - kept.p_sft
    c_mid, b = np.meshgrid(np.linspace(-5, np.log(10), 40), np.linspace(np.log(0.3), np.log(8), 24))
    phi = compute_rise_fraction(x, c_mid.reshape(-1, 1), np.exp(b.reshape(-1, 1)))
    top = np.linspace(-5.0, SCORE_MAX - kept.p_sft, 400)
    # rise = level (1 - phi) + top phi: for each top the best level, whose width is the same.
    rest = 1 - phi
    length = np.maximum((rest**2).sum(1), 1e-12)
    y_y, y_phi, phi_phi = (rise**2).sum(), phi @ rise, (phi**2).sum(1)
    y_rest, phi_rest = rest @ rise, (phi * rest).sum(1)
    square = y_y - 2 * np.outer(y_phi, top) + np.outer(phi_phi, top**2)
    square -= (y_rest[:, None] - np.outer(phi_rest, top)) ** 2 / length[:, None]
    log_weight = (
        -0.5 * (x.size - 1) * np.log(np.maximum(square, 1e-12)) - 0.5 * np.log(length)[:, None]
    )
    weight = np.exp(log_weight - log_weight.max()).sum(0)
    total = np.cumsum(weight) / weight.sum()
    low, middle, high = np.interp([0.05, 0.5, 0.95], total, top) + kept.p_sft
    return judge_by_width(middle, low, high)


def make_lmfit_method() -> Method | None:
    """lmfit's Model with `conf_interval`, or None where it is not installed."""
    try:
        lmfit = importlib.import_module("lmfit")
    except ImportError:
        return None

    def evaluate_law(x: FloatArray, low: float, top: float, log_c: float, b: float) -> FloatArray:
        return low + (top - low) * compute_rise_fraction(x, np.float64(log_c), np.float64(b))

    model = lmfit.Model(evaluate_law)

    def ask(branch: Branch) -> MethodAnswer:
        kept = branch.take_first(branch.end)
        top = float(kept.score.max())
        made = model.make_params(
            low={"value": kept.p_sft, "min": 0, "max": 100},
            top={"value": top, "min": 0, "max": 100},
            log_c={"value": float(np.log(np.median(kept.x[1:])))},
            b={"value": 1.3, "min": 0.1, "max": 20},
        )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                fit = model.fit(kept.score, made, x=kept.x)
                ends = dict(fit.conf_interval(p_names=["top"], sigmas=[NORMAL]))["top"]
        except (ValueError, lmfit.MinimizerException, AttributeError, TypeError):
            return NOTHING
        low, a_post, high = (value for _, value in ends)
        return judge_by_width(float(a_post), float(low), float(high))

    return ask


def list_methods() -> dict[str, Method]:
    """Every method that is installed."""
    methods = {
        name: make_protocol_method(name)
        for name in ("robust", "weighted", "plain", "paper", "kit", "scalerl")
    }
    methods |= {
        "scipy, 3 parameters": make_sigmoid_method(free_origin=False),
        "scipy, 4 parameters": make_sigmoid_method(free_origin=True),
        "grid": ask_grid,
    }
    other = make_lmfit_method()
    return methods | ({"lmfit": other} if other else {})


def judge_method_answer(
    planted: PlantedBranch, answer: MethodAnswer
) -> dict[str, float | str | bool]:
    """One curve: what was said, and what is true."""
    branch = planted.branch
    last = branch.x[branch.end - 1]
    at_end, at_double = planted.compute_score(np.array([last, 2 * last]))
    places = {
        "ceiling": (answer.ceiling, planted.a_post),
        "end": (answer.end, at_end),
        "double": (answer.double, at_double),
        "other": (answer.other, planted.a_post),
    }
    held = {f"{name}_held": low <= true <= high for name, ((low, high), true) in places.items()}
    return {
        "kind": planted.kind,
        "identified": answer.identified,
        "error": answer.a_post - planted.a_post,
        **held,
        **{f"{name}_given": bool(np.isfinite(low)) for name, ((low, _), _) in places.items()},
    }


def ask_method(
    method: Method, noise: Noise, seeds: list[int], counts: dict[str, int] | None = None
) -> pd.DataFrame:
    """One row a curve, with the CPU seconds of the method."""
    rows = []
    for seed in seeds:
        for planted in plant_curves(seed, noise, counts):
            started = time.process_time()
            answer = method(planted.branch)
            rows.append(
                {**judge_method_answer(planted, answer), "cpu": time.process_time() - started}
            )
    return pd.DataFrame(rows)


def compute_coverage(rows: pd.DataFrame, name: str) -> float:
    """How often an interval holds the truth; NaN for a method that gives none."""
    return float(rows[f"{name}_held"].mean()) if rows[f"{name}_given"].any() else NAN


def summarise_answers(rows: pd.DataFrame) -> dict[str, float]:
    """The figures of the goal table; shares in percent."""
    known = rows[rows["identified"]]
    kinds = rows.groupby("kind")["identified"].sum()
    given = [f"{name}_held" for name in PLACES if rows[f"{name}_given"].any()]
    per_kind = rows.groupby("kind")[given or ["ceiling_held"]].mean()
    n = max(len(known), 1)
    missed = float((~known["ceiling_held"]).sum()) / n
    return {
        "curves": len(rows),
        "identified": len(known),
        "regular": int(kinds.get("regular", 0)),
        "cut short": int(kinds.get("cut short", 0)),
        "missed": 100 * missed,
        "missed_error": 100 * float(np.sqrt(missed * (1 - missed) / n)),
        "wrong by 4": 100 * float((known["error"].abs() > 4).sum()) / n,
        "RMSE": float(np.sqrt((known["error"] ** 2).mean())) if len(known) else NAN,
        **{name: 100 * compute_coverage(rows, name) for name in PLACES},
        "worst kind": 100 * float(per_kind.to_numpy().min()),
        "ms": 1000 * float(rows["cpu"].median()),
    }


def measure_forecasts(noise: Noise, seeds: list[int]) -> list[dict[str, object]]:
    """Forecasts of the hidden part without other branches: errors against scores and law."""
    rows = []
    for part in (0.3, 0.5):
        found = []
        for planted in (p for seed in seeds for p in plant_curves(seed, noise)):
            whole = planted.branch.take_first(planted.branch.end)
            seen = 1 + max(4, int(part * (whole.x.size - 1)))
            if planted.kind in ("flat",) or seen >= whole.x.size:
                continue
            head, later = whole.take_first(seen), whole.x[seen:]
            made = forecast_branch(
                head.x, head.score, head.error, GainPrior(), ForecastSettings(), later
            )
            law = float(np.sqrt(np.mean((made.median - planted.compute_score(later)) ** 2)))
            score = float(np.sqrt(np.mean((made.median - whole.score[seen:]) ** 2)))
            held = bool(made.low[-1] <= whole.score[-1] <= made.high[-1])
            found.append((planted.kind == "cut short", law, score, held))
        table = pd.DataFrame(found, columns=["cut", "law", "score", "held"])
        cut = table[table["cut"]]
        rows.append(
            {
                "noise": noise.title,
                "from": part,
                "RMSE of the law": table["law"].mean(),
                "of the scores": table["score"].mean(),
                "last point held": 100 * table["held"].mean(),
                "cut short": 100 * cut["held"].mean(),
            }
        )
    return rows


def main() -> None:
    """Print the tables."""
    methods = list_methods()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[101])
    parser.add_argument("--methods", nargs="+", default=list(methods), choices=list(methods))
    parser.add_argument("--out", type=Path, help="CSV of the printed figures and those by kind")
    parser.add_argument("--forecasts", action="store_true", help="forecasts too")
    options = parser.parse_args()
    print(f"{sum(COUNTS.values())} curves a noise and seed: {COUNTS}; kinds {', '.join(KINDS)}")
    written: list[dict[str, object]] = []
    for name in options.methods:
        shown: list[dict[str, object]] = []
        for noise in NOISES:
            rows = ask_method(methods[name], noise, options.seeds)
            facts: dict[str, object] = {"method": name, "noise": noise.title}
            shown.append({**facts, **summarise_answers(rows)})
            written.append({**facts, "kind": "all", **summarise_answers(rows)})
            for kind, part in rows.groupby("kind"):
                written.append({**facts, "kind": kind, **summarise_answers(part)})
        print(pd.DataFrame(shown).to_string(index=False, float_format="%.2f"), flush=True)
        if options.out:
            pd.DataFrame(written).round(3).to_csv(options.out, index=False, lineterminator="\n")
    if options.forecasts:
        made = [row for noise in NOISES for row in measure_forecasts(noise, options.seeds)]
        print(pd.DataFrame(made).to_string(index=False, float_format="%.2f"))


if __name__ == "__main__":
    main()
