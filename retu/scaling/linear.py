"""The linear half of the fit: given phi(x), the best epsilon and PL_rl in closed form.

With phi fixed, g = epsilon + rise * phi and rise = PL_rl - epsilon, which is linear. The allowed
pairs form the triangle epsilon >= 0, rise >= 0, epsilon + rise <= cap. The optimum is the
unconstrained one if it lies inside, else the best point of the three edges. Everything needed is
a few weighted sums, so grid search and refinement share this code.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from retu.scaling.law import FloatArray

TINY = 1e-300

# Which columns of (phi, 1) are free to move at the optimum; the refinement projects them out.
FACE_NONE, FACE_RISE, FACE_TRADE, FACE_BOTH = 0, 1, 2, 3


class WeightedSums(NamedTuple):
    """Weighted sums over the points of a curve; the fields broadcast against each other."""

    one: FloatArray
    gain: FloatArray
    phi: FloatArray
    phi_phi: FloatArray
    phi_gain: FloatArray


class LinearFit(NamedTuple):
    """Best epsilon and rise (points), and which columns are free there (FACE_*)."""

    epsilon: FloatArray
    rise: FloatArray
    face: npt.NDArray[np.int64]


def compute_loss_change(sums: WeightedSums, epsilon: FloatArray, rise: FloatArray) -> FloatArray:
    """Sum of squares of (epsilon, rise) minus that of the zero curve."""
    linear = epsilon * sums.gain + rise * sums.phi_gain
    square = epsilon**2 * sums.one + 2 * epsilon * rise * sums.phi + rise**2 * sums.phi_phi
    return square - 2 * linear


def solve_linear(sums: WeightedSums, cap: FloatArray, fit_epsilon: bool) -> LinearFit:
    """Minimise the sum of squares over the triangle; epsilon stays 0 unless `fit_epsilon`."""
    if not fit_epsilon:
        rise = _solve_clipped(sums.phi_gain, sums.phi_phi, cap)
        inside = (rise > 0) & (rise < cap)
        return LinearFit(np.zeros_like(rise), rise, np.where(inside, FACE_RISE, FACE_NONE))
    determinant = sums.one * sums.phi_phi - sums.phi**2
    safe = np.where(determinant > 0, determinant, 1.0)
    epsilon = (sums.phi_phi * sums.gain - sums.phi * sums.phi_gain) / safe
    rise = (sums.one * sums.phi_gain - sums.phi * sums.gain) / safe
    # The problem is convex: a free optimum inside the triangle is the answer, and few are not.
    outside = ~((determinant > 0) & (epsilon > 0) & (rise > 0) & (epsilon + rise < cap))
    face = np.full(rise.shape, FACE_BOTH)
    if outside.any():
        part = WeightedSums(*(np.broadcast_to(field, rise.shape)[outside] for field in sums))
        edge = _find_best_edge(part, np.broadcast_to(cap, rise.shape)[outside])
        epsilon[outside], rise[outside], face[outside] = edge
    return LinearFit(epsilon, rise, face)


def _find_best_edge(sums: WeightedSums, cap: FloatArray) -> LinearFit:
    """The best point on the three edges of the triangle."""
    best = solve_linear(sums, cap, fit_epsilon=False)
    flat = _solve_clipped(sums.gain, sums.one, cap)
    best = _keep_better(sums, best, flat, np.zeros_like(flat), FACE_NONE)
    # On the edge epsilon + rise = cap the curve is cap - rise * (1 - phi).
    missing = cap * (sums.one - sums.phi) - (sums.gain - sums.phi_gain)
    trade = _solve_clipped(missing, sums.one - 2 * sums.phi + sums.phi_phi, cap)
    return _keep_better(sums, best, cap - trade, trade, FACE_TRADE)


def _solve_clipped(numerator: FloatArray, denominator: FloatArray, cap: FloatArray) -> FloatArray:
    """One-dimensional least squares on [0, cap]; 0 where no point carries weight."""
    return np.clip(numerator / np.maximum(denominator, TINY), 0.0, cap)


def _keep_better(
    sums: WeightedSums, best: LinearFit, epsilon: FloatArray, rise: FloatArray, face: int
) -> LinearFit:
    """Replace `best` where the candidate has the smaller sum of squares."""
    wins = compute_loss_change(sums, epsilon, rise) < compute_loss_change(
        sums, best.epsilon, best.rise
    )
    return LinearFit(
        np.where(wins, epsilon, best.epsilon),
        np.where(wins, rise, best.rise),
        np.where(wins, face, best.face),
    )
