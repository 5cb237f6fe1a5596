"""The paradigms: what kind each is, how it looks, where it starts, and which figure 2 shows."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from retu.core.errors import InputError
from retu.reporting import style
from retu.reporting.aggregate import achieved, point_means
from retu.reporting.drawing import select
from retu.reporting.style import Look
from retu.reporting.tidy_files import (
    NO_DATASET,
    PURE_RL,
    PURE_SFT,
    SFT_THEN_RL,
    models_of,
    ordered_datasets,
)

AFTER_SFT = "SFT-then-"
REFERENCE = "DAPO_d"
"""The method whose stability is the measure of the others (paper, section 6.1)."""
PURE, SYNCHRONISED, SEQUENTIAL = "pure", "synchronised", "sequential SFT-then-RL"
SFT_THEN_SYNCHRONISED = "SFT-then-synchronised"
OTHER = "other"


@dataclass(frozen=True)
class Method:
    """What a paradigm does after its start: its kind from the base model, and its look."""

    kind: str
    look: Look


# The order is that of legends and tables. Kinds are those of the paper, section 6.1.
METHODS = {
    PURE_SFT: Method(PURE, Look(style.GREY, "o")),
    PURE_RL: Method(PURE, Look("#D55E00", "v")),
    "GRPO": Method(PURE, Look("#E69F00", "^")),
    REFERENCE: Method(PURE, Look("#0072B2", "D")),
    "LUFFY": Method(SYNCHRONISED, Look("#56B4E9", "o")),
    "SRFT": Method(SYNCHRONISED, Look("#CC79A7", "P")),
    "UPT": Method(SYNCHRONISED, Look("#6f5b00", "h")),
    "Prefix-RFT": Method(SYNCHRONISED, Look("#222222", "<")),
    SFT_THEN_RL: Method(SEQUENTIAL, Look("#009E73", "s")),
}
SPARE_LOOKS = (Look("#8c564b", "p"), Look("#7b3294", ">"), Look("#5aa02c", "8"))


@dataclass(frozen=True)
class Choice:
    """What figure 2 shows of one model.

    Attributes:
        dataset: the SFT data set in full colour; `none` in a study without SFT.
        checkpoint: data set and step of the checkpoint that several methods start from, or None.
    """

    dataset: str
    checkpoint: tuple[str, int] | None

    def shows(self, rows: pd.DataFrame) -> pd.Series:
        """Which rows the figure has in full colour; columns paradigm, dataset, sft_step."""
        sft, named = rows["paradigm"] == PURE_SFT, rows["dataset"] == self.dataset
        shown = (rows["dataset"] == NO_DATASET) | (
            named & (sft | (rows["paradigm"] == SFT_THEN_RL))
        )
        return shown | self.from_checkpoint(rows) | (sft & self.is_reference(rows))

    def from_checkpoint(self, rows: pd.DataFrame) -> pd.Series:
        """Which rows start from the checkpoint."""
        dataset, step = self.checkpoint or (None, None)
        own = (rows["dataset"] == dataset) & (rows["sft_step"] == step)
        return own & (rows["paradigm"] != PURE_SFT)

    def is_reference(self, rows: pd.DataFrame) -> pd.Series:
        """Which rows are of the checkpoint's data set."""
        return rows["dataset"] == (self.checkpoint or (None, None))[0]


def method_of(paradigm: str) -> str:
    """`SFT-then-GRPO` does what `GRPO` does; the paradigms of `METHODS` stand for themselves."""
    return paradigm if paradigm in METHODS else paradigm.removeprefix(AFTER_SFT)


def kind_of(paradigm: str) -> str:
    """Pure, synchronised, sequential, SFT-then-synchronised, or other for an unknown method."""
    kind = METHODS[method_of(paradigm)].kind if method_of(paradigm) in METHODS else OTHER
    if method_of(paradigm) == paradigm or kind == OTHER:
        return kind
    return SEQUENTIAL if kind == PURE else SFT_THEN_SYNCHRONISED


def method_looks(paradigms: Sequence[str]) -> dict[str, Look]:
    """The looks of all methods of these paradigms, in the order of legends and tables."""
    present = dict.fromkeys(method_of(name) for name in paradigms)
    known = {name: method.look for name, method in METHODS.items() if name in present}
    others = [name for name in present if name not in METHODS]
    return known | {n: SPARE_LOOKS[i % len(SPARE_LOOKS)] for i, n in enumerate(others)}


def choices(
    curves: pd.DataFrame, order: Sequence[str], highlight: str | None = None
) -> dict[str, Choice]:
    """What figure 2 shows of each model.

    Raises:
        InputError: `highlight` is no data set of the study.
    """
    if highlight is not None and highlight not in set(curves["dataset"]) - {NO_DATASET}:
        known = ", ".join(ordered_datasets(curves, order))
        raise InputError(
            f"--highlight {highlight}: not a data set of this study; use one of {known}"
        )
    chosen = {}
    for model in models_of(curves):
        own = select(curves, model=model)
        checkpoint = common_checkpoint(own)
        # Both panels speak of the same SFT run, unless somebody wants another.
        default = checkpoint[0] if checkpoint else highest_dataset(own, order)
        wanted = highlight if highlight in set(own["dataset"]) else None
        chosen[model] = Choice(wanted or default, checkpoint)
    return chosen


def common_checkpoint(curves: pd.DataFrame) -> tuple[str, int] | None:
    """The SFT checkpoint from which most methods start; None if there is only SFT-then-RL.

    Of several, the one after most SFT.
    """
    after_sft = curves[(curves["dataset"] != NO_DATASET) & (curves["paradigm"] != PURE_SFT)]
    if set(after_sft["paradigm"]) <= {SFT_THEN_RL}:
        return None
    counts = after_sft.groupby(["dataset", "sft_step"])["paradigm"].nunique().reset_index()
    top = counts.sort_values(["paradigm", "sft_step"], kind="stable").iloc[-1]
    return str(top["dataset"]), int(top["sft_step"])


def highest_dataset(curves: pd.DataFrame, order: Sequence[str]) -> str:
    """The SFT data set with the highest mean score in SFT-then-RL, else in any paradigm."""
    points = achieved(point_means(curves))
    points = points[points["dataset"] != NO_DATASET]
    after_rl = select(points, paradigm=SFT_THEN_RL)
    candidates = points if after_rl.empty else after_rl
    if candidates.empty:
        return NO_DATASET
    best = candidates.groupby("dataset")["score"].max()
    return str(best.reindex(ordered_datasets(candidates, order)).idxmax())
