"""A made-up audit: published values, three protocols with draws, and every table of its page."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from reporting_fixtures import MadeParameters, make_frames

from retu.audit.claims.judge_claims import CLAIM_COLUMNS as CLAIM_COLUMNS

ORDER = ["Small", "Medium", "Large", "Huge"]
PROTOCOLS = ("kit", "paper", "robust")
MISS = ("Medium", 80)
"""The branch whose published PL_rl is a point above that of the paper's protocol."""
UNPUBLISHED = ("Large", 320)
"""The branch that the published table lacks."""
RUNAWAY = ("Small", 160)
"""The branch whose ceiling by the kit is above 100 percent."""
HOSTILE = "<script>alert('x')</script>&"
MEASURES = ("a_post", "common_score", "best_smoothed")


@dataclass(frozen=True)
class Audit:
    """The inputs of an audit as frames.

    Attributes:
        curves, subphases: of the study.
        fits, draws: by protocol.
        published: like claims/table_4.csv.
        ceilings: like claims/figure_8.csv.
    """

    curves: pd.DataFrame
    subphases: pd.DataFrame
    fits: dict[str, pd.DataFrame]
    draws: dict[str, pd.DataFrame]
    published: pd.DataFrame
    ceilings: pd.DataFrame


def select_branch(frame: pd.DataFrame, branch: tuple[str, int]) -> pd.Series:
    """Which rows belong to a branch."""
    return (frame["dataset"] == branch[0]) & (frame["sft_step"] == branch[1])


def make_audit(n_draws: int = 40) -> Audit:
    """Five branches a data set, one seed; the kit runs away on one and lacks another."""
    frames = make_frames(MadeParameters(datasets=tuple(ORDER), eflops=100.0))
    robust = frames["fits"]
    fits = {name: robust.assign(protocol=name) for name in PROTOCOLS}
    runaway = select_branch(robust, RUNAWAY)
    fits["kit"].loc[runaway, "pl_rl"] = 100.0
    fits["kit"].loc[runaway, "a_post"] = robust.loc[runaway, "p_sft"] + 100.0
    lacking = select_branch(robust, UNPUBLISHED)
    for name in ("kit", "paper"):
        fits[name].loc[lacking, ["pl_rl", "a_post", "c_mid", "b", "epsilon"]] = np.nan
    draws = {name: make_audit_draws(fits[name], n_draws) for name in PROTOCOLS}
    return Audit(
        frames["curves"],
        frames["subphases"],
        fits,
        draws,
        make_published(robust),
        make_ceilings(robust, frames["subphases"]),
    )


def make_audit_draws(fits: pd.DataFrame, n_draws: int) -> pd.DataFrame:
    """Draws around the fitted values, independent between branches."""
    rng = np.random.default_rng(11)
    known = fits.dropna(subset=["a_post"])
    tables = []
    for row in known.to_dict("records"):
        table = pd.DataFrame({"draw": range(n_draws)})
        for name in ("dataset", "sft_step"):
            table[name] = row[name]
        for name in MEASURES:
            table[name] = float(row[name]) + rng.normal(0, 0.5, n_draws)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def make_published(robust: pd.DataFrame) -> pd.DataFrame:
    """The fitted values as a paper would print them, with a planted miss and a missing branch."""
    names = {"subphase": "subphase_in_figure_3"}
    columns = ["dataset", "sft_step", "x_sft_eflops", "subphase", "epsilon", "pl_rl", "c_mid", "b"]
    table = robust[[*columns, "p_sft"]].rename(columns=names).round(1)
    table["tau"], table["lts_share"] = 2.5, 0.0
    miss = select_branch(table, MISS)
    table.loc[miss, "pl_rl"] += 1.0
    table.loc[miss, "lts_share"] = 0.75
    table.loc[miss, "subphase_in_figure_3"] = "Adaptation"
    table["a_post_figure_3"] = table["p_sft"] + table["pl_rl"]
    table["a_post_table_4"] = table["a_post_figure_3"]
    return table[~select_branch(table, UNPUBLISHED)]


def make_ceilings(robust: pd.DataFrame, subphases: pd.DataFrame) -> pd.DataFrame:
    """Published highest ceilings; one data set more than there are curves."""
    losses = subphases.groupby("dataset")["min_val_loss"].min().round(2)
    highest = robust[robust["dataset"] != "none"].groupby("dataset")["a_post"].max().round(1)
    table = pd.DataFrame({"highest_a_post": highest, "min_val_loss": losses}).loc[ORDER]
    unknown = pd.DataFrame({"highest_a_post": [99.0], "min_val_loss": [0.20]}, index=["Unseen"])
    return pd.concat([table, unknown]).rename_axis("dataset").reset_index()


