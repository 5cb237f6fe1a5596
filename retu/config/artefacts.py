"""Which runs of a study the paper's tables and figures show, where it has several."""

from typing import Annotated

from pydantic import Field, PositiveInt

from retu.core.sections import Name, Section

CARRIED_BY_SPECIFICATION = True  # Types alone: see `retu/planning/code_identity.py`.


class ParadigmScores(Section):
    """Table 1: the highest score of every paradigm and SFT set."""

    models: Annotated[list[Name], Field(min_length=1)] | None = Field(
        None, description="null: all (the paper: Llama-3.2-3B)"
    )
    rl_steps: PositiveInt | None = Field(
        None, description="scores within so many RL steps count (the paper: 200); null: all"
    )


class LargerModel(Section):
    """Table 6: RL of a larger model, from step 0 on."""

    model: Name | None = Field(None, description="null: the one with the most parameters")


class OutOfDistributionScores(Section):
    """Figure 4: scores on problems of another kind, after SFT and after RL."""

    model: Name | None = Field(None, description="null: the first with RL from checkpoints")
    dataset: Name | None = Field(None, description="null: the model's first with RL from them")
    sft_steps: Annotated[list[PositiveInt], Field(min_length=1, max_length=2)] | None = Field(
        None, description="an early and a late checkpoint; null: the first and last with RL"
    )


class ArtefactSettings(Section):
    """What the tables and figures show; what is left out is chosen from the study's runs."""

    published: bool = Field(
        False, description="draw the paper's values beside the study's on figures 3, 4, 7 and 8"
    )
    table_1: ParadigmScores = ParadigmScores()
    table_6: LargerModel = LargerModel()
    figure_4: OutOfDistributionScores = OutOfDistributionScores()
    data_scale: Annotated[list[Name], Field(min_length=2)] | None = Field(
        None,
        description="SFT sets of growing size (table 5, figure 7); null: all that are drawn without"
        " a look at difficulty",
    )
