"""The type of a released study: curves that others measured and published, fitted and audited."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from retu.config.analysis import FitSettings, SubphaseThresholds
from retu.core.sections import Name, Section

CARRIED_BY_SPECIFICATION = True  # Types alone: see `retu/planning/code_identity.py`.


class SampleCount(Section):
    """Problems of a benchmark, and samples of each."""

    problems: PositiveInt
    samples: PositiveInt = 1


class Release(Section):
    """Where the authors' files are; each is known by its SHA-256."""

    repository: Annotated[str, Field(pattern=r"^https://github\.com/[\w.-]+/[\w.-]+$")]
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    caches: str = Field(description="table of the files, relative to the project")
    kit_settings: str = Field(description="table of the flags of the released fitting scripts")
    losses: str = Field(description="table of digitised validation losses")
    rl_steps_per_row: PositiveInt


class Sensitivity(Section):
    """A grid of reasonable recipes: all combinations of these changes to the first protocol."""

    axes: dict[str, Annotated[list[object], Field(min_length=1)]] = Field(
        description="key of a protocol -> values; benchmarks -> lists of benchmarks left out"
    )


class ReleasedStudy(Section):
    """One study of released curves."""

    kind: Literal["released"]
    name: Name
    title: str
    description: str
    model: Name
    recipe: Name
    seed: NonNegativeInt = 0
    release: Release
    benchmarks: Annotated[dict[Name, SampleCount], Field(min_length=1)]
    datasets: Annotated[list[Name], Field(min_length=1)]
    labels: SubphaseThresholds = SubphaseThresholds()
    fit: FitSettings = FitSettings()
    sensitivity: Sensitivity
