"""What every chapter uses: the validated study and its plan.

Nothing here makes a file. A mistake in config.yaml or the study ends Snakemake before any rule
exists.
"""

import os
import re
import shlex
import sys
from pathlib import Path

from retu.cluster.orphans import forget_controllers, give_up_control, take_control
from retu.core.errors import InputError
from retu.lineage.recording.run_snapshot import (
    SNAPSHOT_FOLDER,
    SNAPSHOT_VARIABLE,
    STUDY_VARIABLE,
    digest_study,
    write_snapshot,
)
from retu.workflow.job_failures import describe_disk, describe_failures
from retu.workflow.job_service import end_job_server, forget_job_server, start_job_server
from retu.workflow.work_folder import claim_outputs, enter_folder, forget_runs
from retu.workflow.snakemake_hooks import (
    explain_lock,
    find_arguments,
    is_dry_run,
    say_last,
)
from retu.workflow.shown_artefacts import read_results
from retu.workflow.targets import check_artefacts, check_targets
from retu.planning.files_plan import FilesPlan
from retu.planning.hub_plan import HubPlan
from retu.config.hub_study import HubModel
from retu.config.load import check_folders, load_config
from retu.planning.load_plan import load_plan
from retu.config.study import NO_CHOICE

try:
    settings = load_config(config)
    check_folders(settings)
    plan = load_plan(settings)
except InputError as error:
    sys.exit(f"error: {error}")

# Jobs on other machines are planned again there, from the files of that moment; they inherit the
# snapshot of this run (written when it starts) and refuse to run by anything else. One that another
# run left in the shell does not count.
arguments = find_arguments() if workflow.is_main_process else None
if workflow.is_main_process:
    os.environ.pop(SNAPSHOT_VARIABLE, None)
    forget_job_server()
    if arguments and arguments.unlock:
        forget_runs(Path.cwd())
        forget_controllers(Path.cwd())
    elif not is_dry_run(workflow):
        try:
            if locked := enter_folder(Path.cwd(), plan.study.name):
                explain_lock(locked)
        except InputError as error:
            sys.exit(f"error: {error}")

study = plan.study
if messages:
    messages.study = study.name
    messages.show_results = lambda: say_last(print_summary)
RELEASED = study.kind == "released"
HUB, FILES = isinstance(plan, HubPlan), isinstance(plan, FilesPlan)
THREADS = 1 if RELEASED else study.execution.threads
TRAINING = "lab" if RELEASED else plan.training_environment

# Jobs use the interpreter that runs Snakemake, activated or not (unless --sdm gives each rule its
# own), and never a second core that the study did not ask for; a variable that is set outside wins.
deployed = bool(workflow.deployment_settings.deployment_method)
chosen = settings.model_dump_json(exclude=NO_CHOICE).replace("{", "{{").replace("}", "}}")
python_first = "" if deployed else f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"
mirror = f"RETU_MIRROR={shlex.quote(settings.mirror)}" if settings.mirror else ""
kept = f"RETU_KEPT_STATE_GIB={settings.kept_state_gib}"
watched = f"RETU_REPORT_TO={','.join(settings.report_to)}" if settings.report_to else ""
shell.prefix(
    f"set -euo pipefail; export {python_first} {mirror} {kept} {watched}"
    f" OMP_NUM_THREADS=${{{{OMP_NUM_THREADS:-{THREADS}}}}}"
    " TOKENIZERS_PARALLELISM=false PYTHONHASHSEED=0 MPLBACKEND=Agg RETU_PROGRESS_FD=3"
    f" RETU_CONFIG={shlex.quote(chosen)} {STUDY_VARIABLE}={digest_study(plan)}; "
)
RESULTS = f"results/{study.name}"
FITS = f"fits/{study.fit.protocols[0]}.csv"
MAIN_FITS = f"{RESULTS}/{FITS}"
SUMMARY = f"{RESULTS}/summary.txt"
JUDGED = not RELEASED and study.hypotheses is not None
HYPOTHESES = [f"{RESULTS}/hypotheses.md"] if JUDGED else []


wildcard_constraints:
    protocol="|".join(study.fit.protocols),


onstart:
    if workflow.is_main_process:
        files = {rule.name: Path(str(rule.snakefile)).absolute() for rule in workflow.rules}
        os.environ[SNAPSHOT_VARIABLE] = str(
            write_snapshot(SNAPSHOT_FOLDER, plan, files).absolute()
        )
        try:
            made = [str(path) for job in workflow.dag.needrun_jobs() for path in job.output]
            claim_outputs(Path.cwd(), study.name, made)
            take_control(Path.cwd(), log, slurm=workflow.executor_plugin.name == "slurm")
        except InputError as error:
            sys.exit(f"error: {error}")
        if workflow.executor_plugin.name == "local" and not deployed:
            start_job_server()


def print_summary():
    """Show what was asked for once everything is done: tables, or the study's summary."""
    asked = arguments.targets if arguments else ()
    if shown := read_results(asked, Path(RESULTS), Path(SUMMARY)):
        print(shown)


def print_errors(log):
    """Tell, once and last, why jobs failed: Snakemake's own report names no reason."""
    said = "\n".join(Path(path).read_text(encoding="utf-8") for path in log)
    failures = describe_failures(said, describe_disk(plan, Path.cwd()))
    say_last(lambda: print(*failures, sep="\n", file=sys.stderr))
