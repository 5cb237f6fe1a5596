"""What a study's pre-registered hypotheses are about: replicates of one model, and their runs."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from retu.core.sections import Name, Section

CARRIED_BY_SPECIFICATION = True  # Types alone: see `retu/planning/code_identity.py`.

Names = Annotated[list[Name], Field(min_length=1)]
HypothesisId = Annotated[str, Field(pattern=r"^H[1-9]\d*$")]
Several = Annotated[list[Name], Field(min_length=2)]


class HypothesesSettings(Section):
    """Which runs the hypotheses of `claims/hypotheses.yaml` compare, written before any is run."""

    protocol: str = Field(
        min_length=1, description="version of what was registered; any change of it needs another"
    )
    replicates: Several = Field(
        description="models of one architecture, each pre-trained and run with seeds of its own"
    )
    recipe: Name = Field(description="RL of SFT-then-RL and of Pure RL")
    mixed: Names = Field(description="recipes that mix expert data into RL, from the base model")
    sizes: Several = Field(description="SFT sets from the smallest to the largest")
    difficulties: Several | None = Field(
        None, description="SFT sets from the easiest to the hardest; null: not compared"
    )
    switch_sets: Names = Field(description="SFT sets whose branches cover the sub-phases")
    last_evaluations: PositiveInt = Field(
        5, description="a branch's final score is the mean over so many of its last evaluations"
    )
    average_over: Literal["benchmarks", "problems"] = Field(
        "benchmarks",
        description="the score: a mean of benchmarks, each counting once, or of all their problems",
    )
    asked: Annotated[list[HypothesisId], Field(min_length=1)] | None = Field(
        None, description="ids of claims/hypotheses.yaml; null: all. Others enter no correction"
    )
    test: Literal["t", "sign_flip"] = Field(
        "t",
        description="of a mean over replicates: Student's t, or all ways to turn signs (exact)",
    )
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.05, description="chance of any wrong verdict, over all hypotheses together"
    )
