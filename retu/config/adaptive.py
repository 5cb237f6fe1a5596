"""The settings of `branching: adaptive`: rungs of RL, and when a branch or the search ends."""

import math
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from retu.core.errors import InputError
from retu.core.sections import Fraction, Section

Start = Literal["stable", "rule", "all"]


class AdaptiveSettings(Section):
    """How branches compete for RL. docs/replay.md says what the defaults were chosen on."""

    start: Start = Field(
        "stable",
        description="where RL may start: stable, the Stable checkpoints; rule, also the first Mild"
        " Overfitting one (the paper's rule); all, every checkpoint after step 0",
    )
    undecided: NonNegativeFloat = Field(
        0.0,
        description="checkpoints at most this (in L / L_min) above the Stable line start too: so"
        " close to it, the loss does not decide the label",
    )
    rungs: Annotated[list[Fraction], Field(min_length=1)] = Field(
        [0.1, 0.3, 0.5, 0.75, 1.0],
        description="shares of the recipe's RL steps after which a decision is taken; RL ends with"
        " the last",
    )
    quantile: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        0.9, description="a branch goes whose forecast is below the leader's at this quantile"
    )
    keep: Annotated[float, Field(gt=0, le=1)] = Field(
        0.67,
        description="at most this share of the branches passes a rung; 1: only forecasts count",
    )
    finalists: PositiveInt = Field(2, description="branches that are kept, whatever forecasts say")
    decided_by: Annotated[float, Field(gt=0, le=1)] = Field(
        0.5, description="from this share of the steps on one finalist is enough; 1: never"
    )
    tolerance: PositiveFloat = Field(
        0.25, description="stop when more RL is expected to gain less than this, points"
    )
    n_draws: Annotated[int, Field(ge=100)] = 400
    seed: NonNegativeInt = 0

    def list_rung_steps(self, last_step: int, evaluate_every: int = 1) -> list[int]:
        """RL steps after each rung, rising up to `last_step`; all others are evaluated ones."""
        if last_step < 1 or evaluate_every < 1:
            raise InputError(f"adaptive: {last_step} RL steps, evaluated every {evaluate_every}")
        # The product is rounded first: 0.1 of 30 is 3, whatever its binary digits say.
        shares = (math.ceil(round(s * last_step / evaluate_every, 9)) for s in self.rungs)
        return sorted({min(last_step, evaluate_every * count) for count in shares})

    @model_validator(mode="after")
    def _check_rungs(self) -> Self:
        if self.rungs != sorted(set(self.rungs)) or self.rungs[0] <= 0:
            raise ValueError("rungs must rise, the first from above 0")
        return self
