"""The plan of a study of any kind."""

from retu.config.files_study import FilesData
from retu.config.hub_study import HubData
from retu.config.load import load_study
from retu.config.released_study import ReleasedStudy
from retu.config.study import Config
from retu.planning.files_plan import FilesPlan
from retu.planning.hub_plan import HubPlan
from retu.planning.lab_plan import LabPlan
from retu.planning.released_plan import ReleasedPlan
from retu.planning.training_plan import Plan


def load_plan(config: Config) -> Plan | ReleasedPlan:
    """Read the study that a configuration names and plan it; InputError for a mistake in it."""
    study = load_study(config.study)
    if isinstance(study, ReleasedStudy):
        return ReleasedPlan(study, config)
    if isinstance(study.data, FilesData):
        return FilesPlan(study, config)
    plan = HubPlan if isinstance(study.data, HubData) else LabPlan
    return plan(study, config)
