"""The verdicts of the lab's two measurements as tables of README and docs/lab_results.md.

    python -m retu.cli.list_verdicts

They are made from docs/lab_science_hypotheses.csv and docs/lab_science_2_hypotheses.csv, the
copies of the runs' `hypotheses.csv` that are kept, and from docs/at_a_glance.yaml.
"""

import re
from pathlib import Path
from typing import Any

import pandas as pd

from retu.audit.hypotheses.inference import pool_contrasts
from retu.audit.hypotheses.judge_hypotheses import SCORE
from retu.core.markdown import (
    MISSING,
    format_integer,
    format_interval,
    format_number,
    format_significant,
    make_table,
)
from retu.core.yaml_files import parse_yaml
from retu.reporting.hypotheses_table import tabulate_hypotheses

ROOT = Path(__file__).resolve().parents[2]
GLANCE = ROOT / "docs" / "at_a_glance.yaml"
STUDIES = ("lab_science", "lab_science_2")
PAGES = (ROOT / "README.md", ROOT / "docs" / "lab_results.md")
MARKED = re.compile(
    r"(<!-- by python -m retu\.cli\.list_verdicts (?P<block>\w+) -->\n).*?(<!-- end -->\n)",
    re.DOTALL,
)
CONTRASTS = "_contrasts"
ALPHA = 0.05
"""Of both measurements (`hypotheses.alpha`)."""
UNITS = {"points": "points", "rank correlation": "(rank correlation)"}


def read_verdicts(study: str) -> pd.DataFrame:
    """The kept verdicts of a measurement: a row a hypothesis."""
    return pd.read_csv(ROOT / "docs" / f"{study}_hypotheses.csv")


def format_verdicts(table: pd.DataFrame) -> str:
    """A Markdown table: every hypothesis, its verdict, effect, interval and adjusted p value."""
    return tabulate_hypotheses(table, ALPHA, "**{}**").format_markdown()


def format_glance() -> str:
    """A Markdown table: every claim, and what each kind of evidence says of it."""
    rows: list[dict[str, Any]] = parse_yaml(GLANCE)["rows"]
    labs = [read_verdicts(study).set_index("id") for study in STUDIES]
    return make_table(
        [
            ("The paper's claim", False, [row["claim"] for row in rows]),
            ("Its authors' curves (7B)", False, [row["released"] for row in rows]),
            *(
                (f"126,000 weights, {int(lab['n_replicates'].max())} replicates", False,
                 [describe_verdict(lab, row["hypothesis"]) for row in rows])
                for lab in labs
            ),
            ("SmolLM2-135M, one run", False, [row["smollm2"] for row in rows]),
        ]
    ).format_markdown()  # fmt: skip


def describe_verdict(lab: pd.DataFrame, hypothesis: str) -> str:
    """A verdict with its effect and interval; a dash where a measurement did not ask."""
    if hypothesis not in lab.index:
        return MISSING
    row = lab.loc[[hypothesis]].to_dict("records")[0]
    numbers = format_interval(row["low"], row["high"], 1)
    effect = f"{format_number(float(row['effect']), 1)} {numbers} {UNITS[row['unit']]}"
    return f"**{row['verdict']}**: {effect}"


def read_contrasts(study: str) -> pd.DataFrame:
    """The kept contrasts of final scores: a row a hypothesis, a column a replicate."""
    table = pd.read_csv(ROOT / "docs" / f"{study}_replicates.csv")
    scores = table[table["measure"] == SCORE]
    order = dict.fromkeys(scores["replicate"])
    return scores.pivot(index="hypothesis", columns="replicate", values="contrast")[[*order]]


def format_contrasts(study: str) -> str:
    """A Markdown table: every hypothesis, and its contrast in every replicate."""
    contrasts = read_contrasts(study)
    units = read_verdicts(study).set_index("id")["unit"]
    cells = {
        str(name): [MISSING if pd.isna(v) else format_number(float(v), 1) for v in contrasts[name]]
        for name in contrasts
    }
    return make_table(
        [
            ("", False, [f"{one}, {units[one]}" for one in contrasts.index]),
            *((name.removeprefix("Lab"), True, values) for name, values in cells.items()),
        ]
    ).format_markdown()


def format_together() -> str:
    """A Markdown table: the hypotheses of both measurements over all replicates."""
    both = pd.concat([read_contrasts(study) for study in STUDIES], axis=1, join="inner")
    pooled = [pool_contrasts(row.dropna().to_numpy()[:, None], ALPHA, "sign_flip")
              for _, row in both.iterrows()]  # fmt: skip
    return make_table(
        [
            ("", False, list(both.index)),
            ("Replicates", True, [format_integer(one.n) for one in pooled]),
            ("Positive", True, [format_integer(int(n)) for n in (both > 0).sum(axis=1)]),
            ("Effect, points", True, [format_number(one.effect, 1) for one in pooled]),
            ("95% interval", True, [format_interval(one.low, one.high, 1) for one in pooled]),
            ("p (signs)", True, [format_significant(one.p, 2) for one in pooled]),
        ]
    ).format_markdown()


def format_block(name: str) -> str:
    """The table of a mark: `glance`, `together`, a study, or `STUDY_contrasts`."""
    if name == "glance":
        return format_glance()
    if name == "together":
        return format_together()
    if name.endswith(CONTRASTS):
        return format_contrasts(name.removesuffix(CONTRASTS))
    return format_verdicts(read_verdicts(name))


def replace_verdicts(text: str) -> str:
    """A page with the tables between its marks made anew."""

    def make_block(found: re.Match[str]) -> str:
        return found[1] + format_block(found["block"]) + found[3]

    return MARKED.sub(make_block, text)


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(replace_verdicts(page.read_text(encoding="utf-8")), encoding="utf-8")
