"""Where the posterior of (C_mid, B) is, which points are outliers, and how large the noise is.

A grid over the prior is too coarse for long, clear curves. So the grid is moved: each pass takes
the part of the last one that has any weight, sheared along the ridge of C_mid and B, until cells
are smaller than the posterior. Outliers are judged on the way, under a mixture of the noise and a
wider one, and points that belong to the wider one are left out.
"""

from typing import NamedTuple

import numpy as np

from retu.scaling.law import FloatArray
from retu.scaling.posterior.grid_cells import LinearPrior, NoiseGrid, make_cells
from retu.scaling.posterior.posterior_points import BranchPoints, compute_rise_curves, make_forms
from retu.scaling.posterior.prior import Prior
from retu.scaling.smoothing import compute_centred_median

MAD_TO_SD = 1.4826
FIRST_STEP = 0.4
"""Step of the first grid in log C_mid."""
FARTHEST = 4.5
"""Log of the largest C_mid in compute of the last point."""
STEEPNESS = (0.3, 8.0)
"""Range of B on the first grid."""
FIRST_B, GRID = 9, (16, 12)
"""Values of log B on the first grid; cells of the later ones."""
MOST_PASSES, LEAST_PASSES = 6, 2
SETTLED = 0.8
"""A pass that lowers the noise by more has sharpened the posterior too: another one follows."""
FEWEST_CELLS = 6.0
"""Effective number of cells below which a grid is too coarse to see the posterior's shape."""
NEGLIGIBLE = 11.0
"""Cells are left out below exp(-11) of the best."""
MIDDLE = 2.5
"""The same while the posterior is flattened to be seen at all."""
MARGIN = 0.7
"""Of a cell, kept around those that have weight."""
TYPICAL_RHO = 0.2
OUTLIER_SHARE, OUTLIER_SD = 0.03, 6.0
"""Prior share of outliers; their SD in those of the noise."""
WILD = 4.0
"""SDs from a running median beyond which a point does not count in the first pass."""
LEVEL_SD = 20.0
"""SD of the level around the measured P_sft, in standard errors: P_sft is one score of many."""
N_LAW = 4
"""Parameters of the law."""


class PosteriorRegion(NamedTuple):
    """Grid of (log C_mid, log B), each (T,), weights of the points (n,), noise size."""

    log_c_mid: FloatArray
    log_b: FloatArray
    weight: FloatArray
    size: float


def make_linear_prior(points: BranchPoints, prior: Prior) -> LinearPrior:
    """Prior of level and gain."""
    level_sd = LEVEL_SD * float(np.median(points.error))
    return LinearPrior(level_sd, prior.gain_mean, prior.gain_sd, points.missing)


def find_posterior_region(points: BranchPoints, prior: Prior) -> PosteriorRegion:
    """Narrow the grid down to the posterior."""
    size, weight = guess_noise(points)
    log_c_mid, log_b, cell = _make_first_grid(points.log_first_compute)
    linear = make_linear_prior(points, prior)
    for done in range(1, MOST_PASSES + 1):
        phi = compute_rise_curves(points.x, log_c_mid, log_b)
        keep = weight > 0
        forms = make_forms(points.take_points(keep), weight[keep], phi[:, keep])
        log_prior = prior.compute_log_density(log_c_mid, log_b, points.log_first_compute)
        cells = make_cells(forms, int(keep.sum()), _make_single_noise(size), linear, log_prior)
        share = cells.weight[0, 0]
        level, gain = cells.level[0, 0], (cells.ceiling - cells.level)[0, 0]
        residual = (points.rise - share @ level - (share * gain) @ phi) / points.error
        before = size
        size, weight = weigh_points(residual, points.floor)
        log_weight = cells.log_weight[0, 0] - cells.log_weight.max()
        log_c_mid, log_b, cell, resolved = _narrow_grid(log_c_mid, log_b, log_weight, cell)
        if resolved and done >= LEAST_PASSES and size > SETTLED * before:
            break
    return PosteriorRegion(log_c_mid, log_b, weight, size)


