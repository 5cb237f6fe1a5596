"""Speed and accuracy of the fits, and of the forecasts, on the released curves.

    snakemake forecasts --config study=released   # makes the curves
    python benchmarks/fits.py [--curves results/released/curves.csv] [--draws 1000]
        [--kit FOLDER --kit-python PYTHON] [--kit-scripts 3] [--against COMMIT]

Prints three tables: seconds on one core to fit every branch with its bootstrap draws, by protocol,
beside the released kit where a copy is given (its own scripts, started one by one as it does);
how near the engine's sums of squares are to those of scipy from many starts; and the forecasts.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from checkout import copy_project
from scipy.optimize import least_squares

from retu.config.load import load_study
from retu.config.protocols import load_protocols, make_fit_job
from retu.core.tables import read_facts, read_table
from retu.scaling.best_curve import fit_problem
from retu.scaling.bootstrap import resample_residuals
from retu.scaling.branch import ListedSettings, read_listed_settings
from retu.scaling.engine import compute_theta_bounds, solve_rows
from retu.scaling.fit_rows import Bounds
from retu.scaling.fitting.fit_tables import fit_branches
from retu.scaling.forecasting import replay_tables
from retu.scaling.forecasting.forecast_settings import ForecastSpec
from retu.scaling.law import FloatArray, compute_rise_fraction
from retu.scaling.measured_branches import FITTED_CURVE_COLUMNS, MeasuredBranch, extract_branches
from retu.scaling.problem import make_problem

ROOT = Path(__file__).resolve().parents[1]
AGREES = 0.15
REFERENCE_STARTS = [(c, b) for c in (0.15, 0.5, 0.9) for b in (0.5, 1.5, 4.0)]


def measure_protocols(branches: list[MeasuredBranch], draws: int) -> list[dict[str, object]]:
    """Seconds and agreement with Table 4 of every protocol of the released study."""
    study = load_study("released")
    published = read_facts(ROOT / "claims" / "table_4.csv").dropna(subset=["pl_rl"])
    values = published.set_index(["dataset", "sft_step"])["pl_rl"]
    untrimmed = published.set_index(["dataset", "sft_step"])["lts_share"] == 0
    rows: list[dict[str, object]] = []
    for name in ("robust", "weighted", "paper", "kit", "plain"):
        fit = study.fit.model_copy(update={"n_bootstrap": draws})
        table = study.fit.listed.get(name)
        listed = read_listed_settings(ROOT / table) if table else None
        started = time.process_time()
        fitted = fit_branches(branches, make_fit_job(name, fit), listed)
        seconds = time.process_time() - started
        places = [(str(m.key["dataset"]), int(str(m.key["sft_step"]))) for m in branches]
        found = pd.Series([f.fit.pl_rl for f in fitted], index=pd.MultiIndex.from_tuples(places))
        error = (found.reindex(values.index) - values).abs()
        held_out = np.array([f.fit.heldout_rmse for f in fitted])
        rows.append(
            {
                "protocol": name,
                "seconds": round(seconds, 1),
                "PL within 0.15": f"{int((error <= AGREES).sum())} of {len(error)}",
                "not trimmed": f"{int((error[untrimmed] <= AGREES).sum())} of {untrimmed.sum()}",
                "identified": sum(f.fit.verdict == "identified" for f in fitted),
                "held-out RMSE, median": round(float(np.nanmedian(held_out)), 2),
                "mean": round(float(np.nanmean(held_out)), 2),
            }
        )
    return rows


def measure_engine(branches: list[MeasuredBranch], draws: int, checked: int) -> dict[str, object]:
    """Time of the bare engine, and how often its sums of squares equal a multi-start's."""
    rng = np.random.default_rng(1)
    seconds, excess = 0.0, []
    for measured in branches:
        problem = make_problem(measured.branch, load_protocols()["plain"], ListedSettings())
        point = fit_problem(problem, ListedSettings())
        noise = resample_residuals(problem, point, (draws, problem.x.size), rng)
        gain = (
            point.curve.compute_score(problem.x)
            - problem.base
            + np.where(problem.x > 0, noise, 0.0)
        )
        rows = problem.make_rows(gain, np.ones_like(gain), problem.p_sft)
        started = time.process_time()
        found = solve_rows(rows, problem.bounds)
        seconds += time.process_time() - started
        for i in rng.choice(draws, checked, replace=False):
            best = fit_from_many_starts(problem.x, gain[i], float(rows.cap[i]), problem.bounds)
            excess.append(float(found.sse[i]) / max(best, 1e-12) - 1)
    share = float(np.mean(np.array(excess) <= 1e-6))
    return {
        "branches x draws": f"{len(branches)} x {draws}",
        "seconds": round(seconds, 1),
        "within 1e-6 of multi-start": f"{share:.1%} of {len(excess)}",
        "better than it": f"{float(np.mean(np.array(excess) < -1e-6)):.1%}",
    }


