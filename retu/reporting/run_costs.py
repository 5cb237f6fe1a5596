"""What each run of a study cost: steps, training compute, evaluations and graded answers."""

import pandas as pd

from retu.core.markdown import TextTable, format_integer, format_number, make_table
from retu.reporting.compute_units import choose_unit
from retu.reporting.result_tables import find_varying_columns, format_compute, format_text_cells
from retu.reporting.tidy_files import NO_DATASET, PURE_SFT, RUN_COLUMNS


def measure_run_costs(curves: pd.DataFrame) -> pd.DataFrame:
    """One row per run: those of SFT before those of RL, both in the order of the curves.

    Args:
        curves: overall rows of curves.csv.

    Returns:
        RUN_COLUMNS, steps (of the run itself), eflops (its own training alone), evaluations and
        answers (graded on the way; an RL run's start is its SFT run's).
    """
    pure = curves["paradigm"] == PURE_SFT
    sft = curves[pure]
    sft = sft.assign(own_step=sft["sft_step"], own_eflops=sft["x_sft_eflops"], sft_step=0)
    rl = curves[~pure & (curves["rl_step"] > 0)]
    rl = rl.assign(own_step=rl["rl_step"], own_eflops=rl["x_rl_eflops"])
    runs = pd.concat([sft, rl], ignore_index=True).groupby(list(RUN_COLUMNS), sort=False)
    return runs.agg(
        steps=("own_step", "max"),
        eflops=("own_eflops", "max"),
        evaluations=("own_step", "size"),
        answers=("n_samples", "sum"),
    ).reset_index()


def format_run_costs(costs: pd.DataFrame) -> TextTable:
    """The costs for people, with the share of each run in the whole.

    Nothing has a share where the compute of a run is unknown: an imported one may lack it.
    """
    unit, total = choose_unit([*costs["eflops"]]), float(costs["eflops"].sum(skipna=False))
    shares = [100 * value / total if total else 0.0 for value in costs["eflops"]]
    runs = costs.assign(recipe=costs["recipe"].replace("", None))
    return make_table(
        [
            ("Paradigm", False, format_text_cells(costs["paradigm"])),
            (
                "Data set",
                False,
                ["\N{EN DASH}" if name == NO_DATASET else str(name) for name in costs["dataset"]],
            ),
            ("SFT step", True, [format_integer(value) for value in costs["sft_step"]]),
            *[
                (name.capitalize(), False, format_text_cells(runs[name]))
                for name in find_varying_columns(runs)
            ],
            ("Steps", True, [format_integer(value) for value in costs["steps"]]),
            (f"Compute ({unit.name})", True, format_compute(costs["eflops"], unit.per_eflop)),
            ("Share (%)", True, [format_number(share) for share in shares]),
            ("Evaluations", True, [format_integer(value) for value in costs["evaluations"]]),
            ("Answers graded", True, [format_integer(value) for value in costs["answers"]]),
        ]
    )
