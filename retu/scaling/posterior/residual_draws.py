"""Draws of the noise of evaluations."""

import numpy as np

from retu.scaling.law import FloatArray
from retu.scaling.posterior.branch_posterior import LawDraws


def draw_evaluation_noise(
    draws: LawDraws, error: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Noise of n evaluations in a row for every draw, points, shape (D, n).

    Args:
        draws: size and correlation of the noise.
        error: standard errors of the evaluations, points, shape (n,).
        rng: where the noise comes from.
    """
    fresh = rng.standard_normal((error.size, draws.noise.size)) * draws.noise
    spread = np.sqrt(1 - draws.rho**2)
    noise = np.empty_like(fresh)
    state = noise[0] = fresh[0]
    for i in range(1, error.size):
        state = draws.rho * state + spread * fresh[i]
        noise[i] = state
    return np.asarray(noise.T * error)
