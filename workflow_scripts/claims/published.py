"""Table 4 of the paper as a typed table, to stand beside fits of the released curves."""

from pathlib import Path

import pandas as pd

from workflow_scripts.claims.granularity import check_number
from workflow_scripts.claims.tables import Row, read_rows
from workflow_scripts.errors import InputError

KEYS = ("dataset", "sft_step")
LABEL = "subphase_in_figure_3"
NUMBERS = (
    *("x_sft_eflops", "tau", "lts_share", "epsilon", "pl_rl", "c_mid", "b", "p_sft"),
    *("a_post_table_4", "a_post_figure_3"),
)


def published_fits(path: Path) -> pd.DataFrame:
    """Read claims/table_4.csv (Table 4 and Figure 3 of the paper, Qwen2.5-7B).

    Returns:
        One row a branch, in the order of the table: dataset (`none` is Pure RL), sft_step,
        x_sft_eflops and c_mid (EFLOPs), subphase_in_figure_3, tau, lts_share (0 is off), epsilon,
        pl_rl (points), b, p_sft, a_post_table_4, a_post_figure_3 (percent). NaN where nothing is
        printed: step 6120 of Easy102K stands in the figure only.

    Raises:
        InputError: a missing column, a cell that is no number, a branch given twice.
    """
    rows = read_rows(path, [*KEYS, LABEL, *NUMBERS])
    records = [{**typed(row), LABEL: row.cells[LABEL]} for row in rows]
    seen: set[tuple[object, object]] = set()
    for row, record in zip(rows, records, strict=True):
        key = (record["dataset"], record["sft_step"])
        if key in seen:
            raise InputError(f"{row.where}: {key[0]} step {key[1]} is there twice; remove one")
        seen.add(key)
    order = ["dataset", "sft_step", "x_sft_eflops", LABEL, *NUMBERS[1:]]
    return pd.DataFrame(records)[order]


def typed(row: Row) -> dict[str, object]:
    """The keys and numbers of a row of Table 4."""
    try:
        for name in ("sft_step", *NUMBERS):
            if row.cells[name]:
                check_number(row.cells[name])
        numbers: dict[str, object] = {
            name: float(row.cells[name]) if row.cells[name] else float("nan") for name in NUMBERS
        }
        return {"dataset": row.cells["dataset"], "sft_step": int(row.cells["sft_step"]), **numbers}
    except (InputError, ValueError) as error:
        raise InputError(f"{row.where}: {error}") from error
