"""An artefact of the paper without released data: published values, verdicts, what is missing."""

import shlex
from pathlib import Path

import pandas as pd

from retu.core.errors import InputError
from retu.core.markdown import MISSING, TextTable, format_integer, make_table
from retu.core.yaml_files import read_yaml
from retu.reporting.result_tables import format_text_cells

SHOWN_COLUMNS = (
    *("id", "quantity", "model", "dataset", "sft_step", "published", "unit", "tier", "verdict"),
    *("ours", "note", "sentence"),
)


def name_place(artefact: str) -> str:
    """What the paper calls an artefact: `figure_4` is its Figure 4."""
    kind, _, number = artefact.partition("_")
    return f"{kind.capitalize()} {number}"


def select_claims(claims: pd.DataFrame, artefact: str) -> pd.DataFrame:
    """The rows of claims.csv that stand in an artefact, `SHOWN_COLUMNS`.

    Raises:
        InputError: the ledger has nothing from it.
    """
    rows = claims[claims["place"] == name_place(artefact)]
    if rows.empty:
        raise InputError(f"claims: nothing is published in {name_place(artefact)}")
    return rows[list(SHOWN_COLUMNS)].reset_index(drop=True)


def read_missing_data(path: Path, artefact: str) -> str:
    """What was not released of an artefact, from `studies/released/unreleased.yaml`.

    Raises:
        InputError: the file does not name it.
    """
    content = read_yaml(path)
    if artefact not in content:
        raise InputError(f"{path}: says nothing about {artefact}")
    return str(content[artefact])


def tabulate_claims(rows: pd.DataFrame) -> TextTable:
    """The claims for people: numbers with what was found, sentences as they are."""
    shown = rows.reset_index(drop=True)
    sentences = format_text_cells(shown["sentence"])
    claims = [
        str(name).partition(".")[2] if sentence == MISSING else sentence
        for name, sentence in zip(shown["id"], sentences, strict=True)
    ]
    units = [text if text != MISSING else "" for text in format_text_cells(shown["unit"])]
    published = [
        f"{value} {unit}".strip()
        for value, unit in zip(format_text_cells(shown["published"]), units, strict=True)
    ]
    return make_table(
        [
            ("Claim", False, claims),
            ("Model", False, format_text_cells(shown["model"])),
            ("Data set", False, format_text_cells(shown["dataset"])),
            ("SFT step", True, [format_integer(value) for value in shown["sft_step"]]),
            ("Published", True, published),
            ("Ours", True, format_text_cells(shown["ours"])),
            ("Verdict", False, format_text_cells(shown["verdict"])),
        ]
    )


def explain_missing_data(artefact: str, missing: str) -> str:
    """Below the table: why nothing is computed here, and where it would be."""
    command = shlex.join(["snakemake", artefact, "--config", "study=NAME"])
    return (
        f"Not computed here: {missing}. In a training study with such runs: {command} (the paper's"
        f" own: study=paper). Notes on single claims stand in {artefact}.csv."
    )
