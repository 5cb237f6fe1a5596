"""Draw the picture of coverage in docs/fits.md from the output of `calibration.py --out`.

    python benchmarks/coverage_figure.py docs/calibration.csv docs/calibration.svg

Upper panels: how often the 90% interval of the ceiling holds the truth, by kind of curve; lower
ones: among the ceilings called identified, how many the interval misses. A panel is one noise.
"""

import sys
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib import pyplot as plt

mpl.use("Agg")
mpl.rcParams["svg.hashsalt"] = "calibration"
KINDS = ("all", "regular", "cut short", "flat", "collapsing", "outliers")
LABELS = {"robust": "robust", "grid": "flat-prior grid", "scipy, 4 parameters": "scipy, 4 par."}
COLOURS = {"robust": "#0072B2", "grid": "#999999", "scipy, 4 parameters": "#D55E00"}


def main() -> None:
    """Draw."""
    source, target = map(Path, sys.argv[1:3])
    table = pd.read_csv(source)
    noises = list(dict.fromkeys(table["noise"]))
    figure, axes = plt.subplots(2, len(noises), figsize=(9, 4.6), sharex="row", sharey="row")
    names = [name for name in LABELS if (table["method"] == name).any()]
    for column, noise in enumerate(noises):
        here = table[table["noise"] == noise]
        upper, lower = axes[0, column], axes[1, column]
        upper.axvline(90, color="black", lw=0.8)
        upper.set_title(noise, fontsize=9)
        for place, name in enumerate(names):
            rows = here[here["method"] == name].set_index("kind").reindex(KINDS)
            heights = [i + 0.22 * (place - 1) for i in range(len(KINDS))]
            upper.plot(rows["ceiling"], heights, "o", ms=4, color=COLOURS[name], label=LABELS[name])
            lower.barh(place, rows.loc["all", "missed"], color=COLOURS[name])
        lower.axvline(10, color="black", lw=0.8)
        lower.set_yticks(range(len(names)), [LABELS[name] for name in names], fontsize=8)
    axes[0, 0].set_yticks(range(len(KINDS)), KINDS, fontsize=8)
    axes[0, 0].invert_yaxis()
    figure.supxlabel(
        "above: 90% interval of the ceiling holds the truth (%);"
        " below: identified, but missed by it (%)",
        fontsize=9,
    )
    axes[1, 0].invert_yaxis()
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    main()
