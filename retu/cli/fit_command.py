r"""Ceilings, forecasts and verdicts of your own RL curves, from what your tools wrote.

Examples:

    retu fit curves.csv                              columns curve, x, score, n_problems
    retu fit runs/a runs/b --metric eval/accuracy    logs of trainers
    retu fit curves.csv --out answer                 also fits.csv, fits.json, points.csv, fit.html
    retu fit curves.csv --json                       one JSON object a curve
    retu fit log.jsonl --forecast 800                the score at step 800, with its interval
    retu fit log.jsonl --params 7.6e9 --tokens-per-step 3e6      steps become EFLOPs

x = 0 is the model that RL starts from. What was taken for what is told on stderr, and what has two
answers is refused with the flag that decides. docs/fit.md explains the answers.
"""

import argparse
import json
import sys
from pathlib import Path

import pandas as pd

from retu.cli.log_arguments import add_log_arguments, check_start_score, parse_log_choice
from retu.compute.log_compute import StepTokens, read_model_shape
from retu.config.analysis import FitSettings
from retu.config.protocols import ROBUST, load_protocols, make_fit_job
from retu.core.errors import InputError
from retu.core.near_words import suggest_near
from retu.core.terminal_width import find_width
from retu.logs.log_choice import FARTHEST, LogReading, name_unit
from retu.logs.log_files import ANSWER_FILES
from retu.logs.read_curves import read_logs
from retu.reporting.curve_text import format_fits_text, list_collapses
from retu.reporting.pages.fit_files import (
    check_fit_folder,
    make_json_rows,
    name_folder,
    write_fit_folder,
)
from retu.reporting.progress_line import ProgressLine
from retu.reporting.terminal import TERMINAL_WIDTH
from retu.scaling.fitting.logged_fits import fit_logged_curves
from retu.scaling.logged_branches import make_logged_branches

COMPUTE_OPTIONS = {
    "params": "number of parameters of the model, such as 7.6e9",
    "mean_length": "with --shape: mean tokens of a sequence, prompt and response",
    "tokens_per_step": "tokens of all rollouts of a step",
    "trained_tokens": "tokens that a step trains on (default: all its rollouts)",
}


