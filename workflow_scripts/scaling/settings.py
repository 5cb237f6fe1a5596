"""Settings of a fit: bounds, bootstrap and the line between identified and not."""

from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from workflow_scripts.errors import InputError

SCORE_MAX = 100.0
"""Scores are percentages, so no ceiling is higher."""


@dataclass(frozen=True)
class FitSettings:
    """Bounds and protocol of one fit; the defaults are the package's plain least squares.

    Attributes:
        b_min, b_max: range of the steepness B.
        c_mid_below, c_mid_above: C_mid lies between the smallest positive x divided by
            `c_mid_below` and the largest x times `c_mid_above`.
        gain_bound_factor: PL_rl is at most this times the largest observed gain. Without it flat
            curves have ceilings far above 100; four published ceilings equal this bound with 1.5.
        fit_epsilon: fit the alignment offset epsilon >= 0 instead of fixing it at 0.
        n_bootstrap: number of bootstrap draws.
        level: coverage of the interval of A_post.
        seed: seed of the bootstrap; every curve starts from the same seed.
        min_points: fewer points than this (x = 0 counts) are not fitted.
        identified_width: an interval of A_post wider than this, in points, identifies nothing.
        bound_share: a larger share of draws at the upper bound means the bound set the ceiling.
    """

    b_min: float = 0.1
    b_max: float = 20.0
    c_mid_below: float = 10.0
    c_mid_above: float = 10.0
    gain_bound_factor: float = 1.5
    fit_epsilon: bool = False
    n_bootstrap: int = 200
    level: float = 0.90
    seed: int = 0
    min_points: int = 5
    identified_width: float = 10.0
    bound_share: float = 0.20

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    def __post_init__(self) -> None:
        """Refuse settings that no fit can honour."""
        rules = {
            "0 < b_min < b_max": 0 < self.b_min < self.b_max,
            "c_mid_below >= 1": self.c_mid_below >= 1,
            "c_mid_above >= 1": self.c_mid_above >= 1,
            "gain_bound_factor >= 1": self.gain_bound_factor >= 1,
            "n_bootstrap >= 1": self.n_bootstrap >= 1,
            "0 < level < 1": 0 < self.level < 1,
            "seed >= 0": self.seed >= 0,
            "min_points >= 4": self.min_points >= 4,
            "identified_width > 0": self.identified_width > 0,
            "0 <= bound_share <= 1": 0 <= self.bound_share <= 1,
        }
        for rule, holds in rules.items():
            if not holds:
                raise InputError(f"fit settings: {rule} is needed; the settings are {self}")

    @property
    def n_parameters(self) -> int:
        """Free parameters of the law: PL_rl, C_mid, B and, where fitted, epsilon."""
        return 4 if self.fit_epsilon else 3


def parse_settings(text: str) -> FitSettings:
    """Read `FitSettings` from JSON; keys left out take their defaults.

    Raises:
        InputError: not JSON, an unknown key or a value of the wrong type or range.
    """
    try:
        return TypeAdapter(FitSettings).validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"--spec: {where or 'JSON'}: {first['msg']}") from error
