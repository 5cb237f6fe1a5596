"""The verdicts of `lab_science` as tables of README and docs/lab_results.md.

    python -m retu.cli.list_verdicts

They are made from docs/lab_science_hypotheses.csv, the copy of a run's `hypotheses.csv` that is
kept.
"""

from pathlib import Path

import pandas as pd

from retu.core.markdown import (
    MISSING,
    format_integer,
    format_interval,
    format_number,
    format_significant,
    make_table,
)

ROOT = Path(__file__).resolve().parents[2]
VERDICTS = ROOT / "docs" / "lab_science_hypotheses.csv"
PAGES = (ROOT / "README.md", ROOT / "docs" / "lab_results.md")
BEGIN = "<!-- by python -m retu.cli.list_verdicts -->\n"
END = "<!-- end -->\n"


def format_verdicts(table: pd.DataFrame) -> str:
    """A Markdown table: every hypothesis, its verdict, effect, interval and adjusted p value."""
    ends = zip(table["low"], table["high"], strict=True)
    names = zip(table["id"], table["hypothesis"], strict=True)
    needed = [MISSING if pd.isna(n) else format_integer(int(n)) for n in table["seeds_needed"]]
    return make_table(
        [
            ("The paper's claim", False, [f"{name}: {told}" for name, told in names]),
            ("This model", False, [f"**{verdict}**" for verdict in table["verdict"]]),
            ("Effect", True, [format_number(float(v), 1) for v in table["effect"]]),
            ("95% interval", True, [format_interval(low, high, 1) for low, high in ends]),
            ("Unit", False, list(table["unit"])),
            ("p (Holm)", True, [format_significant(float(v), 2) for v in table["p_adjusted"]]),
            ("Replicates needed", True, needed),
        ]
    ).format_markdown()


def replace_verdicts(text: str, table: pd.DataFrame) -> str:
    """A page with the table between its marks made anew."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + format_verdicts(table) + END + rest.partition(END)[2]


if __name__ == "__main__":
    verdicts = pd.read_csv(VERDICTS)
    for page in PAGES:
        page.write_text(
            replace_verdicts(page.read_text(encoding="utf-8"), verdicts), encoding="utf-8"
        )
