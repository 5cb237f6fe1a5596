"""When to stop SFT and start RL, on which data, and what to expect of it.

Examples:

    retu advise released                                  a study with results, finished or not
    retu advise lab --budget-steps 60
    retu advise curves.csv --losses losses.csv --budget 40    curves of your own (docs/advise.md)

Says which checkpoint to start RL from, the score to expect at a budget, the ceiling, what more RL,
SFT or better data buy, and the cheapest run that should narrow what is not known. What the evidence
does not bear is called so, without a number. Notes of what was assumed go to stderr.
"""

import argparse
import sys
from pathlib import Path

from retu.advice.advice_text import TABLE_WIDTH, format_advice
from retu.advice.advise import advise_start
from retu.advice.evidence import Evidence, make_curve_evidence, read_study_evidence
from retu.cli.log_arguments import add_log_arguments, check_start_score, parse_log_choice
from retu.config.load import find_study_file
from retu.core.errors import InputError
from retu.core.terminal_width import find_width
from retu.logs.log_choice import name_unit
from retu.logs.read_curves import read_logs
from retu.planning.stages import ROOT


def add_arguments(to: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    to.add_argument("source", nargs="+", help="a study, or files of curves")
    told = "RL compute of one branch at which scores are asked, in the unit that the answer names"
    to.add_argument("--budget", type=float, metavar="X", help=told)
    to.add_argument(
        "--budget-steps", type=int, metavar="N", help="the same as RL steps of a study's branches"
    )
    to.add_argument(
        "--losses",
        type=Path,
        help="CSV of curve, dataset, sft_step, val_loss (and pass_at_k, k), for files of curves",
    )
    to.add_argument("--start", type=float, metavar="SCORE", help="score at x = 0, percent")
    to.add_argument("--json", action="store_true", help="one JSON object a pool of branches")
    add_log_arguments(to.add_argument_group("what the files hold"))


def main(options: argparse.Namespace) -> None:
    """Print the advice.

    Raises:
        InputError: no such study or file, no results, or too little to compare.
    """
    if options.budget is not None and options.budget_steps is not None:
        raise InputError("--budget and --budget-steps contradict each other; give one")
    check_start_score(options.start)
    pools, width = read_evidence(options), find_width(TABLE_WIDTH)
    refused: list[InputError] = []
    for evidence in pools:
        try:
            advice = advise_start(evidence, find_budget(evidence, options))
        except InputError as error:
            refused.append(error)
            continue
        for note in advice.notes:
            print(f"note: {note}", file=sys.stderr)
        print(advice.model_dump_json() if options.json else format_advice(advice, width) + "\n")
    # A pool too small to advise on is no reason to say nothing of the others.
    if len(refused) == len(pools):
        raise refused[0]
    for refusal in refused:
        print(f"note: {refusal}", file=sys.stderr)


def read_evidence(options: argparse.Namespace) -> list[Evidence]:
    """The pools that the command is about: of a study, or one of all curves of the files."""
    paths = [Path(name) for name in options.source]
    missing = next((path for path in paths if not path.exists()), None)
    # A study is a single word; what has a suffix or a folder was meant to be a file.
    if missing is not None and (len(paths) > 1 or missing.suffix or len(missing.parts) > 1):
        raise InputError(f"{missing}: no such file")
    if missing is not None:
        study = find_study_file(missing.name).stem
        for flag in ("losses", "start"):
            if getattr(options, flag) is not None:
                raise InputError(f"--{flag}: study {study} has its own; leave it out")
        return read_study_evidence(study, ROOT, f"results/{study}")
    reading = read_logs(paths, parse_log_choice(options))
    reading.check_start(options.start)
    unit = name_unit(reading.x_unit)
    return [make_curve_evidence(reading.points, unit, reading.notes, options.losses, options.start)]


def find_budget(evidence: Evidence, options: argparse.Namespace) -> float | None:
    """The budget as compute of the curves; steps at the mean pace of the branches.

    Raises:
        InputError: steps that cannot be told as compute.
    """
    steps = options.budget_steps
    if steps is None:
        return None if options.budget is None else float(options.budget)
    if steps < 1:
        raise InputError(f"--budget-steps {steps}: use a number above 0")
    if evidence.unit == "steps":
        return float(steps)
    paces = [one.spent / one.last_step for one in evidence.candidates if one.branch]
    # The steps of other curves merely count their evaluations.
    if not evidence.is_study or not paces:
        raise InputError(
            f"--budget-steps: no step of RL is known; use --budget, in {evidence.unit}"
        )
    return float(steps * sum(paces) / len(paces))
