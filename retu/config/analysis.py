"""The types of what happens to measured curves: labels of checkpoints and fits of branches.

A protocol says how a branch is fitted, `FitSettings` what is asked of every fit.

The protocols that studies name are in `config/protocols.yaml`.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from retu.core.sections import Fraction, Name, Section

LEVEL = 0.90
"""Coverage of every interval of a fit."""


class SubphaseThresholds(Section):
    """Thresholds of the sub-phases (paper Eq. 5-9)."""

    delta: PositiveFloat = 0.02
    delta2: PositiveFloat = 0.10


class Protocol(Section):
    """One way to fit the law to a branch, the same for all branches.

    `listed` means that a table (`fit.listed`) gives the value branch by branch, as the authors did.
    """

    description: str = ""
    method: Literal["posterior", "least squares"] = Field(
        "posterior",
        description="posterior: intervals and verdict from the posterior of the law; of the other"
        " keys only stop_at_collapse says something to it",
    )
    window: Literal["all", "listed"] = Field("all", description="which points are fitted")
    skip_share: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="leave out the points before this share of the last x"
    )
    stop_at_collapse: bool = Field(True, description="leave out what follows a collapse")
    decimals: NonNegativeInt | None = Field(None, description="round scores first")
    weights: Literal["equal", "binomial"] = Field(
        "binomial", description="binomial: by the sampling error of each score"
    )
    student: PositiveFloat | None = Field(
        4.0, description="degrees of freedom of Student noise, fitted by reweighting; null: Gauss"
    )
    trim: Literal["none", "listed"] = Field(
        "none", description="listed: modified Z-score cut-off, then least trimmed squares"
    )
    origin: Literal["p_sft", "listed", "free"] = Field(
        "free",
        description="p_sft: the curve starts at the measured P_sft, or epsilon above it where"
        " listed; free: P_sft is one noisy score among others",
    )
    cap_factor: PositiveFloat | None = Field(
        1.5, description="PL_rl is at most this times the largest gain; null: no such bound"
    )
    cap_on: Literal["largest", "smoothed"] = Field(
        "smoothed", description="the largest gain, or that of the running median of five"
    )
    cap_points: PositiveFloat | None = Field(
        None, description="PL_rl is at most this; null: what is left to 100 percent"
    )
    b_min: PositiveFloat = 0.1
    b_max: PositiveFloat = 20.0
    c_mid_below: PositiveFloat = Field(10.0, description="C_mid >= smallest x / this")
    c_mid_above: PositiveFloat = Field(10.0, description="C_mid <= largest x * this")
    search: Literal["grid", "single start"] = Field(
        "grid", description="single start: one local search by scipy, as the released kit does"
    )

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if self.b_min >= self.b_max:
            raise ValueError("b_min must be below b_max")
        return self


class FitSettings(Section):
    """What is asked of every fit, whatever the protocol."""

    protocols: Annotated[list[Name], Field(min_length=1)] = Field(
        ["robust"], description="names in config/protocols.yaml; figures show the first"
    )
    listed: dict[Name, str] = Field(
        {}, description="protocol -> table of the values that it takes branch by branch"
    )
    n_bootstrap: PositiveInt = Field(200, description="draws of every branch")
    seed: NonNegativeInt = 0
    min_points: Annotated[int, Field(ge=4)] = 5
    identified_width: PositiveFloat = Field(
        4.0, description="an interval of A_post wider than this, in points, identifies nothing"
    )
    bound_share: Fraction = Field(
        0.20, description="a larger share of draws at the bound means that it set the ceiling"
    )
    prior_share: Fraction = Field(
        0.50,
        description="an interval of A_post whose ends move by more than this share of its width"
        " under a looser prior leans on the prior",
    )
    beyond: PositiveFloat = Field(
        2.0, description="p_beyond: A_post is more than this above the end of the curve, points"
    )
    held_out: Fraction = Field(0.30, description="last share of the points that tests a refit")
    common_compute: PositiveFloat | None = Field(
        None, description="EFLOPs at which branches are compared; null: the end of the shortest"
    )


class FitJob(Section):
    """Fit every branch by one protocol."""

    name: Name
    protocol: Protocol
    fit: FitSettings
