"""`retu fit` from the command line beside scipy and lmfit, with the same number of draws.

    python benchmarks/fit_command.py [--curves 34] [--draws 1000] [--peer-draws 50] [--many 1000]

Planted curves in a CSV, as a user has them. Ours is timed as a user waits for it: a process from
its start to the table, with intervals and verdicts. scipy (`curve_fit`) and, where installed, lmfit
(`Model.fit`, within bounds) refit residual-bootstrap draws of the same curves, one start each,
without reading, verdict or import; `--peer-draws` of each curve are made and scaled to `--draws`.
Memory is the largest resident set of the process, of `--many` curves.
"""

import argparse
import importlib
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from planted import KINDS, NOISES, plant_curves
from scipy.optimize import curve_fit

from retu.scaling.branch import Branch
from retu.scaling.law import FloatArray, compute_rise_fraction

Refit = Callable[[FloatArray, FloatArray, list[float]], list[float]]
BOUNDS = ([0.0, 0.0, -np.inf, 0.1], [100.0, 100.0, np.inf, 20.0])


def plant_table(count: int) -> tuple[pd.DataFrame, list[Branch]]:
    """A table of planted curves of all kinds, and the curves."""
    counts = dict.fromkeys(KINDS, -(-count // len(KINDS)))
    branches = [planted.branch for planted in plant_curves(601, NOISES[2], counts)][:count]
    tables = [
        pd.DataFrame({"curve": f"curve {i}", "x": b.x, "score": b.score, "n_problems": 2157})
        for i, b in enumerate(branches)
    ]
    return pd.concat(tables, ignore_index=True), branches


def time_command(table: pd.DataFrame, draws: int) -> dict[str, object]:
    """Wall and CPU seconds of `retu fit` on a table, and its largest memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "curves.csv"
        table.to_csv(path, index=False)
        command = [sys.executable, "-m", "retu", "fit", str(path), "--draws", str(draws)]
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        subprocess.run(command, check=True, cwd=folder, capture_output=True)
        wall = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "what": "retu fit, the whole command",
        "curves": table["curve"].nunique(),
        "draws": draws,
        "CPU s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "wall s": wall,
        "MB": after.ru_maxrss / 1024,
    }


def evaluate_law(x: FloatArray, low: float, top: float, log_c: float, b: float) -> FloatArray:
    """The law with its start free."""
    return low + (top - low) * compute_rise_fraction(x, np.float64(log_c), np.float64(b))


def refit_with_scipy(x: FloatArray, score: FloatArray, start: list[float]) -> list[float]:
    """Least squares by `curve_fit` without bounds, its fastest way."""
    found, _ = curve_fit(evaluate_law, x, score, p0=start, maxfev=5000)
    return [float(value) for value in found]


def make_lmfit_refit() -> Refit | None:
    """The same by lmfit, or None where it is not installed."""
    try:
        lmfit = importlib.import_module("lmfit")
    except ImportError:
        return None
    model, names = lmfit.Model(evaluate_law), ("low", "top", "log_c", "b")

    def refit(x: FloatArray, score: FloatArray, start: list[float]) -> list[float]:
        made = model.make_params(
            **{
                name: {"value": value, "min": low, "max": high}
                for name, value, low, high in zip(names, start, *BOUNDS, strict=True)
            }
        )
        found = model.fit(score, made, x=x, max_nfev=5000)
        return [float(found.best_values[name]) for name in names]

    return refit


def time_refits(branches: list[Branch], refit: Refit, draws: int) -> float:
    """CPU seconds of `draws` bootstrap refits of every curve."""
    rng = np.random.default_rng(0)
    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for branch in branches:
            kept = branch.take_first(branch.end)
            middle = float(np.log(np.median(kept.x[1:])))
            start = [kept.p_sft, min(float(kept.score.max()), 99.0), middle, 1.3]
            try:
                best = refit(kept.x, kept.score, start)
            except RuntimeError:
                best = start
            fitted = evaluate_law(kept.x, *best)
            near = list(np.clip(best, [value + 1e-9 for value in BOUNDS[0]], BOUNDS[1]))
            for _ in range(draws):
                again = fitted + rng.choice(kept.score - fitted, kept.x.size)
                try:
                    refit(kept.x, again, near)
                except (RuntimeError, ValueError):
                    continue  # a search that fails has cost its time all the same
    return time.process_time() - started


def main() -> None:
    """Print the table."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--curves", type=int, default=34)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--peer-draws", type=int, default=50)
    parser.add_argument("--many", type=int, default=1000, help="0 leaves the memory out")
    options = parser.parse_args()
    table, branches = plant_table(options.curves)
    rows = [time_command(table, options.draws)]
    facts = {"curves": len(branches), "draws": options.draws}
    for name, refit in (("scipy", refit_with_scipy), ("lmfit", make_lmfit_refit())):
        if refit is not None:
            seconds = time_refits(branches, refit, options.peer_draws)
            scaled = seconds * options.draws / options.peer_draws
            what = f"{name}, refits alone ({options.peer_draws} draws, scaled)"
            rows.append({"what": what, **facts, "CPU s": scaled})
    rows.append(time_command(table, options.draws))
    if options.many:
        rows.append(time_command(plant_table(options.many)[0], options.draws))
    print(pd.DataFrame(rows).to_string(index=False, float_format="%.1f", na_rep=""))


if __name__ == "__main__":
    main()
