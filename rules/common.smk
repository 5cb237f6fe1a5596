"""What every chapter uses: the validated study, its plan, and how a job is described.

Nothing here makes a file. A mistake in config.yaml or the study ends Snakemake before any rule
exists.
"""

import re
import shlex
import sys
from pathlib import Path

import pandas as pd

from workflow_scripts.errors import InputError
from workflow_scripts.study.layout import NO_DATASET, Run
from workflow_scripts.study.load import load_config, load_study
from workflow_scripts.study.plan import Plan

# Jobs use the interpreter that runs Snakemake, activated or not (unless --sdm conda gives each rule
# its own), and never a hub or a second core that the study did not ask for; a variable that is set
# outside wins.
uses_conda = "conda" in map(str, workflow.deployment_settings.deployment_method)
python_first = "" if uses_conda else f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"
shell.prefix(
    f"set -euo pipefail; export {python_first}"
    " HF_HUB_OFFLINE=${{HF_HUB_OFFLINE:-1}} OMP_NUM_THREADS=${{OMP_NUM_THREADS:-1}}"
    " TOKENIZERS_PARALLELISM=false PYTHONHASHSEED=0 MPLBACKEND=Agg RETU_PROGRESS_FD=3; "
)

try:
    settings = load_config(config)
    study = load_study(settings.study)
except InputError as error:
    sys.exit(f"error: {error}")

plan = Plan(study, settings)
RESULTS = f"results/{study.name}"


wildcard_constraints:
    model="|".join(map(re.escape, study.models)),
    dataset="|".join(map(re.escape, [*study.datasets, NO_DATASET])),
    recipe="|".join(map(re.escape, study.recipes.rl)),
    sft_step=r"\d+",
    seed="|".join(map(str, study.seeds)),


def stage(find):
    """The two parameters of every rule: its specification, and the key that makes it stale."""
    return {
        "spec": lambda wildcards: find(**wildcards).spec,
        "key": lambda wildcards: find(**wildcards).key,
    }


def branch_steps(run):
    """SFT steps at which RL branches off from an SFT run: known once its labels are."""
    sft_run = plan.sft_run(run.model, run.dataset)
    if plan.branching(sft_run) == "exhaustive":
        return sft_run.checkpoints
    output = checkpoints.label_subphases.get(
        model=run.model, dataset=run.dataset, seed=run.seed
    ).output
    frame = pd.read_csv(output.subphases)
    return frame.loc[frame["branch"], "sft_step"].tolist()


def evaluated_runs():
    """Every run that enters the curves: SFT runs and the chosen RL branches."""
    return [*plan.sft_runs(), *plan.rl_runs(branch_steps)]


def start_folder(wildcards):
    """The folder that holds the model RL starts from."""
    run = Run("rl", wildcards.model, wildcards.dataset, seed=int(wildcards.seed))
    return f"{RESULTS}/{run.parent.path}"


def run_files(wildcards):
    """Grades and compute of every run that enters the curves, and grades of the base models."""
    compute = {"sft": "losses.csv", "rl": "compute.csv"}
    runs = evaluated_runs()
    folders = {run.path for run in runs} | {run.parent.path for run in runs}
    return [
        *(f"{RESULTS}/{folder}/grades.parquet" for folder in sorted(folders)),
        *(f"{RESULTS}/{run.path}/{compute[run.kind]}" for run in runs),
    ]


def print_summary():
    """Show the summary table once everything is done."""
    summary = Path(RESULTS) / "summary.txt"
    if summary.is_file():
        print(summary.read_text(encoding="utf-8"))
