"""Where branches collapse: planted collapses, dips that are none, and the released branches."""

import numpy as np
import pytest
from released_fixtures import CACHES, JOB, TREE, find_release_mirror

from retu.audit.released.released_curves import build_released_curves
from retu.audit.released.released_files import read_caches
from retu.core.errors import InputError
from retu.scaling.branch import make_branch
from retu.scaling.collapse import CollapseSettings, find_collapse_start
from retu.scaling.law import FloatArray

# Counted with the point x = 0 as 0.
RELEASED = {("S1K", 62): 69, ("Uniform102K", 1800): 57, ("Easy102K", 6120): 18}
N_BRANCHES = 34


def make_rising_scores(seed: int = 0, n: int = 40) -> FloatArray:
    """A branch that rises by five points under noise."""
    noise = np.random.default_rng(seed).normal(0, 0.4, n)
    curve: FloatArray = 70 + 5 * (1 - np.exp(-np.arange(n) / 10)) + noise
    return curve


@pytest.mark.parametrize("at", [8, 20, 37])
def test_a_planted_collapse_is_found_where_it_begins(at: int) -> None:
    score = make_rising_scores()
    score[at:] -= 20
    assert find_collapse_start(score) == at


def test_a_collapse_that_recovers_now_and_then_is_one() -> None:
    score = make_rising_scores()
    score[[20, 22, 24, 26, 28]] -= 30
    assert find_collapse_start(score) == 20


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_no_collapse(seed: int) -> None:
    score = make_rising_scores(seed)
    assert find_collapse_start(score) == score.size


def test_two_bad_evaluations_are_no_collapse() -> None:
    score = make_rising_scores()
    score[[15, 16, 30]] -= 30
    assert find_collapse_start(score) == score.size


def test_a_dip_at_the_start_is_no_collapse() -> None:
    score = make_rising_scores()
    score[1:5] -= 6
    assert find_collapse_start(score) == score.size


def test_a_branch_ends_where_it_collapses() -> None:
    score = make_rising_scores()
    score[20:] -= 20
    score[19] = 90.0  # one lucky evaluation
    x = np.arange(score.size, dtype=np.float64)
    branch = make_branch(x, score, np.full(score.size, 0.7))
    assert branch.end == find_collapse_start(score, error=branch.error) == 20
    medians = [np.median(score[max(1, i - 2) : min(20, i + 3)]) for i in range(1, 20)]
    assert branch.best_smoothed == max(medians) < 80
    noisy = make_branch(x, score, np.full(score.size, 9.0))
    assert noisy.end == score.size


def test_a_branch_without_rl_points_has_no_best() -> None:
    branch = make_branch([0.0], [70.0])
    assert branch.end == 1
    assert np.isnan(branch.best_smoothed)


def test_what_follows_does_not_move_the_start() -> None:
    score = make_rising_scores()
    score[20:] -= 20
    assert find_collapse_start(score[:26]) == find_collapse_start(score) == 20


def test_noise_of_small_benchmarks_raises_the_threshold() -> None:
    score = make_rising_scores()
    score[20:] -= 6
    assert find_collapse_start(score, error=np.full(score.size, 0.7)) == 20
    assert find_collapse_start(score, error=np.full(score.size, 3.0)) == score.size


def test_short_branches_and_wrong_settings() -> None:
    assert find_collapse_start(np.array([70.0, 20.0, 20.0])) == 3
    with pytest.raises(InputError, match="collapse settings"):
        CollapseSettings(drop=0)
    with pytest.raises(InputError, match="collapse settings"):
        CollapseSettings(window=4)


def test_released_branches_collapse_where_it_is_known() -> None:
    curves = build_released_curves(find_release_mirror() / TREE, read_caches(CACHES), JOB)
    overall = curves[(curves["benchmark"] == "overall") & (curves["paradigm"] != "Pure SFT")]
    found = {}
    for key, points in overall.groupby(["dataset", "sft_step"]):
        score = points.sort_values("rl_step")["score"].to_numpy()
        found[key] = (find_collapse_start(score), len(score))
    assert len(found) == N_BRANCHES
    assert {key: start for key, (start, n) in found.items() if start < n} == RELEASED
