r"""Bayesian forecast of RL curves: the law, a slow walk around it, and heavy-tailed noise.

    z(u) = level + gain phi(u; C_mid, B) + walk(u) + noise,

u being compute over the compute spent so far and z the score minus P_sft over the median standard
error of the branch. `phi` is the law of the paper (section 4), its offset epsilon the level.
Given (C_mid, B), level and gain are linear and Gaussian and are integrated in closed form; (C_mid,
B) are integrated on a grid. The walk, Brownian in log(1 + u / drift_start), stands for what the
law leaves out: without it the intervals of forecasts are too narrow. Student t noise is a
reweighting of the points, by three passes under a gain left almost free, so that which points
count as outliers does not depend on other branches.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from workflow_scripts.scaling.branch import Branch
from workflow_scripts.scaling.forecast_settings import ForecastSettings
from workflow_scripts.scaling.forecast_walk import smooth, whiten
from workflow_scripts.scaling.law import FloatArray, rise_fraction

PASSES = 3


@dataclass(frozen=True)
class Curves:
    """R training parts in units of their own, padded to n points by infinite errors.

    Attributes:
        x: compute over `spent`, shape (R, n).
        rise: score minus P_sft over `unit`, shape (R, n).
        error: standard error over `unit`, shape (R, n).
        spent: compute of the last point, shape (R,).
        unit: median standard error, points, shape (R,).
        p_sft: score at x = 0, percent, shape (R,).
    """

    x: FloatArray
    rise: FloatArray
    error: FloatArray
    spent: FloatArray
    unit: FloatArray
    p_sft: FloatArray


def stack(curves: Sequence[Branch]) -> Curves:
    """Bring training parts of different lengths and scales into one batch."""
    shape = len(curves), max(curve.x.size for curve in curves)
    x, rise, error = np.ones(shape), np.zeros(shape), np.full(shape, np.inf)
    spent = np.array([curve.x[-1] for curve in curves])
    unit = np.array([np.median(curve.error) for curve in curves])
    for i, curve in enumerate(curves):
        n = curve.x.size
        x[i, :n] = curve.x / spent[i]
        rise[i, :n] = (curve.score - curve.score[0]) / unit[i]
        error[i, :n] = curve.error / unit[i]
    return Curves(x, rise, error, spent, unit, np.array([curve.score[0] for curve in curves]))


@dataclass(frozen=True)
class Evidence:
    """What the training parts say, before any prior of the gain; G grid points, shapes (R, G).

    `log_weight` is the log prior of the grid; the others are sums over the whitened points:
    `one_one`, `one_data` (R, 1) and `phi_phi`, `one_phi`, `phi_data`. `end_*` is the walk at the
    last point, for the data and per unit of level and gain (see `Whitened`).
    """

    settings: ForecastSettings
    log_weight: FloatArray
    one_one: FloatArray
    one_data: FloatArray
    phi_phi: FloatArray
    one_phi: FloatArray
    phi_data: FloatArray
    end_data: FloatArray
    end_one: FloatArray
    end_phi: FloatArray
    end_variance: FloatArray


@dataclass(frozen=True)
class Posterior:
    """Weight of each grid point and the Gaussian of (level, gain) there, shapes (R, G)."""

    evidence: Evidence
    weight: FloatArray
    level: FloatArray
    gain: FloatArray
    level_variance: FloatArray
    gain_variance: FloatArray
    covariance: FloatArray


def grid_points(settings: ForecastSettings) -> tuple[FloatArray, FloatArray]:
    """Log C_mid (in compute spent) and log B of every grid point, each (G,)."""
    reach = np.log(settings.c_mid_range)
    log_c_mid = np.linspace(-reach, reach, settings.grid[0])
    log_b = np.linspace(np.log(settings.b_min), np.log(settings.b_max), settings.grid[1])
    first, second = np.meshgrid(log_c_mid, log_b, indexing="ij")
    return first.ravel(), second.ravel()


def rise_on_grid(x: FloatArray, settings: ForecastSettings) -> FloatArray:
    """`phi` at compute `x` (R, n), in compute spent, for every grid point: (R, n, G)."""
    log_c_mid, log_b = grid_points(settings)
    return rise_fraction(x[..., None], log_c_mid, np.exp(log_b))


def walk_time(x: FloatArray, settings: ForecastSettings) -> FloatArray:
    """Variance that the walk has gathered at compute `x`, in compute spent."""
    time: FloatArray = settings.drift**2 * np.log1p(x / settings.drift_start)
    return time


def gather(curves: Curves, settings: ForecastSettings) -> Evidence:
    """Whiten the training parts and weigh their outliers down."""
    phi = rise_on_grid(curves.x, settings)
    columns = np.concatenate([curves.rise[..., None], np.ones((*curves.x.shape, 1)), phi], axis=2)
    step = np.diff(walk_time(curves.x, settings), axis=1, prepend=0.0)
    variance = (settings.noise * curves.error) ** 2
    evidence = _evidence(columns, variance, step, settings)
    for _ in range(PASSES - 1):
        rough = condition(evidence, np.zeros(1), np.full(1, settings.vague_gain))
        level = (rough.weight * rough.level).sum(axis=1, keepdims=True)
        law = level + np.einsum("rng,rg->rn", phi, rough.weight * rough.gain)
        residual = curves.rise - law
        residual = residual - smooth(residual, variance, step)
        nominal = (settings.noise * curves.error) ** 2
        variance = nominal * (settings.tail + residual**2 / nominal) / (settings.tail + 1)
        variance = np.where(np.isfinite(nominal), variance, np.inf)
        evidence = _evidence(columns, variance, step, settings)
    return evidence


def _evidence(
    columns: FloatArray, variance: FloatArray, step: FloatArray, settings: ForecastSettings
) -> Evidence:
    """Sums over the points of the columns (data, 1, phi on the grid)."""
    white = whiten(columns, variance, step)
    data, one, phi = white.columns[..., :1], white.columns[..., 1:2], white.columns[..., 2:]
    log_c_mid, log_b = grid_points(settings)
    far_c_mid = (log_c_mid - np.log(settings.c_mid)) / settings.log_c_mid_sd
    far_b = (log_b - np.log(settings.b)) / settings.log_b_sd
    return Evidence(
        settings=settings,
        log_weight=-0.5 * (far_c_mid**2 + far_b**2)[None],
        one_one=(one * one).sum(axis=1),
        one_data=(one * data).sum(axis=1),
        phi_phi=(phi * phi).sum(axis=1),
        one_phi=(one * phi).sum(axis=1),
        phi_data=(phi * data).sum(axis=1),
        end_data=white.end_mean[:, :1],
        end_one=white.end_mean[:, 1:2],
        end_phi=white.end_mean[:, 2:],
        end_variance=white.end_variance[:, None],
    )


def condition(evidence: Evidence, gain_mean: FloatArray, gain_sd: FloatArray) -> Posterior:
    """Add the prior of the gain, mean and SD in units of each curve, shapes (R,) or (1,)."""
    precision = 1 / gain_sd[:, None] ** 2
    pull = precision * gain_mean[:, None]
    one_one = evidence.one_one + 1 / evidence.settings.level_sd**2
    phi_phi = evidence.phi_phi + precision
    phi_data = evidence.phi_data + pull
    determinant = one_one * phi_phi - evidence.one_phi**2
    level = (phi_phi * evidence.one_data - evidence.one_phi * phi_data) / determinant
    gain = (one_one * phi_data - evidence.one_phi * evidence.one_data) / determinant
    explained = level * evidence.one_data + gain * phi_data
    log_weight = evidence.log_weight + 0.5 * explained - 0.5 * np.log(determinant)
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    return Posterior(
        evidence=evidence,
        weight=weight / weight.sum(axis=1, keepdims=True),
        level=level,
        gain=gain,
        level_variance=phi_phi / determinant,
        gain_variance=one_one / determinant,
        covariance=-evidence.one_phi / determinant,
    )


def moments(
    posterior: Posterior, x_new: FloatArray, phi_new: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Mean and variance of the noiseless rise at `x_new`, both (R, k).

    Args:
        posterior: of R curves.
        x_new: compute, in compute spent, shape (R, k).
        phi_new: `rise_on_grid` of it, shape (R, k, G); the same for all tuned settings.
    """
    seen = posterior.evidence
    level, gain, weight = posterior.level, posterior.gain, posterior.weight
    one, end = 1 - seen.end_one, seen.end_phi
    # At each grid point the mean is base + gain phi and the variance a square in phi: sums over
    # the grid are products of phi with (R, G) arrays, and no (R, k, G) array is made.
    base = seen.end_data + level * one - gain * end
    cross, square = posterior.covariance * one, posterior.gain_variance
    constant = posterior.level_variance * one**2 - 2 * cross * end + square * end**2
    linear = np.stack([gain, 2 * (cross - square * end + base * gain)], axis=2)
    first = phi_new @ (weight[..., None] * linear)
    second = phi_new**2 @ (weight * (square + gain**2))[..., None]
    mean = (weight * base).sum(axis=1, keepdims=True) + first[..., 0]
    power = (weight * (constant + base**2)).sum(axis=1, keepdims=True)
    spread = power + first[..., 1] + second[..., 0] - mean**2
    return mean, spread + seen.end_variance + _walk_variance(x_new, seen.settings)