def add_arguments(to: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    to.add_argument("paths", nargs="+", type=Path, metavar="CURVES", help="files and folders")
    add_log_arguments(to.add_argument_group("what the logs say"))
    fit = to.add_argument_group("how they are fitted")
    names = ", ".join(load_protocols())
    fit.add_argument("--protocol", default=ROBUST, help=f"{names} (default: {ROBUST})")
    fit.add_argument("--start", type=float, metavar="SCORE", help="percent, where x = 0 is missing")
    fit.add_argument("--forecast", type=float, metavar="X", help="also the score at this x")
    fit.add_argument("--draws", type=int, default=1000, metavar="N", help="default: 1000")
    fit.add_argument("--seed", type=int, default=0, help="default: 0")
    compute = to.add_argument_group("from steps or tokens to EFLOPs")
    compute.add_argument("--shape", type=Path, metavar="FILE", help="config.json of the model")
    for name, told in COMPUTE_OPTIONS.items():
        compute.add_argument(f"--{name.replace('_', '-')}", type=float, metavar="N", help=told)
    answer = to.add_argument_group("the answer")
    answer.add_argument("--out", metavar="FOLDER", help=f"write {', '.join(ANSWER_FILES)}")
    answer.add_argument("--json", action="store_true", help="one JSON object a curve on stdout")


def main(options: argparse.Namespace) -> None:
    """Read the curves, fit them, and tell.

    Raises:
        InputError: what the reader or the fits refuse, or a folder that holds other files.
    """
    settings = check_options(options)
    folder = None if options.out is None else name_folder(options.out)
    replaced = folder is not None and check_fit_folder(folder)
    reading = read_logs(options.paths, parse_log_choice(options))
    reading.check_start(options.start)
    points, x_unit, notes = convert_compute(reading, options)
    check_forecast(options.forecast, points["x"].max(), x_unit)
    try:
        branches, assumed = make_logged_branches(points, options.start)
        notes += assumed
        with ProgressLine(len(branches), "curves fitted") as progress:
            job = make_fit_job(options.protocol, settings)
            fits = fit_logged_curves(branches, job, x_unit, options.forecast, progress.tell)
    except InputError as error:
        raise InputError(f"{' '.join(map(str, options.paths))}: {error}") from error
    for note in [*notes, *(list_collapses(fits) if options.json else [])]:
        print(f"note: {note}", file=sys.stderr)
    if options.json:
        for row in make_json_rows(fits):
            print(json.dumps(row))
    else:
        # In a pipe, what follows on stderr would else come first.
        print(format_fits_text(fits, find_width(TERMINAL_WIDTH)), end="", flush=True)
    if folder is not None:
        told = "replaced the earlier answer in" if replaced else "wrote"
        write_fit_folder(fits, folder, notes, describe_settings(options))
        print(f"{told} {folder}: {', '.join(ANSWER_FILES)}", file=sys.stderr)


def check_options(options: argparse.Namespace) -> FitSettings:
    """The settings of the fits.

    Raises:
        InputError: an unknown protocol, or a number that cannot be.
    """
    protocols = load_protocols()
    if options.protocol not in protocols:
        near = suggest_near(options.protocol, protocols)
        raise InputError(f"--protocol {options.protocol}: no such protocol; {near}")
    if options.draws < 100:
        raise InputError(f"--draws {options.draws}: use at least 100")
    if options.seed < 0:
        raise InputError(f"--seed {options.seed}: use at least 0")
    check_start_score(options.start)
    for name in ("forecast", *COMPUTE_OPTIONS):
        value = getattr(options, name)
        if value is not None and not 0 < value < float("inf"):
            raise InputError(f"--{name.replace('_', '-')} {value:g}: use a number above 0")
    trained, tokens = options.trained_tokens, options.tokens_per_step
    if trained is not None and tokens is not None and trained > tokens:
        raise InputError(
            f"--trained-tokens {trained:g}: a step has {tokens:g} tokens by --tokens-per-step, and"
            " trains on no more; correct one"
        )
    return FitSettings(n_bootstrap=options.draws, seed=options.seed)


def check_forecast(x: float | None, longest: float, x_unit: str) -> None:
    """Refuse an x of the forecast that must be in another unit than the curves.

    Raises:
        InputError: it is more than `FARTHEST` times as far as the longest run.
    """
    if x is not None and x > FARTHEST * longest:
        raise InputError(
            f"--forecast {x:g}: x counts {name_unit(x_unit)} and the longest run ends at"
            f" {longest:g}; give the forecast in {name_unit(x_unit)}, at most {FARTHEST} times as"
            " far"
        )


def convert_compute(
    reading: LogReading, options: argparse.Namespace
) -> tuple[pd.DataFrame, str, list[str]]:
    """Points, unit of x and notes, in EFLOPs if the model is given."""
    shape = read_model_shape(options.shape) if options.shape else None
    tokens = StepTokens(
        *(shape, options.mean_length, options.params),
        *(options.tokens_per_step, options.trained_tokens),
    )
    if not tokens.is_given:
        return reading.points, reading.x_unit, list(reading.notes)
    each = tokens.compute_eflops(reading.x_unit)
    one = "token" if reading.x_unit == "tokens" else reading.x_unit
    note = f"x is EFLOPs, {each:.4g} a {one}"
    points = reading.points.assign(x=reading.points["x"] * each)
    return points, "eflops", [*reading.notes, note]


def describe_settings(options: argparse.Namespace) -> dict[str, object]:
    """What an answer rests on, as its files tell it."""
    return {
        "curves": [str(path) for path in options.paths],
        "protocol": options.protocol,
        "draws": options.draws,
        "seed": options.seed,
    }
