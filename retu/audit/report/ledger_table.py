"""The claims ledger as a table of the page: verdicts, links to the paper, commands to copy."""

import re
import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pandas as pd
from markupsafe import Markup

from retu.audit.claims.claim_answer import CELL_COLUMNS, SHOWN_NUMBERS, TABLE_4
from retu.audit.claims.claim_verdict import CLAIM_VERDICTS
from retu.audit.report.answer_text import STATEMENT
from retu.audit.report.page_tables import MARKS, format_filled_cells, format_our_value
from retu.core.markdown import MISSING, TextTable, format_interval, make_table

PAPER = "https://arxiv.org/html/2512.11470v2"
SECTION = re.compile(r"Section (\d+)(?:\.(\d+))?")
RUN = Markup('<code class="run">{}</code>')


def order_claims(claims: pd.DataFrame) -> pd.DataFrame:
    """What contradicts the data or the paper first, then by verdict, in the ledger's order."""
    first = [verdict for verdict in CLAIM_VERDICTS if MARKS.get(verdict) == "bad"]
    rank = claims["verdict"].map(
        lambda verdict: (verdict not in first, CLAIM_VERDICTS.index(verdict))
    )
    return claims.loc[rank.sort_values(kind="stable").index]


def list_claim_rows(claims: pd.DataFrame) -> list[str]:
    """The ids of the rows of `tabulate_ledger`."""
    return [f"claim-{name}" for name in order_claims(claims)["id"]]


def name_branch_row(dataset: object, sft_step: object) -> str:
    """The id of a branch's row in the page's Table 4."""
    return f"table_4-{dataset}-{sft_step}"


def tabulate_ledger(
    claims: pd.DataFrame, branches: set[tuple[str, int]], results: str
) -> TextTable:
    """Every claim of the ledger.

    Args:
        claims: claims.csv.
        branches: data set and SFT step of the rows of Table 4.
        results: the study's folder, for commands.
    """
    rows = order_claims(claims)
    records = list[Mapping[Any, Any]](rows.to_dict("records"))
    ends = zip(rows["low"], rows["high"], strict=True)
    return make_table(
        [
            ("Claim", False, [break_id(name) for name in rows["id"]]),
            ("Says", False, [describe_claim(row) for row in records]),
            ("Published", True, [format_published(row) for row in records]),
            ("Ours", True, [format_ours(row) for row in records]),
            ("90% interval", True, [format_interval(low, high, 2) for low, high in ends]),
            ("Verdict", False, format_filled_cells(rows["verdict"])),
            ("Place", False, [link_place(row, branches) for row in records]),
            ("Note", False, format_filled_cells(rows["note"])),
            ("Source", False, format_filled_cells(rows["source"])),
            ("Look it up", False, [list_commands(row, branches, results) for row in records]),
        ]
    )


def break_id(name: object) -> Markup:
    """An id that may be broken after its dots and underscores."""
    return Markup("<wbr>").join(re.split(r"(?<=[._])", str(name)))


def describe_claim(row: Mapping[Any, Any]) -> str:
    """The sentence, or what the number is of."""
    if row["quantity"] == STATEMENT:
        return str(row["sentence"])
    step = "" if pd.isna(row["sft_step"]) else f"step {int(row['sft_step'])}"
    dataset = "" if pd.isna(row["dataset"]) or row["dataset"] == "none" else str(row["dataset"])
    model = "" if pd.isna(row["model"]) else str(row["model"])
    about = ", ".join(part for part in (" ".join([dataset, step]).strip(), model) if part)
    return f"{row['quantity']} of {about}" if about else str(row["quantity"])


def format_published(row: Mapping[Any, Any]) -> str:
    """The number as printed with its unit; a dash for a sentence."""
    if pd.isna(row["published"]):
        return MISSING
    return f"{row['published']}{'' if pd.isna(row['unit']) else ' ' + str(row['unit'])}"


def format_ours(row: Mapping[Any, Any]) -> str:
    """Our value, or the probabilities of a sentence by its measures."""
    if not pd.isna(row["ours"]):
        return format_our_value(row["ours"])
    told = [
        f"{row[name]:.2f} {words}"
        for name, words in SHOWN_NUMBERS.items()
        if words and name in row and not pd.isna(row[name])
    ]
    return "; ".join(told) or MISSING


def has_branch_row(row: Mapping[Any, Any], branches: set[tuple[str, int]]) -> bool:
    """Whether a claim is of a branch in the page's Table 4."""
    of_table = str(row["id"]).startswith(f"{TABLE_4}.") and not pd.isna(row["sft_step"])
    return of_table and (str(row["dataset"]), int(row["sft_step"])) in branches


def link_place(row: Mapping[Any, Any], branches: set[tuple[str, int]]) -> Markup:
    """The place as a link into the paper, and to the branch's row on this page."""
    place = str(row["place"])
    link = Markup('<a href="{}">{}</a>').format(find_place(place), place)
    if not has_branch_row(row, branches):
        return link
    own = name_branch_row(row["dataset"], int(row["sft_step"]))
    return link + Markup('<br><a href="#{}">our row</a>').format(own)


def find_place(place: str) -> str:
    """The address of a place of the paper: its section, or where its words stand first."""
    found = SECTION.fullmatch(place)
    if found:
        below = f".SS{found[2]}" if found[2] else ""
        return f"{PAPER}#S{found[1]}{below}"
    return f"{PAPER}#:~:text={quote(place)}"


def list_commands(row: Mapping[Any, Any], branches: set[tuple[str, int]], results: str) -> Markup:
    """`retu claim` and, where there is a number of ours, `retu lineage why`."""
    commands = [["retu", "claim", str(row["id"])]]
    target = find_trace(row, branches, results)
    if target:
        commands.append(["retu", "lineage", "why", target])
    return Markup("<br>").join(RUN.format(shlex.join(words)) for words in commands)


def find_trace(row: Mapping[Any, Any], branches: set[tuple[str, int]], results: str) -> str:
    """The cell that traces a claim's number, as `retu claim` says it; empty without one."""
    column = next((n for n in SHOWN_NUMBERS if n in row and not pd.isna(row[n])), "")
    if not column:
        return ""
    cell = CELL_COLUMNS.get(str(row["quantity"]))
    if cell and has_branch_row(row, branches):
        where = f"dataset={row['dataset']},sft_step={int(row['sft_step'])}/{cell}"
        return f"{results}/tables/{TABLE_4}.csv#{where}"
    return f"{results}/claims.csv#id={row['id']}/{column}"
