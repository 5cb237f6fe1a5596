"""How often ranks in random order correlate as much: what a t test of few coarse values misses.

A rank correlation of five sets takes 21 values, so that replicates often agree by chance and their
scatter says too little: with none there, t alone found an association in a tenth of 120 made
studies of five replicates and four sets, at a level of 5%.
"""

from collections.abc import Sequence

import numpy as np

DRAWS = 100_000
ROUNDING = 1e-9


def compute_rank_chance(mean: float, sizes: Sequence[int], n_draws: int = DRAWS) -> float:
    """Chance that a mean of rank correlations is as far from 0 if every order is random.

    Args:
        mean: of the rank correlations; sizes: what each of them ranks, two things or more.
        n_draws: random orders; the chance is at least 1 / (n_draws + 1).
    """
    rng = np.random.default_rng(0)
    total = np.zeros(n_draws)
    for size in sizes:
        centred = np.arange(size) - (size - 1) / 2
        orders = rng.random((n_draws, size)).argsort(axis=1)
        total += centred[orders] @ centred / (centred @ centred)
    as_far = np.abs(total / len(sizes)) >= abs(mean) - ROUNDING
    return float((1 + as_far.sum()) / (n_draws + 1))
