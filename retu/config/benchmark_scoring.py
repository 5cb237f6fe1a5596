"""The type of what benchmarks of every kind of study say: how often answered, what they count."""

from pydantic import Field, PositiveInt

from retu.config.graders import GraderSettings
from retu.core.sections import Section

CARRIED_BY_SPECIFICATION = True  # Types alone: see `retu/planning/code_identity.py`.


class BenchmarkScoring(Section):
    """How a benchmark is answered and what its score enters; `samples` answers a problem."""

    samples: PositiveInt = 1
    out_of_distribution: bool = Field(
        False, description="scored at the same checkpoints, but left out of the overall score"
    )
    grader: GraderSettings | None = Field(
        None, description="a grader of its own; null: evaluation.grader"
    )
