"""The page of `retu fit`: curves, bands and verdicts, with everything inside it."""

from collections.abc import Mapping, Sequence

from retu.logs.log_choice import name_unit
from retu.reporting.charts.bundle import read_chart_scripts
from retu.reporting.charts.fit_chart import draw_fit_chart
from retu.reporting.curve_text import (
    explain_reason,
    list_collapses,
    tabulate_logged_fits,
)
from retu.reporting.figure_logged_curves import draw_logged_curves
from retu.reporting.pages.page_shell import load_page_template, make_data_uri
from retu.reporting.style import make_svg, use_style
from retu.reporting.tidy_files import IDENTIFIED
from retu.scaling.fitting.logged_fits import LoggedFits


def render_fit_page(fits: LoggedFits, notes: Sequence[str], settings: Mapping[str, object]) -> str:
    """The page; the same fits give the same bytes."""
    with use_style():
        figures = [make_data_uri(make_svg(figure)) for figure in draw_logged_curves(fits)]
    rows = fits.table.to_dict("records")
    open_rows = [row for row in rows if row["verdict"] != IDENTIFIED]
    return load_page_template("fit.html.j2").render(
        table_4=tabulate_logged_fits(fits),
        figures=figures,
        chart=draw_fit_chart(fits),
        scripts=read_chart_scripts(),
        notes=notes,
        settings=settings,
        unit=name_unit(fits.x_unit),
        forecast=fits.forecast_at,
        count=len(rows),
        identified=len(rows) - len(open_rows),
        collapses=list_collapses(fits),
        reasons=[
            (row["curve"], row["verdict"], explain_reason(row, fits.x_unit)) for row in open_rows
        ],
    )
