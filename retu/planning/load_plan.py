"""The plan of a study of any kind."""

from pathlib import Path

from retu.config.files_study import FilesData, FolderModel
from retu.config.hub_study import HubData
from retu.config.imported_checks import list_imported
from retu.config.load import find_study_file, load_study
from retu.config.released_study import ReleasedStudy
from retu.config.study import Config
from retu.planning.files_plan import FilesPlan
from retu.planning.hub_plan import HubPlan
from retu.planning.imported_files import check_run_files
from retu.planning.lab_plan import LabPlan
from retu.planning.released_plan import ReleasedPlan
from retu.planning.score_files import list_score_files
from retu.planning.training_plan import Plan


def load_plan(config: Config) -> Plan | ReleasedPlan:
    """Read the study that a configuration names and plan it; InputError for a mistake in it."""
    study = load_study(config.study)
    if isinstance(study, ReleasedStudy):
        return ReleasedPlan(study, config)
    kind = HubPlan if isinstance(study.data, HubData) else LabPlan
    plan = (FilesPlan if isinstance(study.data, FilesData) else kind)(study, config)
    check_imported_runs(plan, str(find_study_file(config.study)))
    return plan


def check_imported_runs(plan: Plan, path: str) -> None:
    """Hold the files of imported SFT runs against the study; InputError for a mistake in them."""
    for i, run in list_imported(plan.study):
        where = f"{path}: sft_runs.{i}"
        made = plan.study.models[run.model]
        base = Path(made.folder) if isinstance(made, FolderModel) else None
        chosen = [r for r in plan.study.rl_runs if r.start == "sft" and r.sft_steps is None]
        starts = {(s.model, s.dataset) for r in chosen for s in plan.list_starting_runs(r)}
        needed = (run.model, run.dataset) in starts and plan.get_branching(run) != "exhaustive"
        for seed in plan.list_seeds(run.model):
            check_run_files(run, seed, base, needed, where)
            if run.imported.scores is not None:
                list_score_files(run, seed, plan.study.benchmarks, where)
