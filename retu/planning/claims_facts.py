"""What the judgement of sentences is told of a training study: the facts that its tests need."""

from retu.core.sections import Section

CARRIED_BY_SPECIFICATION = True  # Types alone: see `retu/planning/code_identity.py`.


class TrainedSet(Section):
    """An SFT run as claims see it: its set, and what of its recipe they are about.

    `reduction` is how the recipe averages its loss (`token` or `row`); null where it does not say.
    """

    model: str
    dataset: str
    batch_size: int | None
    reduction: str | None = None


class PromptUse(Section):
    """How fast an RL recipe goes through its prompts."""

    prompts: str
    prompts_per_step: int


class StudyClaimsJob(Section):
    """Judge sentences on a study.

    `models` are in the study's order, the first leads; `titles` are data set -> set of the paper.
    `alike` are groups of data sets that differ in nothing but their names; `drawn_alike` of those
    that differ in the number of rows and the seed of the draw.
    """

    study: str
    models: list[str]
    titles: dict[str, str]
    trained: list[TrainedSet]
    prompts: dict[str, PromptUse]
    alike: list[list[str]]
    drawn_alike: list[list[str]]
