"""The prior of a branch's law, and a wider prior that tests how much the result depends on it.

All of it is weak, and relative to the branch: compute to its last point, gains to what is missing
to 100 percent. So the unit of compute and the size of a model play no part.

- log C_mid is uniform from the first point to the last one, where a run is normally stopped, and
  falls off as half of a Gaussian of `tail` e-foldings beyond: a curve may have been stopped before
  half of its rise, but not arbitrarily early.
- B is lognormal around 1.6 with 90% between 0.65 and 4; steeper rises are steps, which a curve
  shows by chance at its end more often than runs make them.
- PL_rl is Gaussian around 0 with an SD of 0.4 of what is missing to 100 percent, and may be below
  0: a branch that does not gain must be able to say so. A_post above 100 percent is cut off.

`loosen` doubles the reach of C_mid and the spread of PL_rl and widens that of B by half. What it
moves was not said by the data.
"""

from dataclasses import dataclass, replace

import numpy as np

from retu.scaling.law import SCORE_MAX, FloatArray

GAIN_SHARE = 0.4
"""SD of PL_rl in shares of what is missing to 100 percent."""
LEAST_MISSING = 10.0
"""Points that count as missing at least, so that a start at 100 percent leaves a gain its SD."""
EARLY_RISE_LOG_SD = 0.5
"""Log SD of C_mid below the first point: an earlier rise is a jump whose place is not seen."""


@dataclass(frozen=True)
class Prior:
    """Prior of the law.

    Attributes:
        gain_mean, gain_sd: mean and SD of PL_rl, points.
        b, log_b_sd: median and log SD of B.
        reach: log C_mid is uniform up to this times the last compute.
        tail: log SD of C_mid beyond.
    """

    gain_mean: float
    gain_sd: float
    b: float = 1.6
    log_b_sd: float = 0.55
    reach: float = 1.0
    tail: float = 1.5

    def compute_log_density(
        self, log_c_mid: FloatArray, log_b: FloatArray, first: float
    ) -> FloatArray:
        """Log density of (log C_mid, log B) but for a constant; compute over the last compute.

        `first` is the log of the first positive compute.
        """
        beyond = np.maximum(log_c_mid - np.log(self.reach), 0.0) / self.tail
        before = np.minimum(log_c_mid - first, 0.0) / EARLY_RISE_LOG_SD
        steep = (log_b - np.log(self.b)) / self.log_b_sd
        density: FloatArray = -0.5 * (beyond**2 + before**2 + steep**2)
        return density

    def loosen(self) -> "Prior":
        """The second prior."""
        return replace(
            self,
            gain_sd=2 * self.gain_sd,
            log_b_sd=1.5 * self.log_b_sd,
            reach=2 * self.reach,
            tail=2 * self.tail,
        )


def make_weak_prior(p_sft: float) -> Prior:
    """The prior of a fit of a branch that starts at `p_sft` percent."""
    return Prior(0.0, GAIN_SHARE * max(SCORE_MAX - p_sft, LEAST_MISSING))