def fit_from_many_starts(x: FloatArray, gain: FloatArray, cap: float, bounds: Bounds) -> float:
    """Smallest sum of squares that scipy finds from nine starts within the same bounds."""
    low, high = compute_theta_bounds(x, bounds)

    def compute_residual(q: FloatArray) -> FloatArray:
        return np.asarray(q[0] * compute_rise_fraction(x, q[1], np.exp(q[2])) - gain)

    limits = ([0.0, *low], [max(cap, 1e-9), *high])
    quantiles = np.log(np.quantile(x[x > 0], [q for q, _ in REFERENCE_STARTS]))
    costs = [
        least_squares(
            compute_residual,
            [0.6 * max(cap, 1e-9), c, np.log(b)],
            bounds=limits,
            xtol=1e-12,
            ftol=1e-12,
        ).cost
        for c, (_, b) in zip(quantiles, REFERENCE_STARTS, strict=True)
    ]
    return 2 * float(min(costs))


def time_kit(kit: Path, python: str, count: int) -> tuple[int, float]:
    """Wall seconds of the first `count` released scripts (0: all), each started as it is."""
    scripts = sorted(kit.glob("run_sh/*/*_fit_ckpt*.sh"))
    chosen = scripts[:count] if count else scripts
    folder = Path(python).absolute().parent
    with tempfile.TemporaryDirectory() as output:
        environment = {
            **os.environ,
            "KIT_ROOT": str(kit.resolve()),
            "FIT_OUTPUT_ROOT": output,
            "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        }
        started = time.monotonic()
        for script in chosen:
            subprocess.run(
                ["bash", str(script)], env=environment, check=True, stdout=subprocess.DEVNULL
            )
        return len(chosen), time.monotonic() - started


WHOLE = """
import sys, time
from pathlib import Path
from retu.scaling.fitting.fit_tables import fit_branches
from retu.scaling.forecasting import replay_tables
from retu.scaling.forecasting.forecast_settings import ForecastSpec
from retu.scaling.measured_branches import FITTED_CURVE_COLUMNS, extract_branches
from retu.config.load import load_study
from retu.config.protocols import make_fit_job
from retu.core.tables import read_table
curves = read_table(Path(sys.argv[1]), FITTED_CURVE_COLUMNS)
fit = load_study("released").fit.model_copy(update={"n_bootstrap": int(sys.argv[2])})
branches, known = extract_branches(curves), replay_tables.read_branches(curves)
spec, started = ForecastSpec(), time.process_time()
fit_branches(branches, make_fit_job("robust", fit), None)
fitted = time.process_time()
for part in spec.fractions:
    replay_tables.replay_branches(known, part, spec)
print(fitted - started, time.process_time() - fitted, file=sys.stderr)
"""
"""What a revision is timed with, in a process of its own: all that have these names."""


def time_whole_fit(curves: Path, draws: int, revision: str) -> dict[str, object]:
    """CPU seconds of the same outputs by the working tree (no revision) or an earlier commit."""
    with tempfile.TemporaryDirectory() as folder:
        if revision:
            archive = ["git", "archive", revision]
            packed = subprocess.run(archive, cwd=ROOT, check=True, capture_output=True).stdout
            subprocess.run(["tar", "x", "-C", folder], input=packed, check=True)
        else:
            copy_project(Path(folder))
        command = [sys.executable, "-c", WHOLE, str(curves.resolve()), str(draws)]
        environment = {**os.environ, "PYTHONPATH": folder}
        found = subprocess.run(
            command, cwd=folder, env=environment, check=True, capture_output=True, text=True
        )
    fits, forecasts = map(float, found.stderr.split()[-2:])
    return {"revision": revision or "as it is", "fits": fits, "forecasts": forecasts}


def print_table(title: str, rows: list[dict[str, object]]) -> None:
    """Print a table."""
    print(f"\n{title}\n{pd.DataFrame(rows).to_string(index=False, float_format='%.2f')}")


def main() -> None:
    """Print the tables."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--curves", type=Path, default=ROOT / "results/released/curves.csv")
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--checked", type=int, default=6, help="draws a branch that are checked")
    parser.add_argument("--kit", type=Path, help="analysis/flops_estimate_kit of the release")
    parser.add_argument("--kit-python", default=sys.executable)
    parser.add_argument("--kit-scripts", type=int, default=0, help="only so many of its 37")
    parser.add_argument(
        "--against", nargs="*", default=[], help="earlier commits to time side by side"
    )
    options = parser.parse_args()
    branches = extract_branches(read_table(options.curves, FITTED_CURVE_COLUMNS))
    rows = measure_protocols(branches, options.draws)
    print_table(
        f"Fits of {len(branches)} branches with {options.draws} draws each, CPU seconds", rows
    )
    if options.kit:
        count, seconds = time_kit(options.kit, options.kit_python, options.kit_scripts)
        ours = float(str(next(row["seconds"] for row in rows if row["protocol"] == "robust")))
        whole = seconds / count * 37
        print(
            f"\nReleased kit: {count} of 37 scripts in {seconds:.0f} s, without intervals; all of"
            f" them {whole:.0f} s, which is {whole / ours:.0f} times the robust fits with theirs"
        )
    print_table(
        "Engine alone (plain law)", [measure_engine(branches, options.draws, options.checked)]
    )
    known = replay_tables.read_branches(read_table(options.curves, FITTED_CURVE_COLUMNS))
    spec = ForecastSpec()
    scores = [
        row
        for part in spec.fractions
        for row in replay_tables.replay_branches(known, part, spec)[1]
    ]
    print_table("Forecasts, errors in points", scores)
    print_table(
        "Robust fits, verdicts and forecasts of all branches, CPU seconds",
        [time_whole_fit(options.curves, options.draws, name) for name in ["", *options.against]],
    )


if __name__ == "__main__":
    main()
