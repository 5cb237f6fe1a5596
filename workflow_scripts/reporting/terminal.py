"""The summary printed at the end of a run: plain text, at most 100 columns."""

import pandas as pd

from workflow_scripts.reporting.markdown import (
    MISSING,
    TextTable,
    integer,
    interval,
    make_table,
    number,
)
from workflow_scripts.reporting.tables import branch_labels, table_4, texts, varying

WIDTH = 100
NAME_WIDTH = 24
SHORT_SUBPHASES = {"Mild Overfitting": "Mild", "Severe Overfitting": "Severe"}


def summary(fits: pd.DataFrame, report: str) -> str:
    """The branches in the order of Table 4, data sets as they come in fits.csv, and the report."""
    table = table_4(fits, list(fits["dataset"].drop_duplicates()))
    text = render(summary_table(table))
    title = f"Study {fits['study'].iloc[0]}: {len(table)} RL runs, scores in percent"
    return f"{title}\n\n{text}\nReport: {report}\n"


def summary_table(table: pd.DataFrame) -> TextTable:
    """The columns worth a glance; names are cut to keep the width."""
    ends = zip(table["a_post_low"], table["a_post_high"], strict=True)
    subphases = [SHORT_SUBPHASES.get(label, label) or MISSING for label in texts(table["subphase"])]
    return make_table(
        [
            ("data set", False, [cut(name) for name in branch_labels(table)]),
            *[(name, False, [cut(t) for t in texts(table[name])]) for name in varying(table)],
            ("step", True, [integer(value) for value in table["sft_step"]]),
            ("sub-phase", False, subphases),
            ("P_sft", True, [number(value) for value in table["p_sft"]]),
            ("best", True, [number(value) for value in table["best_score"]]),
            ("A_post", True, [number(value) for value in table["a_post"]]),
            ("90% interval", True, [interval(low, high) for low, high in ends]),
            ("verdict", False, [label or MISSING for label in texts(table["verdict"])]),
        ]
    )


def cut(name: str) -> str:
    """A name that fits its column."""
    return name if len(name) <= NAME_WIDTH else name[: NAME_WIDTH - 1] + "\N{HORIZONTAL ELLIPSIS}"


def render(table: TextTable) -> str:
    """Aligned columns under a rule; lines are cut at the terminal width as a last resort."""
    lines = [table.headers, *table.rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(table.headers))]
    cells = [
        [
            cell.rjust(w) if right else cell.ljust(w)
            for cell, w, right in zip(line, widths, table.right, strict=True)
        ]
        for line in lines
    ]
    printed = ["  ".join(line).rstrip()[:WIDTH] for line in cells]
    return "\n".join([printed[0], "-" * max(map(len, printed)), *printed[1:]]) + "\n"
