"""The plan of a study of either kind."""

from workflow_scripts.study.load import load_study
from workflow_scripts.study.plan import Plan
from workflow_scripts.study.released import ReleasedStudy
from workflow_scripts.study.released_plan import ReleasedPlan
from workflow_scripts.study.schema import Config


def load_plan(config: Config) -> Plan | ReleasedPlan:
    """Read the study that a configuration names and plan it; InputError for a mistake in it."""
    study = load_study(config.study)
    return ReleasedPlan(study, config) if isinstance(study, ReleasedStudy) else Plan(study, config)
