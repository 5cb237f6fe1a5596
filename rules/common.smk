"""What every chapter uses: the validated study, its plan, and how a job is described.

Nothing here makes a file. A mistake in config.yaml or the study ends Snakemake before any rule
exists.
"""

import re
import shlex
import sys
from pathlib import Path

from workflow_scripts.errors import InputError
from workflow_scripts.study.load import load_config, load_study
from workflow_scripts.study.plan import Plan
from workflow_scripts.study.released_plan import ReleasedPlan

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

RELEASED = study.kind == "released"
plan = (ReleasedPlan if RELEASED else Plan)(study, settings)
RESULTS = f"results/{study.name}"
MAIN_FITS = f"{RESULTS}/fits/{study.fit.protocols[0]}.csv"


wildcard_constraints:
    protocol="|".join(study.fit.protocols),


def stage(find):
    """The two parameters of every rule: its specification, and the key that makes it stale."""
    return {
        "spec": lambda wildcards: find(**wildcards).spec,
        "key": lambda wildcards: find(**wildcards).key,
    }


def print_summary():
    """Show the summary table once everything is done."""
    summary = Path(RESULTS) / "summary.txt"
    if summary.is_file():
        print(summary.read_text(encoding="utf-8"))


def print_errors(log):
    """Repeat the one-line errors of the jobs that failed, which Snakemake's own report buries."""
    failed = re.findall(r"^ +log: (\S+) \(check log", Path(log).read_text(encoding="utf-8"), re.M)
    for path in filter(Path.is_file, map(Path, dict.fromkeys(failed))):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        print(*[line for line in lines if line.startswith("error: ")], sep="\n")
