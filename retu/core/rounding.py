"""The one rounding of scores: to the decimal nearest to the number as it is stored.

NumPy multiplies by a power of ten first, and `round` of a NumPy scalar is NumPy's: 56.445, which is
stored as a little more, becomes 56.44 there, but 56.45 as a float and in every formatted text. Two
roundings of one score differ by a hundredth, which looks like a loss.
"""

import math

import numpy as np
import numpy.typing as npt


def round_score(value: float, decimals: int) -> float:
    """A number rounded as Python's floats and format strings round, never -0.0."""
    return round(float(value), decimals) + 0.0


def round_scores(values: npt.ArrayLike, decimals: int) -> npt.NDArray[np.float64]:
    """Every number of an array rounded by `round_score`; the shape stays."""
    numbers = np.asarray(values, dtype=np.float64)
    rounded = [round_score(value, decimals) for value in numbers.ravel().tolist()]
    return np.array(rounded, dtype=np.float64).reshape(numbers.shape)


def round_down(value: float, digits: int) -> float:
    """At most a positive value, to so many significant digits."""
    unit = 10.0 ** (math.floor(math.log10(value)) + 1 - digits)
    # A value of so few digits stays, whatever the binary digits of the quotient say.
    return float(f"{math.floor(value / unit * (1 + 1e-12)) * unit:.{digits}g}")
