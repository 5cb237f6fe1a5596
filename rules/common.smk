"""What every chapter uses: the validated study, its plan, and how a job is described.

Nothing here makes a file. A mistake in config.yaml or the study ends Snakemake before any rule
exists.
"""

import json
import os
import re
import shlex
import sys
from pathlib import Path

from workflow_scripts.errors import InputError
from workflow_scripts.lineage.snapshot import FOLDER, PLANNED, STUDY, study_digest, write_snapshot
from workflow_scripts.study.load import load_config
from workflow_scripts.study.plans import load_plan

try:
    settings = load_config(config)
    plan = load_plan(settings)
except InputError as error:
    sys.exit(f"error: {error}")

# Jobs on other machines are planned again there, from the files of that moment; they inherit the
# snapshot of this run (written when it starts) and refuse to run by anything else. One that another
# run left in the shell does not count.
if workflow.is_main_process:
    os.environ.pop(PLANNED, None)

# Jobs use the interpreter that runs Snakemake, activated or not (unless --sdm conda gives each rule
# its own), and never a hub or a second core that the study did not ask for; a variable that is set
# outside wins.
uses_conda = "conda" in map(str, workflow.deployment_settings.deployment_method)
chosen = (
    settings.model_dump_json(exclude={"mirror", "grader"}).replace("{", "{{").replace("}", "}}")
)
python_first = "" if uses_conda else f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"
shell.prefix(
    f"set -euo pipefail; export {python_first}"
    " HF_HUB_OFFLINE=${{HF_HUB_OFFLINE:-1}} OMP_NUM_THREADS=${{OMP_NUM_THREADS:-1}}"
    " TOKENIZERS_PARALLELISM=false PYTHONHASHSEED=0 MPLBACKEND=Agg RETU_PROGRESS_FD=3"
    f" RETU_CONFIG={shlex.quote(chosen)} {STUDY}={study_digest(plan)}; "
)

study = plan.study
RELEASED = study.kind == "released"
RESULTS = f"results/{study.name}"
MAIN_FITS = f"{RESULTS}/fits/{study.fit.protocols[0]}.csv"
SUMMARY = f"{RESULTS}/summary.txt"


wildcard_constraints:
    protocol="|".join(study.fit.protocols),


onstart:
    if workflow.is_main_process:
        os.environ[PLANNED] = str(write_snapshot(FOLDER, plan).absolute())


def stage(find):
    """The parameters of every rule: its specification, the key that makes it stale, and what else
    the record of a job says of it."""
    return {
        "spec": lambda wildcards: find(**wildcards).spec,
        "key": lambda wildcards: find(**wildcards).key,
        "stage": lambda wildcards: find(**wildcards).job,
        "wildcards": lambda wildcards: json.dumps(dict(wildcards)),
    }


def job(module, options):
    """The shell command of a rule: run its module, log it, leave a record beside its outputs."""
    return (
        f"python -m workflow_scripts.job {module} --rule {{rule}} --stage {{params.stage:q}}"
        " --wildcards {params.wildcards:q} --inputs {input:q} --outputs {output:q}"
        f" -- {options} 3>&2 > {{log}} 2>&1"
    )


def print_summary():
    """Show the summary of what was asked for once everything is done."""
    summary = Path(SUMMARY)
    if summary.is_file():
        print(summary.read_text(encoding="utf-8"))


def print_errors(log):
    """Repeat the one-line errors of the jobs that failed, which Snakemake's own report buries."""
    said = "\n".join(Path(path).read_text(encoding="utf-8") for path in log)
    failed = re.findall(r"^ +log: (\S+) \(check log", said, re.M)
    for path in filter(Path.is_file, map(Path, dict.fromkeys(failed))):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        print(*[line for line in lines if line.startswith("error: ")], sep="\n")
