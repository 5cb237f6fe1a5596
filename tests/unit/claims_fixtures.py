"""Evidence in which every published number of Table 4 is right, to be spoiled one at a time."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from retu.audit.claims.evidence import Evidence, read_evidence
from retu.core.tables import read_facts

ROOT = Path(__file__).resolve().parents[2]
CLAIMS = ROOT / "claims"
LOSSES = {"S1K": 0.51, "Easy102K": 0.44, "Uniform102K": 0.42, "Hard102K": 0.40, "SFT889K": 0.37}
# A ratio to the minimum loss that gives each label of Eq. 5-9.
RATIOS = {"Stable": 1.01, "Mild Overfitting": 1.05, "Severe Overfitting": 1.5, "Adaptation": 1.2}
N_DRAWS = 50
MEASURES = ("a_post", "common_score", "best_smoothed")


@dataclass
class EvidenceTables:
    """What the rules before write, as frames: change one and write them all."""

    curves: pd.DataFrame
    subphases: pd.DataFrame
    fits: dict[str, pd.DataFrame]
    draws: pd.DataFrame
    settings: pd.DataFrame
    paths: dict[str, Path] = field(default_factory=dict)

    def write(self, folder: Path) -> list[str]:
        """Write everything below `folder`; returns the options of the script for it."""
        folder.mkdir(parents=True, exist_ok=True)
        names = {"curves": self.curves, "subphases": self.subphases, "settings": self.settings}
        self.paths = {name: folder / f"{name}.csv" for name in names}
        for name, frame in names.items():
            frame.to_csv(self.paths[name], index=False)
        fits = [folder / f"{name}.csv" for name in self.fits]
        for path, frame in zip(fits, self.fits.values(), strict=True):
            frame.to_csv(path, index=False)
        self.paths["draws"] = folder / "robust.draws.parquet"
        self.draws.to_parquet(self.paths["draws"], index=False)
        options = [part for name, p in self.paths.items() for part in (f"--{name}", str(p))]
        return [*options, "--fits", *map(str, fits)]

    def write_evidence(self, folder: Path) -> Evidence:
        """Write and read back."""
        self.write(folder)
        fits = [folder / f"{name}.csv" for name in self.fits]
        paths = self.paths
        return read_evidence(
            paths["curves"], paths["subphases"], fits, paths["draws"], paths["settings"]
        )


def make_evidence_tables() -> EvidenceTables:
    """Evidence made from the published numbers themselves, with draws of 0.2 points noise."""
    published = read_facts(CLAIMS / "table_4.csv")
    filled = published.fillna({"pl_rl": 1.1, "epsilon": 0.0, "c_mid": 50.0, "b": 1.0})
    fits = pd.DataFrame(
        {
            **{name: filled[name] for name in ("dataset", "sft_step", "p_sft", "epsilon", "pl_rl")},
            **{"c_mid": filled["c_mid"], "b": filled["b"], "a_post": filled["a_post_figure_3"]},
            "a_post_low": filled["a_post_figure_3"] - 0.5,
            "a_post_high": filled["a_post_figure_3"] + 0.5,
            **{"r2": 0.9, "rmse": 0.4, "x_common_eflops": 50.0, "at_bound": False},
            "x_end_eflops": 1e9,
            "verdict": "identified",
            "reason": "",
        }
    )
    protocols = {name: fits.assign(protocol=name) for name in ("kit", "paper", "robust")}
    settings = filled[["dataset", "sft_step", "tau", "lts_share", "epsilon"]].dropna()
    settings = settings.assign(
        points=101, train_end=71, free_epsilon=(settings["epsilon"] > 0).astype(int)
    )
    return EvidenceTables(
        make_curve_points(filled),
        make_subphases(filled),
        protocols,
        make_claim_draws(fits),
        settings,
    )


def make_curve_points(published: pd.DataFrame) -> pd.DataFrame:
    """The points at x_rl = 0 of every branch, as RL and as Pure SFT rows."""
    start = published[["dataset", "sft_step", "x_sft_eflops"]].assign(
        model="Qwen2.5-7B", benchmark="overall", x_rl_eflops=0.0, score=published["p_sft"]
    )
    paradigm = np.where(start["dataset"] == "none", "Pure RL", "SFT-then-RL")
    alone = start[start["dataset"] != "none"].assign(paradigm="Pure SFT")
    return pd.concat([start.assign(paradigm=paradigm), alone], ignore_index=True)


def make_subphases(published: pd.DataFrame) -> pd.DataFrame:
    """Labels as drawn, with a margin that fits each."""
    rows = published[published["dataset"] != "none"]
    label = rows["subphase_in_figure_3"]
    return pd.DataFrame(
        {
            **{"dataset": rows["dataset"], "sft_step": rows["sft_step"], "subphase": label},
            "min_val_loss": rows["dataset"].map(LOSSES),
            "ratio": label.map(RATIOS),
            "margin_stable": label.map(RATIOS) - 1.02,
            "margin_severe": label.map(RATIOS) - 1.10,
        }
    )


def make_claim_draws(fits: pd.DataFrame) -> pd.DataFrame:
    """Independent draws around the fits; all three measures rank the branches alike."""
    random = np.random.default_rng(0)
    rows = fits.loc[fits.index.repeat(N_DRAWS)].reset_index(drop=True)
    noise = 0.2 * random.standard_normal((3, len(rows)))
    return pd.DataFrame(
        {
            **{"dataset": rows["dataset"], "sft_step": rows["sft_step"]},
            "draw": np.tile(np.arange(N_DRAWS), len(fits)),
            "p_sft": rows["p_sft"] + 0.1 * noise[0],
            **{name: rows["a_post"] + noise[i] for i, name in enumerate(MEASURES)},
            **{name: rows[name] + 0.1 * noise[0] for name in ("c_mid", "b", "epsilon")},
        }
    )


def change_claims(folder: Path, name: str, change: Callable[[str], str]) -> Path:
    """A copy of claims/ in which one file is changed."""
    copy = folder / "claims"
    if not copy.exists():
        shutil.copytree(CLAIMS, copy)
    path = copy / name
    before = path.read_text(encoding="utf-8")
    after = change(before)
    assert after != before, f"nothing changed in {name}"
    path.write_text(after, encoding="utf-8")
    return copy
