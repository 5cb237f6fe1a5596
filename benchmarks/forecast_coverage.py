"""How often forecasts hold the scores that come later, at every nominal level.

    python benchmarks/forecast_coverage.py [--seeds 501 502] [--released CURVES.csv]
        [--out docs/forecast_coverage.csv] [--figure docs/forecast_coverage.svg]

The later points of every curve are hidden; a forecast sees the first 30 or 50% of them, as
`retu fit --forecast` does: without other branches. Planted curves follow the law
(`benchmarks/planted.py`), or shapes that it cannot follow: an exponential, a power law, two rises,
and the law with a slow random walk. They are made from seeds that were used for nothing else.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from planted import (
    CUT,
    NOISES,
    OUTLIERS,
    REGULAR,
    Noise,
    compute_binomial_errors,
    draw_ar1_noise,
    plant_curves,
)

from retu.core.errors import InputError
from retu.core.tables import read_table
from retu.scaling.branch import Branch, make_branch
from retu.scaling.forecasting.forecast_settings import ForecastSettings
from retu.scaling.forecasting.predict import GainPrior, forecast_branch
from retu.scaling.law import FloatArray, compute_gain
from retu.scaling.measured_branches import FITTED_CURVE_COLUMNS, extract_branches

mpl.use("Agg")
mpl.rcParams["svg.hashsalt"] = "forecasts"
LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
FRACTIONS = (0.3, 0.5)
LAW_COUNTS = {REGULAR: 40, CUT: 12, OUTLIERS: 12}
SHAPE_COUNT = 16
COLOURS = {"the law": "#0072B2", "other shapes": "#D55E00", "released": "#009E73"}


class HiddenPart(NamedTuple):
    """What a forecast said of the hidden points, by level and at the last of them."""

    source: str
    kind: str
    noise: str
    fraction: float
    error: float
    width: float
    covered: dict[float, float]
    last: dict[float, float]


def plant_other_shapes(seed: int, noise: Noise) -> Iterator[tuple[str, Branch]]:
    """Curves that no law of ours describes; sizes and lengths as `plant_curve` has them."""
    rng = np.random.default_rng([seed, NOISES.index(noise), 99])
    for kind in ("exponential", "power law", "two rises", "walk"):
        for _ in range(SHAPE_COUNT):
            n = int(rng.integers(20, 81))
            x = np.linspace(0, 1, n + 1)
            p_sft = rng.uniform(20, 85)
            gain = rng.uniform(3, min(25, 0.8 * (100 - p_sft)))
            truth = p_sft + gain * draw_shape(kind, x, rng)
            if kind == "walk":
                steps = rng.standard_normal(n) * np.sqrt(
                    np.diff(np.log(x[1:]), prepend=np.log(x[1]))
                )
                truth[1:] += compute_binomial_errors(truth)[1:] * np.cumsum(steps)
            score = np.clip(
                truth + noise.size * draw_ar1_noise(truth, noise.correlation, rng), 0, 100
            )
            yield kind, make_branch(x, score, compute_binomial_errors(score))


def draw_shape(kind: str, x: FloatArray, rng: np.random.Generator) -> FloatArray:
    """A rise from 0 to at most 1 over x from 0 to 1."""
    reach = float(np.exp(rng.uniform(np.log(0.05), np.log(0.6))))
    if kind == "exponential":
        return np.asarray(1 - np.exp(-x / reach))
    if kind == "power law":
        return np.asarray(1 - (1 + x / reach) ** -rng.uniform(0.4, 1.5))
    law = {"epsilon": 0.0, "pl_rl": 1.0, "b": float(np.exp(rng.uniform(np.log(0.6), np.log(3.5))))}
    rise = compute_gain(x, c_mid=reach, **law)
    if kind == "two rises":
        later = compute_gain(x, epsilon=0.0, pl_rl=1.0, c_mid=rng.uniform(0.5, 0.9), b=6.0)
        return np.asarray(0.75 * rise + 0.25 * later)
    return rise


def list_curves(seeds: list[int], released: Path | None) -> Iterator[tuple[str, str, str, Branch]]:
    """Source, kind, noise and branch of every curve."""
    for seed in seeds:
        for noise in NOISES:
            for planted in plant_curves(seed, noise, LAW_COUNTS):
                yield "the law", planted.kind, noise.title, planted.branch
            for kind, branch in plant_other_shapes(seed, noise):
                yield "other shapes", kind, noise.title, branch
    if released is not None:
        for measured in extract_branches(read_table(released, FITTED_CURVE_COLUMNS)):
            yield "released", str(measured.key["dataset"]), "its own", measured.branch


def hide_and_forecast(branch: Branch, fraction: float) -> tuple[FloatArray, ...] | None:
    """Hidden scores (k,), draws of observed scores (D, k) and medians (k,); None without any."""
    whole = branch.take_first(branch.end)
    seen = 1 + max(4, int(fraction * (whole.x.size - 1)))
    if seen >= whole.x.size:
        return None
    head = whole.take_first(seen)
    try:
        made = forecast_branch(
            head.x, head.score, head.error, GainPrior(), ForecastSettings(), whole.x[seen:]
        )
    except InputError:
        return None
    return whole.score[seen:], made.observed, made.median


def measure_hidden_part(
    facts: tuple[str, str, str], fraction: float, hidden: tuple[FloatArray, ...]
) -> HiddenPart:
    """How a forecast did."""
    truth, draws, median = hidden
    tails = [(1 - level) / 2 for level in LEVELS]
    low, high = (np.quantile(draws, q, axis=0) for q in (tails, [1 - tail for tail in tails]))
    inside = (low <= truth) & (truth <= high)
    return HiddenPart(
        *facts,
        fraction,
        float(np.sqrt(np.mean((median - truth) ** 2))),
        float((high - low)[LEVELS.index(0.9)].mean()),
        dict(zip(LEVELS, inside.mean(axis=1), strict=True)),
        dict(zip(LEVELS, inside[:, -1].astype(float), strict=True)),
    )


def tabulate_coverage(parts: list[HiddenPart], by: list[str]) -> pd.DataFrame:
    """Coverage in percent, of all hidden points and of the last, by group and nominal level."""
    rows = pd.DataFrame(
        [
            {
                **{name: getattr(part, name) for name in HiddenPart._fields[:6]},
                "nominal": 100 * level,
                "all points": 100 * part.covered[level],
                "last point": 100 * part.last[level],
            }
            for part in parts
            for level in LEVELS
        ]
    )
    grouped = rows.groupby([*by, "nominal"], sort=False)
    table = grouped[["all points", "last point", "error", "width"]].mean()
    table.insert(0, "curves", grouped.size())
    return table.round(2).reset_index()


def draw_coverage(table: pd.DataFrame, target: Path) -> None:
    """Nominal against observed coverage; a panel is what a forecast saw, a line a kind of curve."""
    figure, axes = plt.subplots(1, len(FRACTIONS), figsize=(7, 3.4), sharey=True)
    for panel, fraction in zip(axes, FRACTIONS, strict=True):
        panel.plot([50, 95], [50, 95], color="black", lw=0.8)
        panel.axhspan(87, 93, color="#eeeeee", zorder=0)
        for source, colour in COLOURS.items():
            here = table[(table["source"] == source) & (table["fraction"] == fraction)]
            panel.plot(here["nominal"], here["all points"], "o-", ms=3, color=colour, label=source)
            panel.plot(here["nominal"], here["last point"], "x:", ms=4, color=colour)
        panel.set_title(f"from the first {fraction:.0%}", fontsize=9)
        panel.set_xlabel("nominal (%)", fontsize=9)
    axes[0].set_ylabel("observed (%)", fontsize=9)
    axes[0].legend(fontsize=8, frameon=False)
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})


def main() -> None:
    """Print, and write what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[501, 502])
    parser.add_argument("--released", type=Path, help="curves.csv of the study released")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    parts = []
    for *facts, branch in list_curves(options.seeds, options.released):
        for fraction in FRACTIONS:
            hidden = hide_and_forecast(branch, fraction)
            if hidden is not None:
                parts.append(measure_hidden_part((facts[0], facts[1], facts[2]), fraction, hidden))
    whole = tabulate_coverage(parts, ["source", "fraction"])
    kinds = tabulate_coverage(parts, ["source", "kind", "fraction"])
    noises = tabulate_coverage(parts, ["source", "noise", "fraction"])
    for table in (whole, kinds, noises):
        print(table[table["nominal"] == 90].to_string(index=False), flush=True)
    if options.out:
        pd.concat([whole, kinds, noises]).to_csv(options.out, index=False, lineterminator="\n")
    if options.figure:
        draw_coverage(whole, options.figure)


if __name__ == "__main__":
    main()
