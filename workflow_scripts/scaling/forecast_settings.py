"""Settings of a forecast, all without units, and the declared grid they are tuned on."""

from dataclasses import dataclass, field, replace
from itertools import product
from typing import ClassVar

from pydantic import ConfigDict, TypeAdapter

from workflow_scripts.errors import InputError
from workflow_scripts.validation import explained

MIN_POINTS = 5
"""Points that a forecast needs, x = 0 among them: one more than the law has parameters."""


@dataclass(frozen=True)
class ForecastSettings:
    """The model of `forecast_model.py`.

    Compute is measured in the compute that the branch has spent so far, scores in the median
    standard error of its scores: so the same numbers serve models and benchmarks of any size.

    Attributes:
        gain_spread: SD of the prior of PL_rl, in residual SDs of the other branches around it.
        c_mid, log_c_mid_sd: median and log SD of the prior of C_mid, in compute spent.
        b, log_b_sd: median and log SD of the prior of the steepness B.
        noise: SD of an evaluation, in binomial standard errors (see `noise.py`).
        tail: degrees of freedom of its Student t distribution.
        drift: SD of the walk by which scores leave the law, in median standard errors, for one
            unit of log(1 + x / drift_start).
        drift_start: compute, in compute spent, at which the walk passes from linear to log time.
        level_sd: SD of the prior of the score at x = 0 around its measurement.
        vague_gain: SD of the gain while outliers are looked for, in median standard errors.
        b_min, b_max: range of B. Steeper rises than b_max are jumps, which the walk takes up.
        c_mid_range: C_mid lies between 1 / c_mid_range and c_mid_range, in compute spent.
        grid: grid points in log C_mid and log B.
        n_draws, level, seed: draws of a forecast, coverage of its interval, seed.
    """

    gain_spread: float = 1.5
    c_mid: float = 1.0
    log_c_mid_sd: float = 0.5
    b: float = 1.2
    log_b_sd: float = 0.5
    noise: float = 0.65
    tail: float = 4.0
    drift: float = 1.4
    drift_start: float = 0.2
    level_sd: float = 7.0
    vague_gain: float = 15.0
    b_min: float = 0.3
    b_max: float = 3.0
    c_mid_range: float = 12.0
    grid: tuple[int, int] = (20, 8)
    n_draws: int = 1000
    level: float = 0.90
    seed: int = 0

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        """Refuse settings that make no model."""
        positive = (
            *("gain_spread", "c_mid", "log_c_mid_sd", "b", "log_b_sd", "noise", "drift"),
            *("drift_start", "level_sd", "vague_gain", "b_min"),
        )
        rules = {f"{name} > 0": getattr(self, name) > 0 for name in positive}
        rules |= {
            "tail > 2": self.tail > 2,
            "b_max > b_min": self.b_max > self.b_min,
            "c_mid_range > 1": self.c_mid_range > 1,
            "two grid points or more a side": min(self.grid) >= 2,
            "n_draws >= 100": self.n_draws >= 100,
            "0 < level < 1": 0 < self.level < 1,
            "seed >= 0": self.seed >= 0,
        }
        for rule, holds in rules.items():
            if not holds:
                raise InputError(f"forecast settings: {rule} is needed; the settings are {self}")


@dataclass(frozen=True)
class ForecastSpec:
    """What the rule `forecast` does: where branches are cut, and what is tuned.

    Attributes:
        fractions: shares of the points after x = 0 that a forecast may see.
        settings: used as they are where nothing can be tuned.
        gain_spread, c_mid, drift, noise: values tried, every combination; see `ForecastSettings`.
    """

    fractions: tuple[float, ...] = (0.3, 0.5)
    settings: ForecastSettings = field(default_factory=ForecastSettings)
    gain_spread: tuple[float, ...] = (1.0, 1.5, 2.0)
    c_mid: tuple[float, ...] = (0.7, 1.0, 1.4)
    drift: tuple[float, ...] = (0.7, 1.4)
    noise: tuple[float, ...] = (0.5, 0.65)

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        """Refuse a rule without cuts or without candidates."""
        if not self.fractions or not all(0 < fraction < 1 for fraction in self.fractions):
            raise InputError(
                f"forecast: fractions between 0 and 1 are needed, not {self.fractions}"
            )
        if not self.candidates():
            raise InputError(
                "forecast: a tuned setting has no value to try; give each one at least"
            )

    def candidates(self) -> list[ForecastSettings]:
        """All combinations of the tuned values; those that differ in gain_spread are neighbours."""
        combinations = product(self.c_mid, self.drift, self.noise, self.gain_spread)
        return [
            replace(self.settings, c_mid=c_mid, drift=drift, noise=noise, gain_spread=spread)
            for c_mid, drift, noise, spread in combinations
        ]


def parse_spec(text: str) -> ForecastSpec:
    """Read a `ForecastSpec` from JSON; keys left out take their defaults.

    Raises:
        InputError: not JSON, an unknown key or a value of the wrong type or range.
    """
    with explained("--spec"):
        return TypeAdapter(ForecastSpec).validate_json(text)