def sample(posterior: Posterior, x_new: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Joint draws of the noiseless rise of a single curve (R = 1) at `x_new` (k,): (draws, k)."""
    seen = posterior.evidence
    settings = seen.settings
    at = rng.choice(posterior.weight.shape[1], size=settings.n_draws, p=posterior.weight[0])
    first, second, start = rng.standard_normal((3, settings.n_draws))
    level_sd = np.sqrt(posterior.level_variance[0, at])
    slope = posterior.covariance[0, at] / level_sd
    rest = np.sqrt(np.maximum(posterior.gain_variance[0, at] - slope**2, 0.0))
    level = posterior.level[0, at] + level_sd * first
    gain = posterior.gain[0, at] + slope * first + rest * second
    end = seen.end_data[0] - level * seen.end_one[0] - gain * seen.end_phi[0, at]
    end = end + np.sqrt(seen.end_variance[0]) * start
    walked = np.diff(_walk_variance(x_new, settings), prepend=0.0)
    steps = rng.standard_normal((settings.n_draws, x_new.size)) * np.sqrt(walked)
    phi = rise_on_grid(x_new[None], settings)[0][:, at].T
    draws: FloatArray = (level + end)[:, None] + gain[:, None] * phi + steps.cumsum(axis=1)
    return draws


def _walk_variance(x_new: FloatArray, settings: ForecastSettings) -> FloatArray:
    """Variance that the walk gathers between the last training point and `x_new`."""
    return walk_time(x_new, settings) - walk_time(np.ones(1), settings)
