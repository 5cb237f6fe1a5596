"""The posterior of one branch, as fits and forecasts use it, and draws from it.

    P(x) = P_sft + level + (ceiling - level) phi(x; C_mid, B) + noise,

the law of the paper (section 4) with its epsilon as the level. Noise is Gaussian AR(1), of a size
that is never below a share of the sampling error; size and correlation are integrated too.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from retu.scaling.branch import Branch
from retu.scaling.law import SCORE_MAX, FloatArray, compute_rise_fraction
from retu.scaling.posterior.grid_cells import NoiseGrid, PosteriorCells, make_cells
from retu.scaling.posterior.posterior_points import BranchPoints, compute_rise_curves, make_forms
from retu.scaling.posterior.prior import Prior
from retu.scaling.posterior.region import PosteriorRegion, find_posterior_region, make_linear_prior

RHO = np.array([0.0, 0.2, 0.4, 0.6, 0.75, 0.87])
"""Correlations of neighbouring evaluations."""
LOG_RHO = -0.8 * np.log(1 - RHO)
"""Their log prior. It leans to correlation: what the law leaves out is smooth, and to take smooth
noise for signal is the worse mistake."""
SIZES, LEAST_SIZE, LARGEST_SIZE = 7, -1.0, 2.0
"""Noise sizes, in units of 4 / sqrt(2 n) log units around the estimate."""
TYPICAL_SIZE, SIZE_SD = 0.8, 0.3
"""The prior of the size, in binomial standard errors, is log-uniform from here up and falls off as
half of a Gaussian of the log below. Upwards it must not fall: large, correlated noise is how slow
departures from the law look."""
NOISE_FLOOR = 0.35
"""Least noise in binomial standard errors. An evaluation that asks the same problems again scatters
by less than a binomial one: by 0.5 to 0.65 of it on the released curves."""
UNKNOWN_FLOOR = 0.01
"""The same where the standard errors are not known and all scores count alike."""
N_POINTS = 1024
"""Evenly spread points of the posterior that intervals are read from."""
STEPS = (0.8191725133961645, 0.6710436067037893, 0.5497004779019703)
"""Steps of an additive sequence that fills the cube evenly: powers of the root of x^4 = x + 1."""


@dataclass(frozen=True)
class Posterior:
    """What the points of a branch say of its law.

    Attributes:
        points: the points.
        region: the curves looked at, and the weight of every point; 0 leaves it out.
        prior: the prior.
        noise: grids of the noise.
        cells: weights and Gaussians.
        p_sft: measured score at x = 0, percent.
        spent: compute of the last point, EFLOPs.
        answer: what one answer counts, points.
    """

    points: BranchPoints
    region: PosteriorRegion
    prior: Prior
    noise: NoiseGrid
    cells: PosteriorCells
    p_sft: float
    spent: float
    answer: float


class LawDraws(NamedTuple):
    """D laws of the posterior, each field of shape (D,).

    Levels and ceilings in points over P_sft; log C_mid of compute over the last compute; noise
    in standard errors; `offset` is what one answer leaves open at all places alike, points.
    """

    level: FloatArray
    ceiling: FloatArray
    log_c_mid: FloatArray
    log_b: FloatArray
    noise: FloatArray
    rho: FloatArray
    offset: FloatArray

    def compute_rise(self, x: FloatArray) -> FloatArray:
        """Points over P_sft at compute `x` over the last compute: shape (n,) to (D, n)."""
        phi = compute_rise_fraction(x, self.log_c_mid[:, None], np.exp(self.log_b)[:, None])
        level = self.level[:, None]
        rise: FloatArray = level + (self.ceiling[:, None] - level) * phi
        return rise


def condition_on_branch(branch: Branch, prior: Prior) -> Posterior:
    """Condition the law on all points of a branch; at least one must be after x = 0."""
    spent = float(branch.x[-1])
    points = BranchPoints(
        x=branch.x / spent,
        rise=branch.score - branch.p_sft,
        error=branch.error,
        missing=SCORE_MAX - branch.p_sft,
        floor=NOISE_FLOOR if branch.has_errors else UNKNOWN_FLOOR,
    )
    region = find_posterior_region(points, prior)
    kept = region.weight > 0
    used = points.take_points(kept)
    phi = compute_rise_curves(used.x, region.log_c_mid, region.log_b)
    noise = make_noise_grid(region.size, int(kept.sum()), points.floor)
    log_prior = prior.compute_log_density(region.log_c_mid, region.log_b, points.log_first_compute)
    forms = make_forms(used, region.weight[kept], phi)
    cells = make_cells(forms, int(kept.sum()), noise, make_linear_prior(points, prior), log_prior)
    return Posterior(points, region, prior, noise, cells, branch.p_sft, spent, branch.answer)


def make_noise_grid(size: float, count: int, floor: float) -> NoiseGrid:
    """Sizes around the estimate of `count` points, and all correlations."""
    sizes = size * np.exp(np.linspace(LEAST_SIZE, LARGEST_SIZE, SIZES) * 4 / np.sqrt(2 * count))
    allowed = sizes >= floor
    if not allowed.any():
        sizes, allowed = np.array([floor]), np.array([True])
    sizes = sizes[allowed]
    typical = TYPICAL_SIZE if floor == NOISE_FLOOR else sizes.min()
    log_size = -0.5 * (np.minimum(np.log(sizes / typical), 0.0) / SIZE_SD) ** 2
    return NoiseGrid(sizes, log_size, RHO, LOG_RHO)


def draw_even_laws(posterior: Posterior) -> LawDraws:
    """`N_POINTS` evenly spread laws: intervals computed from them have no Monte Carlo noise."""
    index = np.arange(N_POINTS)
    spread: list[FloatArray] = [np.asarray((0.5 + index * step) % 1) for step in STEPS]
    return _make_laws(posterior, (index + 0.5) / N_POINTS, spread)


def draw_random_laws(posterior: Posterior, count: int, rng: np.random.Generator) -> LawDraws:
    """`count` independent laws."""
    cell, *spread = rng.uniform(1e-9, 1 - 1e-9, (4, count))
    return _make_laws(posterior, cell, spread)


def _make_laws(posterior: Posterior, cell: FloatArray, spread: list[FloatArray]) -> LawDraws:
    """Laws at given quantiles, (D,): of the cell (in order of the ceiling), ceiling, level."""
    cells, region = posterior.cells, posterior.region
    shape = cells.log_weight.shape
    weight = cells.weight.ravel()
    order = np.argsort(cells.ceiling, axis=None, kind="stable")
    total = np.cumsum(weight[order])
    at = order[np.minimum(np.searchsorted(total, cell * total[-1]), weight.size - 1)]
    size, rho, curve = np.unravel_index(at, shape)
    mean, sd, below = (a[size, rho, curve] for a in (cells.ceiling, cells.ceiling_sd, cells.below))
    ceiling = np.minimum(mean + sd * ndtri(spread[0] * below), posterior.points.missing)
    covariance = cells.covariance[size, rho, curve]
    slope = covariance / sd**2
    rest = np.maximum(cells.level_variance[size, rho, curve] - slope * covariance, 0.0)
    level = cells.level[size, rho, curve] + slope * (ceiling - mean)
    return LawDraws(
        level=level + np.sqrt(rest) * ndtri(spread[1]),
        ceiling=ceiling,
        log_c_mid=region.log_c_mid[curve],
        log_b=region.log_b[curve],
        noise=posterior.noise.size[size],
        rho=posterior.noise.rho[rho],
        # Nine tenths of it is one answer wide, as wide as the interval that is read from it.
        offset=posterior.answer * (spread[2] - 0.5) / 0.9,
    )
