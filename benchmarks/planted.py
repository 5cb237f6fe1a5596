"""Curves whose law is known: five kinds of RL branches under four kinds of evaluation noise.

Everything comes from a seed. The evaluation has 2,157 problems, the number of the released study;
noise is a share of the binomial error of the true score, independent or AR(1) with the same size.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from retu.scaling.branch import Branch, make_branch
from retu.scaling.law import FloatArray, compute_gain
from retu.scaling.sampling_noise import compute_score_error

N_PROBLEMS = 2157
REGULAR, CUT, FLAT, COLLAPSE, OUTLIERS = KINDS = (
    *("regular", "cut short", "flat", "collapsing", "outliers"),
)
COUNTS = {REGULAR: 110, CUT: 30, FLAT: 30, COLLAPSE: 30, OUTLIERS: 30}
"""Curves of each kind under each noise."""


class Noise(NamedTuple):
    """Size, in binomial standard errors, and correlation of neighbouring evaluations."""

    size: float
    correlation: float

    @property
    def title(self) -> str:
        """How tables call it."""
        kind = f"AR(1) {self.correlation:g}" if self.correlation else "iid"
        return f"{kind}, {self.size:g}"


NOISES = Noise(0.6, 0.0), Noise(1.0, 0.0), Noise(0.6, 0.5), Noise(1.0, 0.5)


@dataclass(frozen=True)
class PlantedBranch:
    """A branch with its law.

    Attributes:
        kind: one of `KINDS`.
        branch: the observed scores.
        p_sft, pl_rl, c_mid, b: the law, percent, points, EFLOPs.
        last: index after the last point that follows the law.
    """

    kind: str
    branch: Branch
    p_sft: float
    pl_rl: float
    c_mid: float
    b: float
    last: int

    @property
    def a_post(self) -> float:
        """The true ceiling, percent."""
        return self.p_sft + self.pl_rl

    def compute_score(self, x: FloatArray) -> FloatArray:
        """True scores at compute `x` (EFLOPs), percent."""
        law = {"epsilon": 0.0, "pl_rl": self.pl_rl, "c_mid": self.c_mid, "b": self.b}
        return self.p_sft + compute_gain(x, **law)


def plant_curves(
    seed: int, noise: Noise, counts: dict[str, int] | None = None
) -> Iterator[PlantedBranch]:
    """The planted curves of one seed and noise, kind by kind."""
    for number, kind in enumerate(KINDS):
        rng = np.random.default_rng([seed, NOISES.index(noise), number])
        for _ in range((counts or COUNTS).get(kind, 0)):
            yield plant_curve(kind, noise, rng)


def plant_curve(kind: str, noise: Noise, rng: np.random.Generator) -> PlantedBranch:
    """One curve of 20 to 80 points after x = 0."""
    n, end = int(rng.integers(20, 81)), float(np.exp(rng.uniform(np.log(10), np.log(150))))
    later = np.linspace(1 / n, 1, n) if rng.random() < 0.7 else np.geomspace(0.02, 1, n)
    x = end * np.concatenate([[0.0], later])
    p_sft, b = rng.uniform(20, 85), float(np.exp(rng.uniform(np.log(0.6), np.log(3.5))))
    pl_rl = 0.0 if kind == FLAT else rng.uniform(3, min(25, 0.8 * (100 - p_sft)))
    low, high = (1.05, 3.0) if kind == CUT else (0.05, 0.6)
    c_mid = end * float(np.exp(rng.uniform(np.log(low), np.log(high))))
    truth = p_sft + compute_gain(x, epsilon=0.0, pl_rl=pl_rl, c_mid=c_mid, b=b)
    score = truth + noise.size * draw_ar1_noise(truth, noise.correlation, rng)
    last = x.size
    if kind == COLLAPSE:
        last = int(rng.uniform(0.5, 0.85) * n)
        score[last:] -= rng.uniform(15, 40)
    if kind == OUTLIERS:
        wrong = 1 + rng.choice(n, max(1, round(0.06 * n)), replace=False)
        score[wrong] -= rng.uniform(4, 12, wrong.size)
    score = np.clip(score, 0.0, 100.0)
    return PlantedBranch(
        kind, make_branch(x, score, compute_binomial_errors(score)), p_sft, pl_rl, c_mid, b, last
    )


def compute_binomial_errors(score: FloatArray) -> FloatArray:
    """Binomial standard errors of scores (percent), points."""
    count = np.array([float(N_PROBLEMS)])
    return compute_score_error(score[:, None], count, count)


def draw_ar1_noise(truth: FloatArray, correlation: float, rng: np.random.Generator) -> FloatArray:
    """Stationary AR(1) noise of one binomial standard error."""
    fresh = rng.standard_normal(truth.size)
    noise = np.empty(truth.size)
    noise[0] = fresh[0]
    for i in range(1, truth.size):
        noise[i] = correlation * noise[i - 1] + np.sqrt(1 - correlation**2) * fresh[i]
    return noise * compute_binomial_errors(truth)
