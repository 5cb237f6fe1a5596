"""Rule `dataset_stats`: measure sizes, lengths and difficulty of every data set (paper Table 3)."""

from pathlib import Path

import pandas as pd

from workflow_scripts.data.select import selection_rule
from workflow_scripts.data.store import read_frame
from workflow_scripts.script import parser, run, specification
from workflow_scripts.study.jobs import StatsJob
from workflow_scripts.tables_io import write_csv

ROLES = {"validation": "validation", "rl_prompts": "rl", "benchmarks": "benchmark"}


def mean_tokens(texts: pd.Series) -> float:
    """Mean number of tokens; in the lab a token is a blank-separated word."""
    return float(texts.map(lambda text: len(text.split())).mean())


def measure(name: str, role: str, selection: str, frame: pd.DataFrame) -> dict[str, object]:
    """One row of the table; what a data set does not have stays empty."""
    rated = "win_rate" in frame and bool(frame["win_rate"].notna().any())
    return {
        "dataset": name,
        "role": role,
        "rows": len(frame),
        "mean_prompt_tokens": mean_tokens(frame["prompt"]),
        "mean_response_tokens": mean_tokens(frame["trajectory"]) if "trajectory" in frame else None,
        "mean_steps": float(frame["steps"].mean()) if "steps" in frame else None,
        "win_rate": float(frame["win_rate"].mean()) if rated else None,
        "attempts": int(frame["attempts"].max()) if rated else None,
        "selection": selection,
    }


def main() -> None:
    """Measure the SFT sets, then the splits that are not trained on by SFT."""
    options = parser(__doc__)
    options.add_argument("--spec", type=specification(StatsJob), required=True)
    options.add_argument("--sets", type=Path, nargs="+", required=True)
    options.add_argument("--splits", type=Path, nargs="+", required=True)
    options.add_argument("--out", type=Path, required=True)
    given = options.parse_args()
    rows = []
    for path in given.sets:
        dataset = given.spec.datasets[path.stem]
        rows.append(
            measure(path.stem, "sft", selection_rule(dataset), read_frame(path, ("prompt",)))
        )
    for path in given.splits:
        rows.append(measure(path.stem, ROLES[path.stem], "", read_frame(path, ("prompt",))))
    write_csv(pd.DataFrame(rows), given.out)


if __name__ == "__main__":
    run(main)
