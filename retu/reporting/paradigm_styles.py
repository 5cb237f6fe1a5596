"""The paradigms: what kind each is, how it looks, where it starts, and which figure 2 shows."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from retu.core.errors import InputError
from retu.reporting import style
from retu.reporting.aggregate import average_points, select_achieved_points
from retu.reporting.drawing import select_rows
from retu.reporting.style import Look
from retu.reporting.tidy_files import (
    NO_DATASET,
    PURE_RL,
    PURE_SFT,
    SFT_THEN_RL,
    list_models,
    order_datasets,
)

SFT_THEN_PREFIX = "SFT-then-"
REFERENCE = "DAPO_d"
"""The method whose stability is the measure of the others (paper, section 6.1)."""
PURE, SYNCHRONISED, SEQUENTIAL = "pure", "synchronised", "sequential SFT-then-RL"
SFT_THEN_SYNCHRONISED = "SFT-then-synchronised"
OTHER = "other"


@dataclass(frozen=True)
class ParadigmStyle:
    """What a paradigm does after its start: its kind from the base model, and its look."""

    kind: str
    look: Look


# The order is that of legends and tables. Kinds are those of the paper, section 6.1.
METHODS = {
    PURE_SFT: ParadigmStyle(PURE, Look(style.GREY, "o")),
    PURE_RL: ParadigmStyle(PURE, Look("#D55E00", "v")),
    "GRPO": ParadigmStyle(PURE, Look("#E69F00", "^")),
    REFERENCE: ParadigmStyle(PURE, Look("#0072B2", "D")),
    "LUFFY": ParadigmStyle(SYNCHRONISED, Look("#56B4E9", "o")),
    "SRFT": ParadigmStyle(SYNCHRONISED, Look("#CC79A7", "P")),
    "UPT": ParadigmStyle(SYNCHRONISED, Look("#6f5b00", "h")),
    "Prefix-RFT": ParadigmStyle(SYNCHRONISED, Look("#222222", "<")),
    SFT_THEN_RL: ParadigmStyle(SEQUENTIAL, Look("#009E73", "s")),
}
SPARE_LOOKS = (Look("#8c564b", "p"), Look("#7b3294", ">"), Look("#5aa02c", "8"))


@dataclass(frozen=True)
class PanelChoice:
    """What figure 2 shows of one model.

    Attributes:
        dataset: the SFT data set in full colour; `none` in a study without SFT.
        checkpoint: data set and step of the checkpoint that several methods start from, or None.
    """

    dataset: str
    checkpoint: tuple[str, int] | None

    def mask_shown(self, rows: pd.DataFrame) -> pd.Series:
        """Which rows the figure has in full colour; columns paradigm, dataset, sft_step."""
        sft, named = rows["paradigm"] == PURE_SFT, rows["dataset"] == self.dataset
        shown = (rows["dataset"] == NO_DATASET) | (
            named & (sft | (rows["paradigm"] == SFT_THEN_RL))
        )
        return (
            shown | self.mask_checkpoint_starts(rows) | (sft & self.mask_checkpoint_dataset(rows))
        )

    def mask_checkpoint_starts(self, rows: pd.DataFrame) -> pd.Series:
        """Which rows start from the checkpoint."""
        dataset, step = self.checkpoint or (None, None)
        own = (rows["dataset"] == dataset) & (rows["sft_step"] == step)
        return own & (rows["paradigm"] != PURE_SFT)

    def mask_checkpoint_dataset(self, rows: pd.DataFrame) -> pd.Series:
        """Which rows are of the checkpoint's data set."""
        return rows["dataset"] == (self.checkpoint or (None, None))[0]


def strip_sft_stage(paradigm: str) -> str:
    """`SFT-then-GRPO` does what `GRPO` does; the paradigms of `METHODS` stand for themselves."""
    return paradigm if paradigm in METHODS else paradigm.removeprefix(SFT_THEN_PREFIX)


def get_paradigm_kind(paradigm: str) -> str:
    """Pure, synchronised, sequential, SFT-then-synchronised, or other for an unknown method."""
    kind = (
        METHODS[strip_sft_stage(paradigm)].kind if strip_sft_stage(paradigm) in METHODS else OTHER
    )
    if strip_sft_stage(paradigm) == paradigm or kind == OTHER:
        return kind
    return SEQUENTIAL if kind == PURE else SFT_THEN_SYNCHRONISED


def assign_looks(paradigms: Sequence[str]) -> dict[str, Look]:
    """The looks of all methods of these paradigms, in the order of legends and tables."""
    present = dict.fromkeys(strip_sft_stage(name) for name in paradigms)
    known = {name: method.look for name, method in METHODS.items() if name in present}
    others = [name for name in present if name not in METHODS]
    return known | {n: SPARE_LOOKS[i % len(SPARE_LOOKS)] for i, n in enumerate(others)}


def choose_panels(
    curves: pd.DataFrame, order: Sequence[str], highlight: str | None = None
) -> dict[str, PanelChoice]:
    """What figure 2 shows of each model.

    Raises:
        InputError: `highlight` is no data set of the study.
    """
    if highlight is not None and highlight not in set(curves["dataset"]) - {NO_DATASET}:
        known = ", ".join(order_datasets(curves, order))
        raise InputError(
            f"--highlight {highlight}: not a data set of this study; use one of {known}"
        )
    chosen = {}
    for model in list_models(curves):
        own = select_rows(curves, model=model)
        checkpoint = find_common_checkpoint(own)
        # Both panels speak of the same SFT run, unless somebody wants another.
        default = checkpoint[0] if checkpoint else find_highest_dataset(own, order)
        wanted = highlight if highlight in set(own["dataset"]) else None
        chosen[model] = PanelChoice(wanted or default, checkpoint)
    return chosen


def find_common_checkpoint(curves: pd.DataFrame) -> tuple[str, int] | None:
    """The SFT checkpoint from which most methods start; None if there is only SFT-then-RL.

    Of several, the one after most SFT.
    """
    after_sft = curves[(curves["dataset"] != NO_DATASET) & (curves["paradigm"] != PURE_SFT)]
    if set(after_sft["paradigm"]) <= {SFT_THEN_RL}:
        return None
    counts = after_sft.groupby(["dataset", "sft_step"])["paradigm"].nunique().reset_index()
    top = counts.sort_values(["paradigm", "sft_step"], kind="stable").iloc[-1]
    return str(top["dataset"]), int(top["sft_step"])


def find_highest_dataset(curves: pd.DataFrame, order: Sequence[str]) -> str:
    """The SFT data set with the highest mean score in SFT-then-RL, else in any paradigm."""
    points = select_achieved_points(average_points(curves))
    points = points[points["dataset"] != NO_DATASET]
    after_rl = select_rows(points, paradigm=SFT_THEN_RL)
    candidates = points if after_rl.empty else after_rl
    if candidates.empty:
        return NO_DATASET
    best = candidates.groupby("dataset")["score"].max()
    return str(best.reindex(order_datasets(candidates, order)).idxmax())
