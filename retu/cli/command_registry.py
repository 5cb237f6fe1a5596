"""The sub-commands of `retu`, by what one wants to do: data for its parser, help and completion."""

import textwrap
from dataclasses import dataclass


@dataclass(frozen=True)
class Subcommand:
    """A sub-command: its module has `add_arguments(parser)` and `main(options)`.

    Attributes:
        module: the module, imported when it is asked for: help comes at once.
        task: the heading of `TASKS` that it stands under.
        summary: what it is for, in a line.
        example: a command line that people begin with.
        needs_project: it asks about studies, rules and results, which an installed package alone
            has not.
    """

    module: str
    task: str
    summary: str
    example: str
    needs_project: bool = True


RUN, TRACE, OWN, DECIDE, CLUSTER, SHELL = TASKS = (
    "Run and look",
    "Ask a result where it comes from",
    "Your own curves, answers and model",
    "Decide when to switch",
    "On a cluster",
    "Your shell",
)
SUBCOMMANDS = {
    "report": Subcommand(
        "retu.cli.report_command", RUN, "where a study's report is; open it", "report lab --open"
    ),
    "update": Subcommand(
        "retu.cli.update_command",
        RUN,
        "make again what is missing, edited or stale among a study's results",
        "update",
    ),
    "plan": Subcommand(
        "retu.cli.plan_command",
        RUN,
        "what a study costs: GPU-hours, days, disk",
        "plan --study paper",
    ),
    "lineage": Subcommand(
        "retu.cli.lineage_command",
        TRACE,
        "what made a result: ask, verify, compare, restore, export",
        "lineage why results/lab/tables/table_4.csv",
    ),
    "claim": Subcommand(
        "retu.cli.claim_command",
        TRACE,
        "find what the paper says, its verdict and how to trace it",
        "claim table 4 hard 1080",
    ),
    "fit": Subcommand(
        "retu.cli.fit_command",
        OWN,
        "ceilings, forecasts and verdicts of your own RL curves",
        "fit curves.csv",
        needs_project=False,
    ),
    "grade": Subcommand(
        "retu.cli.grade_command",
        OWN,
        "grade answers with a study's graders",
        "grade answers.jsonl --grader math_verify",
        needs_project=False,
    ),
    "new-study": Subcommand(
        "retu.cli.new_study_command",
        OWN,
        "write a study of your own model and files",
        "new-study mine --model FOLDER --train FILE",
    ),
    "check": Subcommand(
        "retu.cli.check_command",
        OWN,
        "look at a study of your own files before it is run",
        "check --study mine",
    ),
    "advise": Subcommand(
        "retu.cli.advise_command",
        DECIDE,
        "where to start RL, what to expect of it, what to run next",
        "advise released",
        needs_project=False,
    ),
    "cluster": Subcommand(
        "retu.cli.cluster_command",
        CLUSTER,
        "jobs on a SLURM cluster: check a launch, status, wait, cancel, unlock",
        "cluster check --study paper",
    ),
    "completion": Subcommand(
        "retu.cli.completion_command",
        SHELL,
        "print a script that completes commands and names",
        "completion bash",
        needs_project=False,
    ),
}
EXIT_STATUSES = {
    0: "fine",
    1: "findings: done, and something in the answer asks to be looked at",
    2: "bad input, told in one line: what, where, what to do",
}
INTRODUCTION = """Ask this project anything but to run: studies are run by Snakemake.

    make reproduce                             the experiment in miniature
    snakemake --cores 2 --config study=NAME    a study of studies/
"""


def format_overview(width: int) -> str:
    """The commands by task with an example each, then exit statuses, as `retu --help` shows them.

    Args:
        width: columns.
    """
    lines = [INTRODUCTION]
    indent = " " * (4 + 2 + max(map(len, SUBCOMMANDS)))
    for task in TASKS:
        lines.append(f"{task}:")
        for name, command in SUBCOMMANDS.items():
            if command.task == task:
                start = f"    {name}".ljust(len(indent))
                lines.append(
                    textwrap.fill(
                        command.summary, width, initial_indent=start, subsequent_indent=indent
                    )
                )
                lines.append(f"{indent}    retu {command.example}")
        lines.append("")
    lines.append("Exit status:")
    lines += [f"    {status}  {meaning}" for status, meaning in EXIT_STATUSES.items()]
    return "\n".join([*lines, "", "Every command has its own --help with examples."])
