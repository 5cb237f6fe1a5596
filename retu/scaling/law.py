"""The RL scaling law of the paper (section 4) in gain form.

    P(x) = P_sft + g(x),   g(x) = epsilon + (PL_rl - epsilon) / (1 + (C_mid / x)^B),

where x is RL compute in EFLOPs, g the gain over P_sft in points, PL_rl = g(infinity) the RL
plasticity, A_post = P_sft + PL_rl the ceiling, C_mid the compute at half of the gain, B > 0 the
steepness and epsilon >= 0 the alignment offset g(0), zero in most published fits.
"""

import numpy as np
import numpy.typing as npt

from retu.core.arrays import BoolArray as BoolArray
from retu.core.arrays import FloatArray as FloatArray

SCORE_MAX = 100.0
"""Scores are percentages, so no ceiling is higher."""


def compute_rise_fraction(
    x: FloatArray, log_c_mid: FloatArray | np.float64, b: FloatArray | np.float64
) -> FloatArray:
    """Return the fraction phi(x) = 1 / (1 + (C_mid / x)^B) of the gain; phi(0) = 0.

    Shapes broadcast; `x` in EFLOPs and `log_c_mid` the natural logarithm of C_mid in EFLOPs.
    """
    positive = x > 0
    log_x = np.log(np.where(positive, x, 1.0))
    # The logistic function as a tanh, which cannot overflow.
    return np.where(positive, 0.5 + 0.5 * np.tanh(0.5 * b * (log_x - log_c_mid)), 0.0)


def compute_gain(
    x: npt.ArrayLike, *, epsilon: float, pl_rl: float, c_mid: float, b: float
) -> FloatArray:
    """Gain over P_sft in points at RL compute `x` (EFLOPs, x >= 0)."""
    fraction = compute_rise_fraction(
        np.asarray(x, dtype=np.float64), np.float64(np.log(c_mid)), np.float64(b)
    )
    return epsilon + (pl_rl - epsilon) * fraction
