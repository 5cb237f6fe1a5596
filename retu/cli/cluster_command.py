"""Before, during and after a run on a SLURM cluster: what is queued, and whether a launch can work.

Examples:

    retu cluster check --study paper    does the cluster have what the profile asks for?
    retu cluster status                 jobs of this folder, why they wait, who looks after them
    retu cluster wait                   until no job is left that no Snakemake looks after
    retu cluster cancel                 end those jobs; training goes on from its last checkpoint
    retu cluster unlock                 `snakemake --unlock`, once none of them is left

A Snakemake that is killed leaves its jobs (orphans) in the queue; a new one would submit them a
second time, so it refuses to start before they have ended. Exit status:

    0  done
    1  `status`: orphans, or jobs that never start; `wait`, `cancel`: some are left;
       `check`: the launch would fail
    2  the command cannot be carried out: no SLURM, no answer
"""

import argparse
from pathlib import Path

from retu.cli.actions import Action, add_actions, run_action
from retu.planning.stages import ROOT

PROFILE_FOLDER = Path("slurm")


def parse_wait_seconds(text: str) -> float:
    """A time to wait."""
    value = float(text)
    if not 1 <= value <= 86400:
        raise argparse.ArgumentTypeError(f"{text}: use 1 to 86400 seconds")
    return value


def add_interval_option(parser: argparse.ArgumentParser) -> None:
    """How often to look."""
    parser.add_argument(
        "--every",
        type=parse_wait_seconds,
        default=60.0,
        metavar="SECONDS",
        help="look so often (default: 60)",
    )


def add_other_hosts_option(parser: argparse.ArgumentParser) -> None:
    """What to make of a Snakemake that cannot be seen from here."""
    parser.add_argument(
        "--other-hosts",
        action="store_true",
        help="take a Snakemake on another host for ended; look there first",
    )


def add_launch_options(parser: argparse.ArgumentParser) -> None:
    """What is to be launched."""
    parser.add_argument("--study", help="name of the study (default: that of the profile)")
    parser.add_argument(
        "--profile",
        type=Path,
        default=ROOT / PROFILE_FOLDER,
        help=f"folder of the profile (default: {PROFILE_FOLDER})",
    )


CLUSTER_COMMANDS = {
    "check": Action(
        "retu.cluster.check",
        "run_check",
        "whether a launch can succeed: partitions, GPUs, limits",
        ("retu cluster check --study paper",),
        arguments=(add_launch_options,),
    ),
    "status": Action(
        "retu.cluster.actions",
        "run_status",
        "jobs of this folder, why they wait, who looks after them",
        ("retu cluster status",),
    ),
    "wait": Action(
        "retu.cluster.actions",
        "run_wait",
        "wait until no orphan is left",
        ("retu cluster wait --every 30",),
        arguments=(add_interval_option,),
    ),
    "cancel": Action(
        "retu.cluster.actions",
        "run_cancel",
        "cancel the orphans",
        ("retu cluster cancel",),
        arguments=(add_other_hosts_option,),
    ),
    "unlock": Action(
        "retu.cluster.actions",
        "run_unlock",
        "unlock the work folder once no job is left",
        ("retu cluster unlock",),
        arguments=(add_other_hosts_option,),
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions of `retu cluster`."""
    add_actions(parser, CLUSTER_COMMANDS, ROOT)


def main(options: argparse.Namespace) -> int:
    """Carry out an action; its exit status."""
    return run_action(CLUSTER_COMMANDS[options.action], options)