def guess_noise(points: BranchPoints) -> tuple[float, FloatArray]:
    """Noise from neighbouring scores, and weights without what is far from a running median."""
    scaled = points.rise / points.error
    smooth = np.concatenate([scaled[:1], compute_centred_median(scaled[1:])])
    steps = np.abs(np.diff(scaled[1:])) if scaled.size > 3 else np.abs(scaled - smooth)
    size = max(MAD_TO_SD * float(np.median(steps)) / np.sqrt(2), points.floor)
    return size, np.where(np.abs(scaled - smooth) > WILD * size, 0.0, 1.0)


def weigh_points(residual: FloatArray, floor: float) -> tuple[float, FloatArray]:
    """Noise size and weights of the points, two rounds of the mixture from a robust start."""
    size = max(MAD_TO_SD * float(np.median(np.abs(residual))), floor)
    for _ in range(2):
        square = (residual / size) ** 2
        wide = OUTLIER_SHARE / OUTLIER_SD * np.exp(-0.5 * square / OUTLIER_SD**2)
        outlier = wide / (wide + (1 - OUTLIER_SHARE) * np.exp(-0.5 * square))
        weight = np.where(outlier > 0.5, 0.0, 1 - outlier + outlier / OUTLIER_SD**2)
        freedom = max(np.count_nonzero(weight) - N_LAW, 1)
        size = max(float(np.sqrt((weight * residual**2).sum() / freedom)), floor)
    return size, weight


def _make_single_noise(size: float) -> NoiseGrid:
    """A grid of one noise."""
    none = np.zeros(1)
    return NoiseGrid(np.array([size]), none, np.array([TYPICAL_RHO]), none)


def _make_first_grid(first: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The whole prior: log C_mid and log B of the cells, and the size of a cell."""
    count = 1 + int(np.ceil((FARTHEST - first + 1) / FIRST_STEP))
    c_mid = np.linspace(first - 1, FARTHEST, count)
    b = np.linspace(np.log(STEEPNESS[0]), np.log(STEEPNESS[1]), FIRST_B)
    cell = np.array([c_mid[1] - c_mid[0], b[1] - b[0]])
    return np.repeat(c_mid, FIRST_B), np.tile(b, count), cell


def _narrow_grid(
    log_c_mid: FloatArray, log_b: FloatArray, log_weight: FloatArray, cell: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, bool]:
    """The next grid, its cells, and whether this one was fine enough to see the posterior."""
    power = 1.0
    share = _normalise_weights(log_weight)
    while 1 / (share**2).sum() < FEWEST_CELLS and power > 1e-3:
        power /= 2
        share = _normalise_weights(power * log_weight)
    c_mid, b = log_c_mid - share @ log_c_mid, log_b - share @ log_b
    # A cell has a width of its own, which keeps the variance of a single one from being 0.
    slope = float(share @ (c_mid * b) / (share @ c_mid**2 + cell[0] ** 2 / 12))
    b = b - slope * c_mid
    # A coarse grid shows a flattened posterior, of which the middle is enough.
    kept = power * log_weight > (-NEGLIGIBLE if power == 1 else -MIDDLE)
    low = np.array([c_mid[kept].min(), b[kept].min()]) - MARGIN * cell
    high = np.array([c_mid[kept].max(), b[kept].max()]) + MARGIN * cell
    first, second = (np.linspace(low[i], high[i], GRID[i]) for i in range(2))
    along, across = np.repeat(first, GRID[1]), np.tile(second, GRID[0])
    return (
        share @ log_c_mid + along,
        share @ log_b + slope * along + across,
        np.array([first[1] - first[0], second[1] - second[0]]),
        power == 1.0,
    )


def _normalise_weights(log_weight: FloatArray) -> FloatArray:
    weight = np.exp(log_weight)
    share: FloatArray = weight / weight.sum()
    return share
