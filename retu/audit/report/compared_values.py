"""What an audit compares: published values, and fits of the same branches by several protocols."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from retu.config.protocols import AUDITED_PROTOCOLS
from retu.core.errors import InputError
from retu.core.tables import read_facts, read_table
from retu.reporting.tidy_files import FIT_COLUMNS, fill_text_cells

AUDIT_BRANCH_KEY = ["dataset", "sft_step"]
KIT, PAPER, ROBUST = AUDIT_PROTOCOLS = AUDITED_PROTOCOLS
PUBLISHED = "published"
PUBLISHED_COLUMNS = (
    *("dataset", "sft_step", "x_sft_eflops", "subphase_in_figure_3", "tau", "lts_share"),
    *("epsilon", "pl_rl", "c_mid", "b", "p_sft", "a_post_table_4", "a_post_figure_3"),
)
PUBLISHED_CEILING_COLUMNS = ("dataset", "highest_a_post", "min_val_loss")
FIXED_POINT_COLUMNS = ("dataset", "sft_step", "nearest_pl_rl", "is_fixed_point")
AUDIT_DRAW_COLUMNS = (*AUDIT_BRANCH_KEY, "draw", "a_post", "common_score", "best_smoothed")
NOT_GIVEN = Path("none")


@dataclass(frozen=True)
class ProtocolFits:
    """The fits of one protocol and, where given, their bootstrap draws."""

    fits: pd.DataFrame
    draws: pd.DataFrame


def read_published(path: Path) -> pd.DataFrame:
    """The published Table 4, one row a branch; Pure RL is data set `none`."""
    return fill_text_cells(read_facts(path, PUBLISHED_COLUMNS))


def read_ceilings(path: Path) -> pd.DataFrame:
    """Published highest ceilings and minimum losses, one row an SFT data set."""
    return fill_text_cells(read_facts(path, PUBLISHED_CEILING_COLUMNS))


def read_fixed_points(path: Path) -> pd.DataFrame:
    """Which published values are fixed points of trimming; no rows for the path `none`."""
    if path == NOT_GIVEN:
        return pd.DataFrame(columns=list(FIXED_POINT_COLUMNS))
    return fill_text_cells(read_table(path, FIXED_POINT_COLUMNS))


def read_protocol_fits(fits: Sequence[Path], draws: Sequence[Path] = ()) -> dict[str, ProtocolFits]:
    """The fits of all three protocols by name, one seed and model each.

    Args:
        fits: tables of `fit_curves`, one a protocol, in any order.
        draws: the draws of each, in the same order; or none at all.

    Raises:
        InputError: a protocol is missing or there twice, draws do not fit to the tables, or a
            branch stands twice in one table.
    """
    if draws and len(draws) != len(fits):
        raise InputError(f"--draws: {len(draws)} files for {len(fits)} of --fits; give one each")
    found: dict[str, ProtocolFits] = {}
    for place, path in enumerate(fits):
        table = fill_text_cells(read_table(path, FIT_COLUMNS))
        names = [str(name) for name in table["protocol"].unique()]
        if len(names) != 1 or names[0] in found:
            raise InputError(f"{path}: protocol {', '.join(names)}; give each protocol once")
        if table.duplicated(AUDIT_BRANCH_KEY).any():
            raise InputError(f"{path}: a branch stands there twice; an audit takes one seed")
        drawn = pd.DataFrame(columns=list(AUDIT_DRAW_COLUMNS))
        if draws:
            drawn = fill_text_cells(read_table(draws[place], AUDIT_DRAW_COLUMNS))
        found[names[0]] = ProtocolFits(table, drawn)
    missing = [name for name in AUDIT_PROTOCOLS if name not in found]
    if missing:
        raise InputError(f"--fits: no fits of the protocol {missing[0]}; give kit, paper, robust")
    return found
