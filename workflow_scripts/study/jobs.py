"""What each rule's script is told: the sections of the study it needs, and nothing else.

A job is passed as JSON (`--spec`). It is a Snakemake parameter too, so a run is stale exactly when
a fact that it used has changed.
"""

from workflow_scripts.study.analysis import Fit, Labels, Protocol
from workflow_scripts.study.execution import Execution
from workflow_scripts.study.released import SampleCount
from workflow_scripts.study.schema import (
    ArithmeticData,
    Branching,
    Dataset,
    Grader,
    Model,
    Problems,
    RlRecipe,
    Sampling,
    SftRecipe,
)
from workflow_scripts.study.section import Section


class DataJob(Section):
    """Draw the data."""

    data: ArithmeticData
    benchmarks: dict[str, Problems]


class PretrainJob(Section):
    """Make a base model."""

    model: Model
    execution: Execution


class SftJob(Section):
    """Fine-tune a base model and keep the listed checkpoints."""

    recipe: SftRecipe
    checkpoints: list[int]
    seed: int
    execution: Execution


class SelectJob(Section):
    """Draw one SFT set from the pool."""

    name: str
    dataset: Dataset


class StatsJob(Section):
    """Measure the data sets."""

    datasets: dict[str, Dataset]


class GenerateJob(Section):
    """Answer problem sets with every checkpoint: samples a problem per problem set."""

    samples: dict[str, int]
    sampling: Sampling
    execution: Execution


class LabelJob(Labels):
    """Label checkpoints and choose where RL starts."""

    branching: Branching
    max_stable: int | None = None


class CurvesJob(Section):
    """Gather all scores; `titles` of the RL recipes name the paradigms."""

    study: str
    titles: dict[str, str]


class CompareJob(Section):
    """Compare what a study shows under two graders."""

    study: str
    before: Grader
    after: Grader


class RlJob(Section):
    """One RL run from the checkpoint at `sft_step` (0: the base model)."""

    sft_step: int
    recipe: RlRecipe
    seed: int
    evaluation: Sampling
    samples: dict[str, int]
    execution: Execution


class ImportJob(Section):
    """Turn released caches into curves."""

    study: str
    model: str
    recipe: str
    seed: int
    rl_steps_per_row: int
    benchmarks: dict[str, SampleCount]


class SensitivityJob(Section):
    """Refit every branch under all combinations of changes to a protocol."""

    protocol: Protocol
    fit: Fit
    axes: dict[str, list[object]]
