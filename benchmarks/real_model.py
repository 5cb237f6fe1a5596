"""Training of a real model on a CPU: against another commit and against plain TRL.

    git worktree add /tmp/base 26bde0a
    python benchmarks/real_model.py MODEL --base /tmp/base [--answer 128] [--repeats 1]

MODEL is the folder of a small model with a chat template. RL steps (two prompts, eight answers
each), SFT updates and a validation run in a process each, one after the other, with the settings
that a study has if it names none, and plain TRL with those of its manual. No sampled answer ends
before its limit, so that all write as many; peak memory is the process's, libraries and optimiser
included. Losses and gradients of SFT and of RL on given answers must agree to 1e-5, relatively:
all did the same work. Ratios are of seconds of the processor, on one thread: what else runs on the
machine hardly counts; seconds of the clock stand beside them.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RUN = Path(__file__).with_name("real_model_run.py")
AGREE = 1e-5
GOALS = {
    ("rl", "peak_gb", "base"): ("at most", 0.5),
    ("rl", "time", "base"): ("at most", 0.7),
    ("validation", "time", "base"): ("at most", 0.6),
    ("sft", "speed", "base"): ("at least", 1.2),
    ("sft", "speed", "plain"): ("at least", 1.0),
    ("rl", "speed", "plain"): ("at least", 1.2),
}
"""What the ratio of ours to another's should be; `speed` is one over time."""

Figures = dict[str, dict[str, Any]]


def run_one(model: str, work: str, kind: str, folder: Path, settings: dict[str, int]) -> Any:
    """One measurement by the project in `folder`."""
    environment = os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    side = "plain" if kind == "plain" else "ours"
    command = [sys.executable, str(RUN), model, work, side, json.dumps(settings)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: {work} of {kind} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def compute_time(found: list[Any]) -> float:
    """Median seconds of the processor, of a token where tokens were counted."""
    return float(statistics.median(one["cpu"] / max(1, one["tokens"]) for one in found))


def check_losses(work: str, runs: dict[str, list[Any]]) -> str:
    """How far losses are apart; SystemExit if it is too far.

    Plain TRL's validation loss is a mean of batches' means, another number.
    """
    kinds = [kind for kind in runs if not (work == "validation" and kind == "plain")]
    ours, worst = runs["ours"][0]["losses"], 0.0
    for kind in kinds:
        for name, value in runs[kind][0]["losses"].items():
            gap = abs(value - ours[name]) / max(1.0, abs(value))
            worst = max(worst, gap)
            if gap > AGREE:
                sys.exit(f"error: {work}: {name} is {ours[name]} here and {value} of {kind}")
    return f"{work}: losses of {', '.join(kinds)} are apart by {worst:.1e} at most"


def format_runs(work: str, runs: dict[str, list[Any]]) -> list[str]:
    """A line for each kind of run."""
    lines = []
    for kind, found in runs.items():
        peak = statistics.median(one["peak_gb"] for one in found)
        cpu, wall = (statistics.median(one[name] for one in found) for name in ("cpu", "wall"))
        tokens = statistics.median(one["tokens"] for one in found)
        rate = f"{tokens / cpu:>10.1f}" if tokens else f"{'':>10}"
        lines.append(f"{work:<12}{kind:<8}{cpu:>9.1f}{wall:>9.1f}{rate}{peak:>9.2f}")
    return lines


def format_ratios(runs: dict[str, dict[str, list[Any]]]) -> list[str]:
    """The ratio of every goal, and whether it is met."""
    lines = [f"\n{'ours to':<22}{'':<10}{'ratio':>7}  goal"]
    for (work, what, other), (bound, goal) in GOALS.items():
        if other not in runs[work]:
            continue
        ours, theirs = runs[work]["ours"], runs[work][other]
        if what == "peak_gb":
            ratio = min(one["peak_gb"] for one in ours) / min(one["peak_gb"] for one in theirs)
        else:
            ratio = compute_time(ours) / compute_time(theirs)
            ratio = 1 / ratio if what == "speed" else ratio
        met = ratio <= goal if bound == "at most" else ratio >= goal
        verdict = "met" if met else "missed"
        lines.append(f"{other:<8}{work:<14}{what:<10}{ratio:>7.2f}  {bound} {goal}: {verdict}")
    return lines


def parse_command_line() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("model", help="folder of a model with a chat template")
    parser.add_argument("--base", type=Path, help="working tree of the commit to compare with")
    numbers = {"answer": 128, "steps": 2, "batch": 8, "longest": 400, "validated": 40}
    for name, default in (numbers | {"prompts": 2, "rollouts": 8, "repeats": 1}).items():
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args()


def main() -> None:
    """Measure and print the tables."""
    options = parse_command_line()
    folders = {"ours": ROOT, "plain": ROOT}
    if options.base is not None:
        folders["base"] = options.base.resolve()
    names = ("answer", "steps", "batch", "longest", "validated", "prompts", "rollouts")
    settings = {name: getattr(options, name) for name in names}
    print(f"{options.model}: {settings}, one thread\n")
    print(f"{'':<20}{'CPU s':>9}{'clock s':>9}{'tokens/s':>10}{'peak GB':>9}")
    runs: dict[str, dict[str, list[Any]]] = {}
    agreed = []
    for work in ("rl_given", "rl", "sft", "validation"):
        found: dict[str, list[Any]] = {kind: [] for kind in folders}
        for _ in range(1 if work == "rl_given" else options.repeats):
            for kind, folder in folders.items():
                found[kind].append(run_one(options.model, work, kind, folder, settings))
        runs[work] = found
        print("\n".join(format_runs(work, found)), flush=True)
        if work != "rl":
            agreed.append(check_losses(work, found))
    print("\n".join(["", *agreed, *format_ratios(runs)]))


if __name__ == "__main__":
    main()