def make_claims() -> pd.DataFrame:
    """Two numbers and three sentences: one holds, one only at equal compute, one cannot be told."""
    number = {"quantity": "PL_rl", "place": "Table 4", "tier": "release", "version": "v0"}
    sentence = number | {"quantity": "statement", "place": "Abstract", "note": HOSTILE}
    chances = [f"probability_{name}" for name in ("ceiling", "common", "best")]
    rows = [
        number | {"id": "a", "verdict": "exact", "published": "5.0", "ours": "5.01"},
        number | {"id": "b", "verdict": "inconsistent with the paper itself", "ours": "Stable"},
        sentence | {"id": "s1", "verdict": "exact", "sentence": "It holds."}
        | dict.fromkeys(chances, 1.0),
        sentence | {"id": "s2", "verdict": "not identified by the data", "sentence": "It leans."}
        | dict(zip(chances, (0.4, 1.0, 0.97), strict=True)),
        sentence | {"id": "s3", "verdict": "not checkable here", "sentence": "It needs GPUs."},
    ]  # fmt: skip
    return pd.DataFrame(rows).reindex(columns=list(CLAIM_COLUMNS))


def make_labels() -> pd.DataFrame:
    """One checkpoint that is plain and one that two decimals do not decide."""
    shared = {
        "dataset": "Small", "val_loss": 0.4, "val_loss_2dp": 0.4, "subphase_in_figure": "Stable",
        "subphase_2dp": "Stable", "subphase_digitised": "Stable", "agrees_digitised": True,
        "agrees_2dp": True, "decided_digitised": True, "possible_digitised": "Stable",
        "drawn_is_possible_digitised": True, "margin_stable_digitised": -0.02,
    }  # fmt: skip
    plain = shared | {"sft_step": 80, "decided_2dp": True, "possible_2dp": "Stable"}
    both = "Adaptation | Stable"
    return pd.DataFrame(
        [plain, shared | {"sft_step": 40, "decided_2dp": False, "possible_2dp": both}]
    )


def make_small_tables() -> dict[str, pd.DataFrame]:
    """The tables of the page that other rules make."""
    finding = {"kind": "collapse", "dataset": "Small", "sft_step": 40.0, "where": "row 3"}
    forecast = {"fraction": 0.3, "n": 4, "mean_rmse": 1.0, "coverage": 0.9, "best_mae": 0.5}
    return {
        "claims": make_claims(),
        "labels_check": make_labels(),
        "data_quality": pd.DataFrame([finding | {"what": HOSTILE, "consequence": "left out"}]),
        "forecast_scores": pd.DataFrame(
            [
                forecast | {"method": "forecast", "median_rmse": 0.61},
                forecast | {"method": "best so far", "median_rmse": 1.08, "coverage": np.nan},
            ]
        ),
        "fixed_points": pd.DataFrame(
            [
                {
                    "dataset": MISS[0],
                    "sft_step": MISS[1],
                    "nearest_pl_rl": 1.0,
                    "is_fixed_point": True,
                }
            ]
        ),
        "caches": pd.DataFrame([{"path": "cache/a.pkl", "sha256": "ab" * 32, "bytes": 529}]),
    }


def write_audit(folder: Path, title: str = "A made-up audit") -> None:
    """Write every input of the audit's scripts into `folder`."""
    made = make_audit()
    (folder / "fits").mkdir(parents=True)
    made.curves.to_csv(folder / "curves.csv", index=False)
    made.subphases.to_csv(folder / "subphases.csv", index=False)
    for name in PROTOCOLS:
        made.fits[name].to_csv(folder / "fits" / f"{name}.csv", index=False)
        made.draws[name].to_parquet(folder / "fits" / f"{name}.draws.parquet", index=False)
    made.published.to_csv(folder / "published_table_4.csv", index=False)
    made.ceilings[made.ceilings["dataset"] != "Unseen"].to_csv(
        folder / "published_figure_8.csv", index=False
    )
    made.ceilings.to_csv(folder / "published_table_5.csv", index=False)
    for name, table in make_small_tables().items():
        table.to_csv(folder / f"{name}.csv", index=False)
    study = {
        "name": "made",
        "title": title,
        "description": "Numbers drawn from a known law.",
        "order": ORDER,
        "seeds": [0],
        "benchmarks": [{"name": "arithmetic", "problems": 200, "samples": 1}],
        "resolved": {"release": {"repository": "example/repository", "commit": "5fbdfcb"}},
    }
    (folder / "study.json").write_text(json.dumps(study), encoding="utf-8")
    (folder / "versions.json").write_text(json.dumps({"numpy": "2.4.6"}), encoding="utf-8")
