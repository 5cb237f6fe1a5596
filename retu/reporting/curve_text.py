"""Fits of anyone's curves in plain words: the table on the terminal, and why a ceiling is open."""

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np

from retu.core.markdown import (
    TextTable,
    format_integer,
    format_interval,
    format_number,
    format_significant,
    make_table,
)
from retu.core.terminal_width import narrow_table, note_left_out
from retu.logs.log_choice import name_unit
from retu.reporting.terminal import TERMINAL_WIDTH, render_table
from retu.reporting.tidy_files import IDENTIFIED
from retu.scaling import fit_result
from retu.scaling.fitting.logged_fits import NOTHING_TO_FIT, LoggedFits

Row = Mapping[Any, Any]
SPARE_COLUMNS = ("points", "start", "end")
"""Left out where a terminal is narrow, in this order."""


def name_end_column(x_unit: str) -> str:
    """The column of fits with the last x before a collapse."""
    return f"x_end_{x_unit.replace(' ', '_')}"


def format_fits_text(fits: LoggedFits, width: int = TERMINAL_WIDTH) -> str:
    """The table on the terminal, then sentences on collapses and on ceilings not identified.

    Args:
        fits: what was fitted.
        width: columns of the terminal.
    """
    told = list_collapses(fits) + [
        f"{row['curve']}: ceiling {row['verdict']}: {explain_reason(row, fits.x_unit)}."
        for row in fits.table.to_dict("records")
        if row["verdict"] != IDENTIFIED
    ]
    table, left_out = narrow_fits(tabulate_logged_fits(fits), width)
    lines = [line for text in told for line in textwrap.wrap(text, width)]
    lines = [*note_left_out(left_out), *lines]
    return "\n".join([render_table(table), *lines]) + ("\n" if lines else "")


def narrow_fits(table: TextTable, width: int) -> tuple[TextTable, list[str]]:
    """The table at a smaller width, and the headers of the columns left out."""
    if width >= TERMINAL_WIDTH:
        return table, []
    (header, *rows), left_out = narrow_table([table.headers, *table.rows], width, SPARE_COLUMNS)
    right = [
        one for name, one in zip(table.headers, table.right, strict=True) if name not in left_out
    ]
    return TextTable(tuple(header), tuple(map(tuple, rows)), tuple(right)), left_out


def list_collapses(fits: LoggedFits) -> list[str]:
    """A sentence for every curve that collapses: what its numbers are about."""
    rows = fits.table[fits.table["collapsed"].astype(bool)].to_dict("records")
    ends = [format_significant(row[name_end_column(fits.x_unit)]) for row in rows]
    places = [
        f"step {x}" if fits.x_unit == "step" else f"{x} {name_unit(fits.x_unit)}" for x in ends
    ]
    told = "; all numbers are about the part before"
    if fits.includes_collapse:
        told = "; the protocol fits the law to the fall, too"
    if fits.forecast_at is not None:
        told += ", and nothing is forecast beyond it"
    return [
        f"{row['curve']}: collapsed after {at}{told}" for row, at in zip(rows, places, strict=True)
    ]


def tabulate_logged_fits(fits: LoggedFits) -> TextTable:
    """The columns worth a glance, scores in percent."""
    table, place, at = fits.table, "double", "at twice its end"
    if fits.forecast_at is not None:
        place, at = (
            "forecast",
            f"at {fits.forecast_at:g} {name_unit(fits.x_unit)}",
        )
    columns = table[[f"{place}_{name}" for name in ("score", "low", "high")]].astype(float)
    later = [
        "collapsed"
        if collapsed and np.isnan(score)
        else f"{format_number(score)} {format_interval(low, high)}"
        for collapsed, (score, low, high) in zip(
            table["collapsed"], columns.to_numpy(), strict=True
        )
    ]
    ends = zip(table["a_post_low"], table["a_post_high"], strict=True)
    return make_table(
        [
            ("curve", False, [str(name) for name in table["curve"]]),
            ("points", True, [format_integer(value) for value in table["n_points"]]),
            ("start", True, [format_number(value) for value in table["p_sft"]]),
            ("end", True, [format_number(value) for value in table["end_score"]]),
            (at, True, later),
            ("A_post", True, [format_number(value) for value in table["a_post"]]),
            ("90% interval", True, [format_interval(low, high) for low, high in ends]),
            ("verdict", False, [str(label) for label in table["verdict"]]),
        ]
    )


def explain_reason(row: Row, x_unit: str) -> str:
    """Why the ceiling of a row of fits is not identified, in a sentence with its numbers."""
    low, high = find_widest_interval(row)
    ends, width = format_interval(low, high), format_number(high - low)
    end = f"{format_significant(row[name_end_column(x_unit)])} {name_unit(x_unit)}"
    more = "train longer, or evaluate more problems or more often"
    if row["collapsed"]:
        end, more = f"{end}, where it collapses", "only a run that does not collapse can tell"
    sentences = {
        fit_result.TOO_FEW: f"{row['n_fit']} usable points are too few; evaluate more checkpoints",
        fit_result.FALLS: "the scores fall, and no rise has an end that could be foreseen",
        fit_result.ENDS_EARLY: f"half of its rise may still lie beyond {end}; {more}",
        fit_result.CUT_OFF: f"by {end} the points allow a ceiling above 100 percent; {more}",
        fit_result.WIDE: f"its 90% interval {ends} is {width} points wide; {more}",
        fit_result.LEANS: f"{ends} owes more to what is assumed than to the points; {more}",
        fit_result.PASSED: f"a median of five scores reached {format_number(row['best_smoothed'])},"
        f" outside {ends}, so the curve is no single rise",
        NOTHING_TO_FIT: f"every score is {format_number(row['best_score'])}: there is nothing to"
        f" fit; evaluate {'easier' if row['best_score'] == 0 else 'harder'} problems",
        "no gain": "no score is above that of the start",
    }
    bound = "the upper bound of the fit, not the data, sets it"
    return sentences.get(row["reason"], bound)


def find_widest_interval(row: Row) -> tuple[float, float]:
    """The wider of the two intervals of the ceiling: by the draws, and by the profile if any."""
    drawn = float(row["a_post_low"]), float(row["a_post_high"])
    profile = float(row["a_post_profile_low"]), float(row["a_post_profile_high"])
    # A profile that is not there is NaN, and no comparison with it holds.
    return profile if profile[1] - profile[0] > drawn[1] - drawn[0] else drawn
