"""The paper's printed values for figures, by the names that a study has for model and sets."""

from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from retu.config.published_values import PAPER_MODEL
from retu.core.tables import read_facts
from retu.core.text import squash_text

COMPUTE_TOLERANCE = 0.02
"""How far the compute of a checkpoint may be from the printed one, as a share of it."""
BRANCH_COLUMNS = ("model", "dataset", "sft_step", "x_sft_eflops", "a_post")
PUBLISHED_OPTIONS = ("claims_dir", "published_model", "published_sets")
"""Options of a figure's script, all left out where nothing printed is drawn."""


@dataclass(frozen=True)
class PublishedSource:
    """Where printed values are, and which runs of a study they stand beside.

    Attributes:
        folder: the claims, a CSV a table.
        model: the study's model that they are drawn beside.
        sets: the study's data sets by the paper's name.
    """

    folder: Path
    model: str
    sets: Mapping[str, str]

    @property
    def label(self) -> str:
        """What legends call them; with the paper's model where the study's is another."""
        own = squash_text(self.model) == squash_text(PAPER_MODEL)
        return "paper" if own else f"paper ({PAPER_MODEL})"

    def name_rows(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows of the study's sets, under the study's names."""
        own = rows[rows["dataset"].isin(self.sets)]
        return own.assign(model=self.model, dataset=own["dataset"].map(self.sets))


def split_sets(text: str) -> dict[str, str]:
    """Parse the command line's `--published-sets NAME=TITLE,...`: the paper's name -> ours."""
    pairs = [part.partition("=") for part in text.split(",") if part]
    return {title: name for name, _, title in pairs}


PUBLISHED_KINDS: dict[str, Callable[[str], object]] = dict(
    zip(PUBLISHED_OPTIONS, (Path, str, split_sets), strict=True)
)


def find_published_source(options: Namespace) -> PublishedSource:
    """What the options of a script say; no sets where nothing printed is drawn."""
    sets = options.published_sets or {}
    return PublishedSource(options.claims_dir or Path(), options.published_model or "", sets)


def make_no_branches() -> pd.DataFrame:
    """No printed branches."""
    return pd.DataFrame(columns=list(BRANCH_COLUMNS))


def read_published_branches(source: PublishedSource) -> pd.DataFrame:
    """Printed A_post of every branch, `BRANCH_COLUMNS`: percent, compute in EFLOPs.

    Of table 4 they are those of figure 3; the larger uniform sets have no steps, only compute.
    """
    if not source.sets:
        return make_no_branches()
    table_4 = read_facts(
        source.folder / "table_4.csv", ("dataset", "sft_step", "x_sft_eflops", "a_post_figure_3")
    ).rename(columns={"a_post_figure_3": "a_post"})
    figure_7 = read_facts(source.folder / "figure_7.csv", ("dataset", "x_sft_eflops", "a_post"))
    rows = pd.concat([table_4, figure_7], ignore_index=True).dropna(subset=["a_post"])
    return source.name_rows(rows)[list(BRANCH_COLUMNS)].reset_index(drop=True)


def find_nearest_compute(compute: pd.Series, wanted: float) -> int | None:
    """The label of the nearest SFT compute (EFLOPs) to that wanted; None beyond 2%."""
    if compute.empty or not wanted > 0:
        return None
    off = (compute / wanted - 1).abs()
    return int(str(off.idxmin())) if off.min() <= COMPUTE_TOLERANCE else None


def find_published_ceiling(
    published: pd.DataFrame, sft_step: int, x_sft_eflops: float
) -> float | None:
    """Printed A_post of a checkpoint: of the same SFT step, or the nearest compute within 2%.

    Args:
        published: printed branches of one model and set.
        sft_step, x_sft_eflops: of the study's checkpoint.
    """
    same = published[published["sft_step"] == sft_step]
    if len(same):
        return float(same["a_post"].iloc[0])
    rows = published[published["sft_step"].isna()]
    place = find_nearest_compute(rows["x_sft_eflops"], x_sft_eflops)
    return None if place is None else float(rows["a_post"].loc[place])


def add_published_ceilings(branches: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """A table with the column `published_a_post`, percent; as it is where nothing is printed.

    Args:
        branches: rows with model, dataset, sft_step and x_sft_eflops.
        published: printed branches under the same names.
    """
    if published.empty:
        return branches
    groups = dict(iter(published.groupby(["model", "dataset"])))
    keys = zip(
        branches["model"], branches["dataset"], branches["sft_step"], branches["x_sft_eflops"],
        strict=True,
    )  # fmt: skip
    found = [
        find_published_ceiling(groups.get((model, dataset), make_no_branches()), step, compute)
        for model, dataset, step, compute in keys
    ]
    return branches.assign(published_a_post=pd.array(found, dtype="Float64"))


def read_published_sets(source: PublishedSource) -> pd.DataFrame:
    """Printed highest A_post (percent) and minimum loss of each set: model, dataset, both.

    Nats per token; of the paper's figure 8.
    """
    columns = ["model", "dataset", "published_a_post", "published_min_val_loss"]
    if not source.sets:
        return pd.DataFrame(columns=columns)
    rows = read_facts(
        source.folder / "figure_8.csv", ("dataset", "highest_a_post", "min_val_loss")
    ).rename(columns={"highest_a_post": columns[2], "min_val_loss": columns[3]})
    return source.name_rows(rows)[columns].reset_index(drop=True)


def add_published_sets(table: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """A table of sets with what is printed of each; as it is where nothing is."""
    on = ["model", "dataset"]
    return table if published.empty else table.merge(published, how="left", on=on)


def read_published_scores(source: PublishedSource) -> pd.DataFrame:
    """Printed scores of figure 4: model, dataset, name (of the benchmark), rl, sft_step, score.

    `rl`: the highest score of RL from the checkpoint; else that of the checkpoint. Percent.
    """
    columns = ["model", "dataset", "name", "rl", "sft_step", "score"]
    if not source.sets:
        return pd.DataFrame(columns=columns)
    needed = ("id", "quantity", "dataset", "sft_step", "value")
    rows = read_facts(source.folder / "numbers.csv", needed)
    rows = rows[rows["id"].str.startswith("figure_4.")]
    rows = rows[rows["quantity"].isin(["score", "highest_score"])]
    rows = rows.assign(
        name=rows["id"].str.split(".").str[1],
        rl=rows["quantity"] == "highest_score",
        score=rows["value"].astype(float),
    )
    return source.name_rows(rows)[columns].reset_index(drop=True)
