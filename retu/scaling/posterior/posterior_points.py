"""The points of one branch in the units of the posterior, and their sums under AR(1) noise.

Residuals over their standard errors are a stationary AR(1) series of the evaluations in their
order: r_t = rho r_(t-1) + e_t. Its inverse covariance is tridiagonal, so u' Q v is

    ((1 + rho^2) u.v - rho (u.Lv + Lu.v) - rho^2 (u_1 v_1 + u_n v_n)) / (1 - rho^2),

L the shift by one evaluation: three sums that no rho enters give it for all rho at once.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from retu.scaling.law import BoolArray, FloatArray


@dataclass(frozen=True)
class BranchPoints:
    """The points of one branch, x = 0 first.

    Attributes:
        x: compute over the last compute, shape (n,).
        rise: score minus P_sft, points, shape (n,).
        error: standard error of each score, points, shape (n,).
        missing: points from P_sft to 100 percent.
        floor: least noise, in standard errors.
    """

    x: FloatArray
    rise: FloatArray
    error: FloatArray
    missing: float
    floor: float

    @property
    def log_first_compute(self) -> float:
        """Log of the first positive compute."""
        return float(np.log(self.x[self.x > 0][0]))

    def take_points(self, keep: BoolArray) -> "BranchPoints":
        """The points at which `keep` is true."""
        return BranchPoints(
            self.x[keep], self.rise[keep], self.error[keep], self.missing, self.floor
        )


class QuadraticForm(NamedTuple):
    """The three sums of a quadratic form; arrays of one shape."""

    product: FloatArray
    lagged: FloatArray
    ends: FloatArray

    def evaluate(self, rho: FloatArray) -> FloatArray:
        """u' Q v for every rho, shape (R, ...)."""
        r = rho.reshape(-1, *[1] * self.product.ndim)
        form: FloatArray = ((1 + r**2) * self.product - r * self.lagged - r**2 * self.ends) / (
            1 - r**2
        )
        return form


class QuadraticForms(NamedTuple):
    """Forms of the columns 1, y (the rise) and phi, each over the standard errors.

    `fixed` has those of (1, y) with each other, shape (2, 2); `mixed` those of phi with (1, y),
    shape (2, T); `curve` that of phi with itself, shape (T,).
    """

    fixed: QuadraticForm
    mixed: QuadraticForm
    curve: QuadraticForm


def make_forms(points: BranchPoints, weight: FloatArray, phi: FloatArray) -> QuadraticForms:
    """Sums over the points for T curves phi, shape (T, n), weights of shape (n,)."""
    scale = np.sqrt(weight) / points.error
    columns = np.stack([scale, scale * points.rise])
    beside = np.zeros_like(columns)
    beside[:, :-1] = columns[:, 1:]
    beside[:, 1:] += columns[:, :-1]
    curve = phi * scale
    both = np.concatenate([columns, beside]) @ curve.T
    first, last = curve[:, 0], curve[:, -1]
    start, end = columns[:, 0], columns[:, -1]
    return QuadraticForms(
        fixed=QuadraticForm(
            columns @ columns.T, columns @ beside.T, np.outer(start, start) + np.outer(end, end)
        ),
        mixed=QuadraticForm(both[:2], both[2:], np.outer(start, first) + np.outer(end, last)),
        curve=QuadraticForm(
            np.einsum("tn,tn->t", curve, curve),
            2 * np.einsum("tn,tn->t", curve[:, 1:], curve[:, :-1]),
            first**2 + last**2,
        ),
    )


def compute_rise_curves(x: FloatArray, log_c_mid: FloatArray, log_b: FloatArray) -> FloatArray:
    """phi of T curves at compute `x` (n,), shape (T, n); a faster `compute_rise_fraction`."""
    with np.errstate(divide="ignore", over="ignore"):
        phi = log_c_mid[:, None] - np.log(x)
        phi *= np.exp(log_b)[:, None]
        np.exp(phi, out=phi)
        phi += 1
        np.reciprocal(phi, out=phi)
    return phi
