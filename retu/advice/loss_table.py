"""A user's table of checkpoints: the curve of each, its validation loss, and pass@k if known."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from retu.advice.candidates import Candidate
from retu.core.errors import InputError
from retu.core.near_words import explain_missing_names
from retu.core.text import join_names
from retu.labeling.subphases import label_subphases
from retu.logs.log_files import is_wide_text
from retu.logs.table_files import parse_column, read_text_cells

NAN = float("nan")
LOSS_COLUMNS = ("curve", "dataset", "sft_step", "val_loss")
PASS_COLUMNS = ("pass_at_k", "k")
MOST_NAMED = 6


def read_losses(path: Path) -> pd.DataFrame:
    """A table of `LOSS_COLUMNS`, and of pass_at_k (percent) and its k where there are such columns.

    Returns:
        The table with numbers; its index is the row in the file, the header being row 1. An empty
        curve is ""; pass_at_k and k are NaN where they are not known.

    Raises:
        InputError: no such file, no text, or a column, a row or a number is missing or cannot be;
            names the row.
    """
    wanted = ", ".join(LOSS_COLUMNS)
    table = read_text_cells(check_text_file(path, wanted))
    missing = [name for name in LOSS_COLUMNS if name not in table]
    if missing:
        meant = explain_missing_names(missing, (str(n) for n in table if n not in LOSS_COLUMNS))
        told = f"lacks the columns {', '.join(missing)}; {meant or f'it needs {wanted}'}"
        raise InputError(f"{path}: {told}")
    if table.empty:
        raise InputError(f"{path}: has a header and no rows; give a checkpoint a row")
    for name in PASS_COLUMNS:
        if name not in table:
            table[name] = ""
    for name in ("sft_step", "val_loss", *PASS_COLUMNS):
        table[name] = parse_column(path, table[name])
    check_values(path, table)
    table = table.astype({"sft_step": int})
    check_twice(path, table)
    return table


def check_text_file(path: Path, wanted: str) -> Path:
    """The path, if it is a text with something in it."""
    if not path.exists():
        raise InputError(f"{path}: no such file; --losses is a CSV of {wanted}")
    if path.is_dir():
        raise InputError(f"{path}: is a folder; --losses is a CSV of {wanted}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if b"\0" in content and not is_wide_text(content):
        raise InputError(f"{path}: is no text; write it as CSV (of a spreadsheet: save as CSV)")
    if not content.strip():
        raise InputError(f"{path}: is empty; --losses is a CSV of {wanted}")
    return path


def check_values(path: Path, table: pd.DataFrame) -> None:
    """Refuse values that are missing or cannot be."""
    pass_at_k, k = table["pass_at_k"], table["k"]
    whole = {name: table[name] % 1 == 0 for name in ("sft_step", "k")}
    for name, is_right, rule in (
        ("dataset", table["dataset"] != "", "name that of the SFT run"),
        ("sft_step", whole["sft_step"] & (table["sft_step"] >= 0), "must be 0, 1, 2 ..."),
        ("val_loss", (table["val_loss"] > 0) & (table["val_loss"] < np.inf), "must be above 0"),
        ("pass_at_k", pass_at_k.isna() | pass_at_k.between(0, 100), "must be 0 to 100 percent"),
        ("k", pass_at_k.isna() | (whole["k"] & (k >= 2)), "must be the k of pass_at_k, 2 or more"),
    ):
        if not is_right.all():
            row = str(table.index[int((~is_right).to_numpy().argmax())])
            value = table[name][~is_right].iloc[0]
            told = " is missing:" if value == "" or pd.isna(value) else f" is {value:g} and"
            raise InputError(f"{path}: row {row}: {name}{told} {rule}")
    known = pass_at_k.dropna()
    if len(known) and 0 < known.max() <= 1:
        raise InputError(f"{path}: pass_at_k is at most {known.max():g}; write percent, 62.5")


def check_twice(path: Path, table: pd.DataFrame) -> None:
    """Refuse checkpoints and curves that are there twice."""
    for names, remedy in (
        (["dataset", "sft_step"], "a checkpoint has one row; correct or leave out one"),
        (["curve"], "a curve starts from one checkpoint; correct one"),
    ):
        rows = table[table["curve"] != ""] if names == ["curve"] else table
        again = rows[rows.duplicated(names)]
        if not again.empty:
            first = rows.index[(rows[names] == again.iloc[0][names]).all(axis=1)][0]
            told = " ".join(f"{name} {again.iloc[0][name]}" for name in names)
            raise InputError(
                f"{path}: row {again.index[0]}: {told} is twice, first in row {first}; {remedy}"
            )


def join_losses(
    curves: Mapping[str, Candidate], table: pd.DataFrame, path: Path
) -> list[Candidate]:
    """The checkpoints of a table of losses, with their labels and curves, then other curves.

    Raises:
        InputError: a curve that is not there.
    """
    told = table.loc[table["curve"] != "", "curve"]
    unknown = told[~told.isin([*curves])]
    if not unknown.empty:
        raise InputError(
            f"{path}: row {unknown.index[0]}: curve {unknown.iloc[0]} is not among the curves"
            f" ({join_names([*curves], MOST_NAMED)}); correct it, or leave it empty where"
            " there is no RL"
        )
    found = []
    for _, rows in table.sort_values("sft_step", kind="stable").groupby("dataset"):
        found += label_run(curves, rows)
    return [*found, *(one for name, one in curves.items() if name not in {*told})]


def label_run(curves: Mapping[str, Candidate], rows: pd.DataFrame) -> list[Candidate]:
    """The checkpoints of one data set; a single loss is the least of nothing, so has no label."""
    none = Candidate("", 0, "", NAN, NAN, NAN, NAN, np.zeros(0, np.int64), None)
    labels = label_subphases(rows["sft_step"].to_numpy(), rows["val_loss"].to_numpy())
    found = []
    for i, row in enumerate(rows.itertuples()):
        one = replace(
            curves.get(str(row.curve), none),
            dataset=str(row.dataset),
            sft_step=int(str(row.sft_step)),
            subphase=labels.subphase[i] if len(rows) > 1 else "",
            margin_stable=float(labels.margin_stable[i]) if len(rows) > 1 else NAN,
            val_loss=float(str(row.val_loss)),
        )
        # RL from step 0 is from the base model, which needs no label but has a curve.
        if one.branch or one.sft_step > 0:
            found.append(one)
    return found
