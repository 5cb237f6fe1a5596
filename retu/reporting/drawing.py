"""What several figures draw: fitted laws over compute, points of branches, the score limits."""

import numpy as np
import pandas as pd

from retu.scaling.law import compute_gain

LAW_PARAMETERS = ["epsilon", "pl_rl", "c_mid", "b"]
GRID_POINTS = 120


def make_law_grid(x_max: float) -> np.ndarray:
    """RL compute at which to draw a law, dense on a linear and on a logarithmic axis, EFLOPs."""
    linear = np.linspace(0.0, x_max, GRID_POINTS)[1:]
    return np.unique(np.concatenate([np.geomspace(1e-3 * x_max, x_max, GRID_POINTS), linear]))


def average_laws(fits: pd.DataFrame, x_rl: np.ndarray) -> np.ndarray | None:
    """The fitted law averaged over the seeds of one branch, percent; None without any fit.

    A seed without gain (PL_rl = 0, no C_mid and no B) counts as a flat line at its P_sft, as it
    does in the mean of A_post.
    """
    flat = fits["pl_rl"] == 0
    shaped = fits[["p_sft", *LAW_PARAMETERS]].notna().all(axis=1)
    known = fits[flat | shaped]
    if known.empty:
        return None
    gains = [
        compute_gain(x_rl, epsilon=epsilon, pl_rl=pl_rl, c_mid=c_mid, b=b)
        if pl_rl != 0
        else np.zeros_like(x_rl)
        for epsilon, pl_rl, c_mid, b in known[LAW_PARAMETERS].to_numpy(dtype=float)
    ]
    return np.asarray(float(known["p_sft"].mean()) + np.mean(gains, axis=0), dtype=float)


def select_rows(frame: pd.DataFrame, **values: object) -> pd.DataFrame:
    """Rows whose columns equal the given values."""
    mask = np.ones(len(frame), dtype=bool)
    for column, value in values.items():
        mask &= (frame[column] == value).to_numpy()
    return frame[mask]


def compute_score_limits(scores: np.ndarray, ceilings: np.ndarray) -> tuple[float, float]:
    """Limits of a score axis that a few collapsed runs cannot flatten.

    Everything is shown unless the lowest twentieth lies further below the rest than the rest
    spans; those points are then cut, and the figure marks them at the edge.
    """
    known = scores[np.isfinite(scores)]
    top = float(np.max(np.concatenate([known, ceilings[np.isfinite(ceilings)]])))
    low, usual = float(known.min()), float(np.quantile(known, 0.05))
    if usual - low > top - usual:
        low = usual - 0.5 * (top - usual)
    pad = 0.06 * max(top - low, 1.0)
    return low - pad, min(top + 2.8 * pad, 108.0)
