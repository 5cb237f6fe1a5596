"""The plan of a study of any kind."""

from workflow_scripts.study.hub import HubData
from workflow_scripts.study.hub_plan import HubPlan
from workflow_scripts.study.lab_plan import LabPlan
from workflow_scripts.study.load import load_study
from workflow_scripts.study.plan import Plan
from workflow_scripts.study.released import ReleasedStudy
from workflow_scripts.study.released_plan import ReleasedPlan
from workflow_scripts.study.schema import Config


def load_plan(config: Config) -> Plan | ReleasedPlan:
    """Read the study that a configuration names and plan it; InputError for a mistake in it."""
    study = load_study(config.study)
    if isinstance(study, ReleasedStudy):
        return ReleasedPlan(study, config)
    plan = HubPlan if isinstance(study.data, HubData) else LabPlan
    return plan(study, config)
