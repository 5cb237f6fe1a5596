"""What the fitting engine is given: curves measured at the same x, and ranges of the parameters."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from retu.scaling.law import FloatArray


class Bounds(NamedTuple):
    """Ranges of the parameters that are searched.

    C_mid lies between the smallest positive x divided by `c_mid_below` and the largest x times
    `c_mid_above`; epsilon is 0 unless `fit_epsilon`.
    """

    b_min: float = 0.1
    b_max: float = 20.0
    c_mid_below: float = 10.0
    c_mid_above: float = 10.0
    fit_epsilon: bool = False


@dataclass(frozen=True)
class CurveRows:
    """R curves measured at the same n points.

    Attributes:
        x: RL compute, EFLOPs, shape (n,).
        gain: score minus P_sft, points, shape (R, n).
        weight: weight of each point, shape (R, n); 0 leaves a point out.
        cap: upper bound of PL_rl, points, shape (R,).
    """

    x: FloatArray
    gain: FloatArray
    weight: FloatArray
    cap: FloatArray

    def take(self, index: npt.NDArray[np.intp]) -> "CurveRows":
        """Select the rows at `index`, repeats allowed."""
        return CurveRows(self.x, self.gain[index], self.weight[index], self.cap[index])
