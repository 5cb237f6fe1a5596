"""One look for all figures, and files that are the same bytes on every run.

Colours are from the Okabe-Ito palette, which survives colour blindness; every colour that carries
meaning is doubled by a marker. Sizes are those of a two-column journal page.
"""

import functools
import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from retu.core.atomic_files import replace_atomically
from retu.labeling.subphases import ADAPTATION, BETWEEN_STABLE, MILD, SEVERE, STABLE

FIGURE_WIDTH = 7.2  # inches, two journal columns
PNG_DPI = 200
LOG_ADVANTAGE = 1.5  # a linear axis is easier to read, so a logarithmic one must gain this much
INK = "#222222"
GREY = "#7f7f7f"
FAINT_GREY = "#c9c9c9"
KIT_COLOUR = "#B0306A"  # an alarm apart from the colours of sub-phases
SVG_METADATA = {"Date": None, "Creator": None}
PDF_METADATA = {"CreationDate": None, "Creator": None, "Producer": None}
RC_PARAMS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same outlines everywhere
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.6,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # text stays text: it can be searched and edited
    "svg.hashsalt": "retu",  # element ids would otherwise differ from run to run
}


@dataclass(frozen=True)
class Look:
    """Colour and marker of one kind of thing."""

    colour: str
    marker: str


SUBPHASE_LOOKS = {
    ADAPTATION: Look("#56B4E9", "o"),
    STABLE: Look("#009E73", "s"),
    BETWEEN_STABLE: Look("#CC79A7", "P"),
    MILD: Look("#E69F00", "^"),
    SEVERE: Look("#D55E00", "v"),
}
UNKNOWN_LOOK = Look("#999999", "D")


def get_subphase_look(label: str) -> Look:
    """The look of a sub-phase; grey diamonds for an unknown one."""
    return SUBPHASE_LOOKS.get(label, UNKNOWN_LOOK)


@contextmanager
def use_style() -> Iterator[None]:
    """Draw with this style alone, whatever the user's own matplotlib settings are."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(RC_PARAMS)
        yield


def make_panel_grid(
    shape: tuple[int, int],
    heights: tuple[float, float],
    margins: tuple[float, float, float, float],
    wspace: float,
    **subplots: Any,
) -> tuple[Figure, npt.NDArray[Any]]:
    """A figure of journal width, apart from pyplot's global state, and its axes of that shape.

    Margins are fixed, not solved for: text outside the axes (strips, keys) would upset a solver.

    Args:
        shape: rows and columns of panels.
        heights: of a row, and of the gap between two rows, inches.
        margins: left, right, top and bottom, inches.
        wspace: gap between columns, in panel widths.
        subplots: more for `Figure.subplots`: shared axes, ratios of the widths.
    """
    (row, gap), (left, right, top, bottom) = heights, margins
    height = top + bottom + row * shape[0] + gap * (shape[0] - 1)
    figure = Figure(figsize=(FIGURE_WIDTH, height))
    FigureCanvasAgg(figure)
    figure.subplots_adjust(
        left / FIGURE_WIDTH, bottom / height, 1 - right / FIGURE_WIDTH, 1 - top / height
    )
    spacing = {"hspace": gap / row, "wspace": wspace}
    return figure, figure.subplots(*shape, squeeze=False, gridspec_kw=spacing, **subplots)


def make_svg(figure: Figure) -> bytes:
    """A figure as the bytes of an SVG, without a date. Call inside `use_style()`."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata=SVG_METADATA)
    return buffer.getvalue()


class FigureFiles(Protocol):
    """Where a figure goes: options of its script."""

    out_svg: Path
    out_png: Path
    out_pdf: Path


def save_figure(figure: Figure, files: FigureFiles) -> None:
    """Write all three formats atomically and without dates. Call inside `use_style()`."""
    formats: tuple[tuple[Path, dict[str, Any]], ...] = (
        (files.out_svg, {"format": "svg", "metadata": SVG_METADATA}),
        (files.out_png, {"format": "png", "dpi": PNG_DPI, "metadata": {"Software": None}}),
        (files.out_pdf, {"format": "pdf", "metadata": PDF_METADATA}),
    )
    for path, options in formats:
        replace_atomically(path, functools.partial(figure.savefig, **options))


def compute_axis_room(starts: np.ndarray, ends: np.ndarray) -> float:
    """Share of an axis left for the narrower of the stretch of all starts and the median span."""
    whole = max(float(np.ptp(np.concatenate([starts, ends]))), np.finfo(float).tiny)
    span, stretch = float(np.median(ends - starts)), float(np.ptp(starts))
    return (min(span, stretch) if stretch > 0 else span) / whole


def is_log_better(starts: Sequence[float], ends: Sequence[float]) -> bool:
    """Whether a logarithmic axis shows the spans [start, end] better than a linear one.

    The better scale gives more room to the narrower of the SFT curve (the stretch of the starts)
    and a branch (the median span). SFT before a long RL run wants a logarithmic axis; late
    branches of a long SFT run want a linear one.
    """
    low, high = np.asarray(starts, dtype=float), np.asarray(ends, dtype=float)
    keep = (low > 0) & (high > low)
    if not keep.any():
        return False
    logarithmic = compute_axis_room(np.log(low[keep]), np.log(high[keep]))
    return logarithmic > LOG_ADVANTAGE * compute_axis_room(low[keep], high[keep])


def set_compute_axis(axes: Axes, log: bool, smallest: float, largest: float) -> None:
    """Scale the compute axis; a logarithmic one keeps zero at its left end (symlog)."""
    if log:
        axes.set_xscale("symlog", linthresh=smallest, linscale=0.3)
        axes.set_xlim(-0.25 * smallest, largest * 1.15)
        ticks = [0.0, *make_log_ticks(smallest, largest)]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_xticks([], minor=True)
    else:
        axes.set_xlim(-0.02 * largest, largest * 1.03)


def make_log_ticks(smallest: float, largest: float) -> list[float]:
    """Ticks on decades, or on 1, 2 and 5 when the range has few decades."""
    decades = range(math.floor(math.log10(smallest)), math.ceil(math.log10(largest)) + 1)
    digits = (1, 2, 5) if math.log10(largest / smallest) < 2.3 else (1,)
    ticks = [float(f"{digit}e{decade}") for decade in decades for digit in digits]
    # A tick right at the threshold would sit on top of the one at zero.
    return [tick for tick in ticks if 1.1 * smallest < tick <= largest * 1.15]


def choose_ink(colour: str) -> str:
    """Black or white, whichever reads better on `colour`."""
    red, green, blue = matplotlib.colors.to_rgb(colour)
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.5 else "black"
