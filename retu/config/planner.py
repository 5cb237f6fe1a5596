"""The settings of the planner, as sections of a recipe, and what must hold between them.

A paradigm is nothing but such settings: GRPO leaves everything at its default, DAPO sets
`dynamic_sampling`, LUFFY and SRFT set `n_expert: 1`, UPT sets `gate`, Prefix-RFT sets
`n_prefix: 1` and `prefix` (paper appendix C.2.1, Table 2).
"""

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from retu.core.errors import InputError
from retu.core.sections import Fraction, Section


class DynamicSampling(Section):
    """Which groups are worth training on, and how long to look for them (DAPO)."""

    win_num_range: tuple[NonNegativeInt, ...] | None = Field(
        None, description="win counts of the groups that are kept; null: 1 to rollouts - 1"
    )
    gen_batch_factor: PositiveInt = Field(
        2, description="prompts of a generation round, in multiples of prompts_per_step"
    )
    max_num_gen_batches: NonNegativeInt = Field(
        10, description="generation rounds for one update at most; 0: no limit"
    )
    when_exhausted: Literal["raise", "train_on_what_there_is"] = Field(
        "raise", description="what to do when the last round leaves too few groups"
    )


class Constant(Section):
    """The same value at every step."""

    kind: Literal["constant"] = "constant"
    value: Fraction


class Ramp(Section):
    """From `start` to `end` along a straight line or half a cosine wave, then `end`."""

    kind: Literal["linear", "cosine"]
    start: Fraction
    end: Fraction
    steps: PositiveInt | None = Field(
        None, description="optimizer steps of the way; null: all that follow the delay"
    )
    delay: NonNegativeInt = Field(0, description="optimizer steps spent at `start` before")


PrefixController = Annotated[Constant | Ramp, Field(discriminator="kind")]


class PrefixSettings(Section):
    """How much of an expert trajectory a hybrid row is given (Prefix-RFT).

    The share is low + (high - low) u with u ~ Beta(alpha, beta); RETU lets low fall from 0.95 to
    0.05 along a cosine and holds high at 0.95.
    """

    low: PrefixController = Ramp(kind="cosine", start=0.95, end=0.05)
    high: PrefixController = Constant(value=0.95)
    alpha: PositiveFloat = 1.0
    beta: PositiveFloat = 1.0
    min_prefix: NonNegativeInt = Field(1, description="shortest prefix in tokens")


class SwitchGate(Section):
    """Up to which win count a prompt is imitated instead of reinforced (UPT)."""

    switch_gate: Annotated[int, Field(ge=-1)] = Field(
        0, description="SFT up to so many wins; -1: never, rollouts or more: always"
    )
    switch_gate_off: Annotated[int, Field(ge=-1)] | None = Field(
        None, description="off-policy RL on the expert up to so many wins; null: none"
    )

    @model_validator(mode="after")
    def _check_zone_order(self) -> Self:
        if self.switch_gate_off is not None and self.switch_gate_off < self.switch_gate:
            raise ValueError("switch_gate_off must not be below switch_gate")
        return self


class ExpertSettings(Section):
    """What is asked of expert trajectories, and what happens to a prompt whose own falls short."""

    missing: Literal["error", "drop"] = "error"
    too_long: Literal["error", "drop"] = "error"
    min_success_rate: Fraction = Field(
        0.0,
        description="smallest share of expert trajectories that the reward must call right before"
        " training; 0: they are not graded then",
    )


class PlannerSettings(Section):
    """Which rows a group has and which groups are trained on; the default is plain GRPO."""

    n_expert: NonNegativeInt = Field(0, description="rows of a group that the expert wrote")
    n_prefix: NonNegativeInt = Field(0, description="rows that the expert began")
    dynamic_sampling: DynamicSampling | None = None
    prefix: PrefixSettings | None = None
    gate: SwitchGate | None = None
    experts: ExpertSettings = ExpertSettings()

    @property
    def needs_experts(self) -> bool:
        """Whether every prompt must come with an expert trajectory."""
        return self.n_expert + self.n_prefix > 0 or self.gate is not None


def check_planner(settings: PlannerSettings, rollouts: int, where: str) -> None:
    """What must hold between the planner's settings and the rows a group has.

    Args:
        settings: the planner's part of a recipe.
        rollouts: rows of a group (n).
        where: file and key of the recipe, the start of the error message.

    Raises:
        InputError: a group without comparison, rows that do not add up or settings that cancel out.
    """
    guided = settings.n_expert + settings.n_prefix
    if rollouts < 2:
        raise InputError(
            f"{where}: rollouts is {rollouts}; a group of one has nothing to compare with, take"
            " 2 or more"
        )
    if guided >= rollouts:
        raise InputError(
            f"{where}: n_expert + n_prefix is {guided} of {rollouts} rollouts, which leaves no"
            " on-policy row; lower them or raise rollouts"
        )
    if (settings.n_prefix > 0) != (settings.prefix is not None):
        raise InputError(
            f"{where}: n_prefix is {settings.n_prefix} and prefix is"
            f" {'not ' if settings.prefix is None else ''}set; they go together"
        )
    if settings.gate is not None and (guided or settings.dynamic_sampling is not None):
        other = "n_expert or n_prefix" if guided else "dynamic_sampling"
        raise InputError(
            f"{where}: gate and {other} are both set; the gate counts the wins of on-policy rows"
            " alone and needs the groups without any, keep one of the two"
        )
    if settings.dynamic_sampling is not None:
        check_allowed_counts(settings.dynamic_sampling, rollouts, where)


def check_allowed_counts(settings: DynamicSampling, rollouts: int, where: str) -> None:
    """InputError unless the allowed win counts are different ones that a group can have."""
    counts = settings.win_num_range
    if counts is None:
        return
    if not counts or len(set(counts)) != len(counts) or max(counts) > rollouts:
        raise InputError(
            f"{where}: dynamic_sampling.win_num_range is {list(counts)}; name at least one win"
            f" count from 0 to rollouts ({rollouts}), each once"
        )
