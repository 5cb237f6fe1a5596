"""What the judgement of hypotheses is told of a training study."""

from retu.config.hypotheses import HypothesesSettings
from retu.core.sections import Section

CARRIED_BY_SPECIFICATION = True  # Types alone: see `retu/planning/code_identity.py`.

HYPOTHESES_FILE = "claims/hypotheses.yaml"


class HypothesesJob(Section):
    """Judge hypotheses on a study; benchmarks out of distribution do not enter its scores."""

    study: str
    settings: HypothesesSettings
    out_of_distribution: list[str]
