"""A random walk seen through noise, for many curves at once: the scalar Kalman filter.

The walk starts at 0 and moves by Gaussian steps of known variance before each point. The filter
turns correlated residuals into independent ones of variance 1 in n operations a curve instead of
the n^3 of a covariance matrix. A point of infinite noise is not there: this pads short curves.
"""

from typing import NamedTuple

import numpy as np

from workflow_scripts.scaling.law import FloatArray

TINY = 1e-12


class Whitened(NamedTuple):
    """K columns at each of n points of R curves, and the walk after the last point.

    Attributes:
        columns: innovations over their SD, shape (R, n, K).
        end_mean: walk at the last point if the column were the data, shape (R, K); linear in it.
        end_variance: variance of the walk at the last point, shape (R,).
    """

    columns: FloatArray
    end_mean: FloatArray
    end_variance: FloatArray


def whiten(columns: FloatArray, noise: FloatArray, step: FloatArray) -> Whitened:
    """Whiten `columns` (R, n, K) under variances `noise` and `step`, both (R, n)."""
    n_curves, n_points, n_columns = columns.shape
    mean, variance = np.zeros((n_curves, n_columns)), np.zeros(n_curves)
    white = np.empty_like(columns)
    for i in range(n_points):
        variance = variance + step[:, i]
        total = variance + noise[:, i]
        innovation = columns[:, i] - mean
        white[:, i] = innovation / np.sqrt(total)[:, None]
        share = variance / total
        mean = mean + share[:, None] * innovation
        variance = variance * (1 - share)
    return Whitened(white, mean, variance)


def smooth(residual: FloatArray, noise: FloatArray, step: FloatArray) -> FloatArray:
    """Mean of the walk at every point given all residuals, shape (R, n)."""
    n_curves, n_points = residual.shape
    mean, variance = np.zeros(n_curves), np.zeros(n_curves)
    means, filtered, predicted = (np.empty_like(residual) for _ in range(3))
    for i in range(n_points):
        predicted[:, i] = variance + step[:, i]
        share = predicted[:, i] / (predicted[:, i] + noise[:, i])
        mean = mean + share * (residual[:, i] - mean)
        variance = predicted[:, i] * (1 - share)
        means[:, i], filtered[:, i] = mean, variance
    for i in reversed(range(n_points - 1)):
        share = filtered[:, i] / np.maximum(predicted[:, i + 1], TINY)
        means[:, i] += share * (means[:, i + 1] - means[:, i])
    return means
