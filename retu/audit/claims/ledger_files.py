"""Vocabulary and file schemas of the claims ledger; everything else is refused by name."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Tier = Literal["release", "lab", "GPU", "paper"]
"""What a check needs: the released result files, the lab study, GPUs, or the paper alone."""

PaperPlace = Literal[
    "Abstract", "Section 6", "Section 6.1", "Section 6.2", "Appendix F", "Appendix H.1",
    "Table 1", "Table 3", "Table 4", "Table 5", "Table 6",
    "Figure 2", "Figure 3", "Figure 4", "Figure 7", "Figure 8",
]  # fmt: skip
Quantity = Literal[
    "A_post", "B", "C_mid", "PL_rl", "P_sft", "count", "epochs", "epsilon", "gain", "gap",
    "highest_A_post", "highest_score", "logical_steps", "lts_share", "mean_A_post", "mean_PL_rl",
    "mean_P_sft", "mean_r2", "mean_rmse", "min_val_loss", "pearson_r", "prompt_tokens", "ratio",
    "response_tokens", "rows", "score", "setting", "sft_step", "sft_steps", "share",
    "spearman_rho", "statement", "subphase", "tau", "val_loss", "win_rate", "x_sft",
]  # fmt: skip
ClaimUnit = Literal["", "%", "points", "EFLOPs", "tokens", "epochs", "thousand"]
CheckName = Literal[
    "count_epsilon", "difference", "epochs", "epsilon", "fit_share", "fitted", "label", "last_step",
    "mean_fit", "mean_fitted", "mean_score", "measured_compute", "measured_score", "min_loss",
    "none", "pearson", "set_ceiling", "setting", "sft_by", "sft_peak", "spearman", "statement",
    "validation_rmse",
]  # fmt: skip
TestName = Literal[
    "best_is_stable", "first_lowest", "last_on_top", "loss_anticorrelates", "loss_ranks_exactly",
    "most_gain_last", "none", "rising_order", "sequential_beats_single", "severe_is_lowest",
    "switch_stable_or_first_mild", "switch_stable_or_mild",
]  # fmt: skip
StudyTestName = Literal[
    "later_start_helps_elsewhere", "loss_beats_score", "models_order_sets_alike",
    "most_gain_is_early", "pass_at_k_beats_pass_at_1", "row_mean_deflates_sft",
    "sequential_beats_single_mixed", "sequential_beats_synchronised",
    "sft_beats_most_synchronised", "stronger_start_ends_lower", "synchronised_unstable",
    "two_epochs_of_half_beat_one",
]  # fmt: skip
"""Tests that need runs of a training study; the released curves have none of them."""
DATASETS = (
    *("none", "S1K", "Easy102K", "Uniform102K", "Hard102K", "SFT889K"),
    *("Uniform55K", "Uniform220K", "Uniform440K"),
)
ModelName = Literal["Qwen2.5-7B", "Qwen2.5-Math-7B", "Qwen2.5-14B", "Llama3.2-3B", ""]


class StrictSection(BaseModel):
    """A part of a claims file: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SampleCounts(StrictSection):
    """Problems and graded samples behind a measured score; see `granularity.possible`."""

    n_problems: Annotated[int, Field(ge=1)]
    n_samples: Annotated[int, Field(ge=1)] | None = None
    samples_per_problem: Annotated[int, Field(ge=1)] | None = None


class TableColumn(StrictSection):
    """How the cells of one column become claims."""

    quantity: Quantity
    tier: Tier
    check: CheckName
    unit: ClaimUnit = ""
    place: PaperPlace | None = None
    decimals: int | None = None
    counts: str | None = None
    note: str = ""


class LedgerTable(StrictSection):
    """A long table of the paper: FILE.csv, whose keys name its rows."""

    place: PaperPlace
    keys: Annotated[list[str], Field(min_length=1)]
    columns: dict[str, TableColumn]
    model: ModelName = ""


class LedgerFile(StrictSection):
    """claims/ledger.yaml."""

    version: str
    counts: dict[str, SampleCounts]
    tables: dict[str, LedgerTable]
    batches: dict[str, Annotated[int, Field(ge=1)]]
    models: dict[str, dict[str, int]]


class PrintedNumber(StrictSection):
    """A row of claims/numbers.csv, checked; `value` is text, as printed."""

    id: Annotated[str, Field(pattern=r"^[\w.]+$")]
    place: PaperPlace
    quantity: Quantity
    model: ModelName
    value: str
    unit: ClaimUnit
    counts: str
    tier: Tier
    check: CheckName
    of: str
    note: str


class Statement(StrictSection):
    """An entry of claims/statements.yaml."""

    id: Annotated[str, Field(pattern=r"^[\w.]+$")]
    place: PaperPlace
    sentence: Annotated[str, Field(min_length=1)]
    tier: Tier
    test: TestName
    study_test: StudyTestName | None = None
    datasets: list[str] = []
    note: str = ""
