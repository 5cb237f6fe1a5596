"""The posterior on a grid: a weight and a Gaussian of (level, gain) in every cell.

Given C_mid, B, the size of the noise and its correlation, the law is linear in the level (epsilon)
and the gain, both Gaussian, so the cell's evidence and the Gaussian there are closed forms. The
ceiling is cut off at 100 percent.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr

from retu.scaling.law import FloatArray
from retu.scaling.posterior.posterior_points import QuadraticForms

FAR_SDS = 8.0
"""SDs from 100 percent beyond which cutting off there changes nothing."""


class NoiseGrid(NamedTuple):
    """Grids of the noise: SD in standard errors (F,), log prior (F,); rho and log prior (R,)."""

    size: FloatArray
    log_size: FloatArray
    rho: FloatArray
    log_rho: FloatArray


class LinearPrior(NamedTuple):
    """Prior of the linear part: SD of the level, mean and SD of the gain, room to 100; points."""

    level_sd: float
    gain_mean: float
    gain_sd: float
    missing: float


@dataclass(frozen=True)
class PosteriorCells:
    """Cells (size, rho, curve), shape (F, R, T); levels and ceilings in points over P_sft.

    Attributes:
        log_weight: log posterior but for a constant.
        level, ceiling: means of the level and of the ceiling before it is cut off.
        level_variance, ceiling_sd, covariance: their spread; the covariance of both.
        below: probability that the ceiling is below 100 percent, before it is cut off.
    """

    log_weight: FloatArray
    level: FloatArray
    ceiling: FloatArray
    level_variance: FloatArray
    ceiling_sd: FloatArray
    covariance: FloatArray
    below: FloatArray

    @property
    def weight(self) -> FloatArray:
        """Probabilities of the cells."""
        weight: FloatArray = np.exp(self.log_weight - self.log_weight.max())
        weight /= weight.sum()
        return weight


def make_cells(
    forms: QuadraticForms,
    n_points: int,
    noise: NoiseGrid,
    linear: LinearPrior,
    log_prior: FloatArray,
) -> PosteriorCells:
    """Integrate level and gain for T curves; `log_prior` of the curves, shape (T,)."""
    fixed, mixed, curve = (form.evaluate(noise.rho) for form in forms)
    precision = noise.size[:, None, None] ** -2.0
    gain_precision = linear.gain_sd**-2.0
    one_one = precision * fixed[:, 0, 0, None] + linear.level_sd**-2.0
    one_phi = precision * mixed[:, 0]
    phi_phi = precision * curve + gain_precision
    one_y = precision * fixed[:, 0, 1, None]
    phi_y = precision * mixed[:, 1] + gain_precision * linear.gain_mean
    determinant = one_one * phi_phi - one_phi**2
    level = (phi_phi * one_y - one_phi * phi_y) / determinant
    gain = (one_one * phi_y - one_phi * one_y) / determinant
    log_weight = 0.5 * (level * one_y + gain * phi_y - np.log(determinant)) + log_prior
    log_weight += _compute_scale_terms(fixed[:, 1, 1], n_points, noise, precision)[:, :, None]
    ceiling = level + gain
    level_variance = phi_phi / determinant
    covariance = (phi_phi - one_phi) / determinant
    ceiling_sd = np.sqrt((phi_phi + one_one - 2 * one_phi) / determinant)
    distance = (linear.missing - ceiling) / ceiling_sd
    below = np.ones_like(distance)
    near = distance < FAR_SDS
    if near.any():
        below[near] = np.maximum(ndtr(distance[near]), 1e-300)
        log_weight[near] += np.log(below[near])
    return PosteriorCells(log_weight, level, ceiling, level_variance, ceiling_sd, covariance, below)


def _compute_scale_terms(
    y_y: FloatArray, n_points: int, noise: NoiseGrid, precision: FloatArray
) -> FloatArray:
    """The parts of the log evidence that all curves share, shape (F, R)."""
    shared = noise.log_size - n_points * np.log(noise.size)
    correlated = noise.log_rho - 0.5 * (n_points - 1) * np.log1p(-(noise.rho**2))
    terms: FloatArray = shared[:, None] + correlated - 0.5 * precision[:, :, 0] * y_y
    return terms
