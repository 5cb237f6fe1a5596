"""Where the values lie that the paper prints on its figures, and of which model and data sets."""

import csv
from pathlib import Path

CLAIMS_FOLDER = "claims"
ROOT = Path(__file__).resolve().parents[2]
PAPER_MODEL = "Qwen2.5-7B"
"""The model of these figures."""
PUBLISHED_FILES = {
    "figure_3": ("table_4", "figure_7"),
    "figure_4": ("numbers",),
    "figure_7": ("table_4", "figure_7"),
    "figure_8": ("figure_8",),
}
"""The files in claims/ that have the printed values of a figure."""


def list_published_facts(figure: str) -> tuple[str, ...]:
    """The files of a figure's printed values, from the project's root; none for other artefacts."""
    return tuple(f"{CLAIMS_FOLDER}/{name}.csv" for name in PUBLISHED_FILES.get(figure, ()))


def list_published_titles(figure: str | None = None) -> list[str]:
    """The paper's data sets of which a figure has printed values; without one, those of any."""
    figures = PUBLISHED_FILES if figure is None else [figure]
    titles: dict[str, None] = {}
    for path in dict.fromkeys(path for name in figures for path in list_published_facts(name)):
        with (ROOT / path).open(encoding="utf-8", newline="") as handle:
            rows = csv.DictReader(line for line in handle if not line.startswith("#"))
            own = [row for row in rows if "id" not in row or str(row["id"]).startswith("figure_4")]
        titles |= dict.fromkeys(row["dataset"] for row in own)
    return [title for title in titles if title not in ("", "none")]
