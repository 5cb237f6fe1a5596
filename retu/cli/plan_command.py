"""What a study costs before anything is loaded: jobs, EFLOPs, GPU-hours, days, disk.

Examples:

    retu plan --study paper
    retu plan --study paper --gpus 16 --gpu-tflops 312 --mfu 0.35     on sixteen A100
    retu plan --study paper --runs                                    every job that holds GPUs
    retu plan --study paper --json                                    for programs

Compute is exact by the paper's formulas (appendix E) for the mean lengths that the study says; RL's
is as long as its rollouts are. Hours are estimates: what they rest on is printed below them, and
options override it. Once jobs of the study have run, their records say what they took: the page
shows that beside the estimate and prices the other jobs by it (--assume ignores it). If labels
decide where RL branches off, the price covers every branch that they could choose.
"""

import argparse
import json
import shlex
from pathlib import Path

from retu.config.load import load_config
from retu.core.errors import InputError
from retu.cost.assumptions import read_assumptions
from retu.cost.cost_json import serialise_costs, serialise_job_counts
from retu.cost.cost_tables import format_cost_page, format_job_counts
from retu.cost.estimate import (
    SLURM_PROFILE,
    collect_stages,
    list_artefact_stages,
    price_jobs,
    read_gpus_per_rule,
)
from retu.cost.measured import adjust_costs, read_measured_seconds, time_jobs
from retu.cost.workload import list_priced_work, list_study_work
from retu.lineage.graph.resolve import read_config
from retu.planning.files_plan import FilesPlan
from retu.planning.hub_plan import HubPlan
from retu.planning.load_plan import load_plan
from retu.planning.released_plan import ReleasedPlan
from retu.planning.stages import ROOT

RESULTS_ROOT = ROOT
"""Where records are looked for."""
OVERRIDES = {
    "gpus": "GPUs that the study has at once",
    "gpu_tflops": "what a GPU can do in bfloat16, dense",
    "mfu": "share of it that training reaches",
    "generation_rate": "tokens a second that a GPU generates with a model of 7.6e9 parameters",
    "answer_tokens": "mean tokens of a benchmark answer",
}


def parse_positive(text: str) -> float:
    """A number above 0."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: use a number above 0")
    return value


def add_arguments(to: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    to.add_argument("--study", help="name of the study (default: that of config.yaml)")
    to.add_argument("--runs", action="store_true", help="also every job that holds GPUs")
    to.add_argument(
        "--profile", type=Path, default=SLURM_PROFILE, help="folder of the profile (default: slurm)"
    )
    to.add_argument(
        "--assume", action="store_true", help="by the assumptions alone, whatever was measured"
    )
    to.add_argument("--json", action="store_true", help="one JSON object, with all jobs")
    for name, told in OVERRIDES.items():
        option = f"--{name.replace('_', '-')}"
        to.add_argument(option, type=parse_positive, dest=name, metavar="N", help=told)


def main(options: argparse.Namespace) -> None:
    """Print what a study costs.

    Raises:
        InputError: there is no such study or profile, or the study trains nothing.
    """
    chosen = {"study": options.study} if options.study else {}
    plan = load_plan(load_config({**read_config(ROOT), **chosen}))
    name = plan.study.name
    if isinstance(plan, ReleasedPlan):
        raise InputError(
            f"study {name}: trains nothing; it takes minutes on a CPU and no more disk than its"
            " downloads"
        )
    measured = {} if options.assume else read_measured_seconds(RESULTS_ROOT, plan, name)
    jobs = {target: collect_stages(stages) for target, stages in list_artefact_stages(plan).items()}
    if not isinstance(plan, HubPlan) or plan.study.execution.device == "cpu":
        times = time_jobs(list_study_work(plan), measured)
        if options.json:
            print(json.dumps(serialise_job_counts(name, jobs, times)))
            return
        command = shlex.join(["retu", "check", "--study", name])
        told = [f"Memory, time and disk on this machine: {command}"]
        own = isinstance(plan, FilesPlan)
        print(format_job_counts(name, jobs, times, options.runs, *(told if own else [])))
        return
    given = {key: getattr(options, key) for key in OVERRIDES}
    assumed = read_assumptions({key: value for key, value in given.items() if value is not None})
    works = price_jobs(plan, assumed, read_gpus_per_rule(options.profile))
    times = time_jobs(list_priced_work(works), measured, assumed=1.0)
    known = adjust_costs(works, times)
    if options.json:
        print(json.dumps(serialise_costs(name, jobs, known, assumed, times)))
        return
    print(format_cost_page(name, jobs, known, assumed, options.runs, times))
