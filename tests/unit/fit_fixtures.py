"""Planted RL curves as a user's table has them, with their truth."""

from typing import Any

import numpy as np
import pandas as pd

from retu.scaling.law import compute_gain

N_PROBLEMS = 2000
X = np.arange(0.0, 410, 10)
LAWS = {
    "clear": {"pl_rl": 20.0, "c_mid": 60.0, "b": 1.8},
    "early": {"pl_rl": 25.0, "c_mid": 900.0, "b": 1.5},
}
P_SFT = 40.0


def compute_truth(name: str, x: Any) -> Any:
    """The score of a planted law, percent."""
    return P_SFT + compute_gain(x, epsilon=0.0, **LAWS[name])


def plant_points(*names: str, x: Any = X, **columns: object) -> pd.DataFrame:
    """Points of planted curves with the noise of their evaluation, as a user's table has them."""
    tables = []
    for number, name in enumerate(names):
        rng = np.random.default_rng([5, number])
        right = rng.binomial(N_PROBLEMS, compute_truth(name, x) / 100)
        facts = {"curve": name, "x": x, "score": 100 * right / N_PROBLEMS, "n_problems": N_PROBLEMS}
        tables.append(pd.DataFrame({**facts, **columns}))
    return pd.concat(tables, ignore_index=True)
