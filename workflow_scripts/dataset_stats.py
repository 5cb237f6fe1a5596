"""Rule `dataset_stats`: measure sizes, lengths and difficulty of every data set (paper Table 3)."""

from pathlib import Path
from typing import Any

import pandas as pd

from workflow_scripts.data.select import selection_rule
from workflow_scripts.data.store import check_stored, manifest_path, read_frame
from workflow_scripts.data.stored_rows import has_columns, read_columns
from workflow_scripts.manifest import read_manifest
from workflow_scripts.script import parser, run, specification
from workflow_scripts.study.jobs import StatsJob
from workflow_scripts.tables_io import write_csv

ROLES = {"validation": "validation", "benchmarks": "benchmark"}
LENGTHS = "mean_prompt_tokens"
"""Where a manifest says so much, texts are not read: they may be larger than memory."""


def mean_tokens(texts: pd.Series) -> float:
    """Mean number of tokens; in the lab a token is a blank-separated word."""
    return float(texts.map(lambda text: len(text.split())).mean())


def measure(frame: pd.DataFrame) -> dict[str, object]:
    """Lengths and chain lengths of a lab data set; what it does not have stays empty."""
    return {
        "rows": len(frame),
        "mean_prompt_tokens": mean_tokens(frame["prompt"]),
        "mean_response_tokens": mean_tokens(frame["trajectory"]) if "trajectory" in frame else None,
        "mean_steps": float(frame["steps"].mean()) if "steps" in frame else None,
    }


def known(manifest: dict[str, Any]) -> dict[str, object]:
    """What the manifest of a hub's data set says; its chain lengths are not known."""
    return {
        "rows": manifest["rows"],
        "mean_prompt_tokens": manifest[LENGTHS],
        "mean_response_tokens": manifest.get("mean_trajectory_tokens"),
        "mean_steps": None,
    }


def difficulty(path: Path) -> dict[str, object]:
    """Mean win rate and attempts a problem of the reference model, where it tried."""
    if not has_columns(path, "win_rate", "attempts"):
        return {"win_rate": None, "attempts": None}
    rated = read_columns(path, "win_rate", "attempts")
    tried = bool(rated["win_rate"].notna().any())
    return {
        "win_rate": float(rated["win_rate"].mean()) if tried else None,
        "attempts": int(rated["attempts"].max()) if tried else None,
    }


def described(path: Path, role: str, selection: str) -> dict[str, object]:
    """One row of the table."""
    check_stored(path, ("prompt",))
    manifest = read_manifest(manifest_path(path))
    lengths = known(manifest) if LENGTHS in manifest else measure(read_frame(path, ("prompt",)))
    rest = {**difficulty(path), "selection": selection}
    return {"dataset": path.stem, "role": role, **lengths, **rest}


def main() -> None:
    """Measure the SFT sets, then the splits that are not trained on by SFT."""
    options = parser(__doc__)
    options.add_argument("--spec", type=specification(StatsJob), required=True)
    options.add_argument("--sets", type=Path, nargs="+", required=True)
    options.add_argument("--splits", type=Path, nargs="+", required=True)
    options.add_argument("--out", type=Path, required=True)
    given = options.parse_args()
    rows = [
        described(path, "sft", selection_rule(given.spec.datasets[path.stem]))
        for path in given.sets
    ]
    rows += [described(path, ROLES.get(path.stem, "rl"), "") for path in given.splits]
    write_csv(pd.DataFrame(rows), given.out)


if __name__ == "__main__":
    run(main)
