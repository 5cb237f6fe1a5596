"""Draws of a branch over its seeds: evaluation noise, and with several seeds their scatter too."""

import numpy as np
import pandas as pd

from retu.core.arrays import FloatArray

CEILING, COMMON, BEST = "a_post", "common_score", "best_smoothed"
MEASURES = (CEILING, COMMON, BEST)
"""What a branch is judged by: extrapolated ceiling, score at equal RL compute, best score reached.
"""
START, C_MID, EXPONENT = "p_sft", "c_mid", "b"
DRAWN_COLUMNS = (*MEASURES, START, C_MID, EXPONENT)


def pool_seeds(draws: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Draws of the mean over seeds, shape (draws,).

    One seed: its draws, which carry evaluation noise only. Several: their mean, moved as a
    resampled set of seeds moves it, scaled so that few seeds are not thought too alike.

    Args:
        draws: shape (seeds, draws), independent between seeds.
        rng: for the resampling.
    """
    n_seeds = draws.shape[0]
    mean: FloatArray = draws.mean(axis=0)
    if n_seeds == 1:
        return mean
    chosen = rng.integers(n_seeds, size=draws.shape)
    resampled = np.take_along_axis(draws, chosen, axis=0).mean(axis=0)
    pooled: FloatArray = mean + np.sqrt(n_seeds / (n_seeds - 1)) * (resampled - mean)
    return pooled


def pool_branch(
    fits: pd.DataFrame, drawn: dict[int, pd.DataFrame], rng: np.random.Generator
) -> dict[str, FloatArray] | None:
    """The draws of one branch by measure; None where a seed has none, or no numbers.

    A seed that collapsed has no ceiling; in its place stands the best score before the collapse, as
    in the paper (appendix F).

    Args:
        fits: its rows of the fits, one a seed.
        drawn: its draws by seed, in their order.
        rng: for the resampling of seeds.
    """
    rows = []
    for seed, collapsed in zip(fits["seed"], fits["collapsed"].astype(bool), strict=True):
        frame = drawn.get(int(seed))
        if frame is None or not np.isfinite(frame[list(MEASURES)].to_numpy(float)).all():
            return None
        rows.append(frame.assign(**{CEILING: frame[BEST]}) if collapsed else frame)
    length = min(map(len, rows))
    return {
        name: pool_seeds(np.stack([row[name].to_numpy(float)[:length] for row in rows]), rng)
        for name in DRAWN_COLUMNS
    }
