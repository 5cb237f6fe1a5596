"""Settings of a forecast; the defaults were chosen once, with the released branches in view."""

from dataclasses import dataclass, field
from typing import ClassVar

from pydantic import ConfigDict

from retu.core.errors import InputError

MIN_POINTS = 5
"""Points that a forecast needs, x = 0 among them: one more than the law has parameters."""


@dataclass(frozen=True)
class ForecastSettings:
    """What a forecast adds to the posterior of the law.

    Attributes:
        gain_spread: SD of the prior of PL_rl, in residual SDs of the other branches around it.
        b, tail: of the prior, as in `Prior`; a forecast expects half of the rise sooner than a
            verdict has to allow for.
        drift: SD of the walk by which scores leave the law beyond the data, in median standard
            errors, when compute grows e-fold.
        n_draws, level, seed: draws of a forecast, coverage of its interval, seed.
    """

    gain_spread: float = 2.7
    b: float = 1.2
    tail: float = 0.7
    drift: float = 0.7
    n_draws: int = 1000
    level: float = 0.90
    seed: int = 0

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        """Refuse settings that make no model."""
        rules = {
            "gain_spread > 0": self.gain_spread > 0,
            "b > 0 and tail > 0": self.b > 0 and self.tail > 0,
            "drift >= 0": self.drift >= 0,
            "n_draws >= 100": self.n_draws >= 100,
            "0 < level < 1": 0 < self.level < 1,
            "seed >= 0": self.seed >= 0,
        }
        for rule, holds in rules.items():
            if not holds:
                raise InputError(f"forecast settings: {rule} is needed; the settings are {self}")


@dataclass(frozen=True)
class ForecastSpec:
    """What the rule `forecast` does.

    Attributes:
        fractions: shares of the points after x = 0 that a forecast may see.
        settings: of every forecast.
    """

    fractions: tuple[float, ...] = (0.3, 0.5)
    settings: ForecastSettings = field(default_factory=ForecastSettings)

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        """Refuse a rule without cuts."""
        if not self.fractions or not all(0 < fraction < 1 for fraction in self.fractions):
            raise InputError(
                f"forecast: fractions between 0 and 1 are needed, not {self.fractions}"
            )
