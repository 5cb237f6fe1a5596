"""Fits of anyone's curves: what the errors are, what draws say, and the protocol scalerl."""

import numpy as np
import pytest
from fit_fixtures import N_PROBLEMS, X, compute_truth, plant_points

from retu.config.analysis import FitSettings
from retu.config.protocols import load_protocols
from retu.core.errors import InputError
from retu.scaling.branch import make_branch
from retu.scaling.drawn_scores import compute_drawn_scores
from retu.scaling.fitting.fit import fit_branch
from retu.scaling.logged_branches import make_logged_branches
from retu.scaling.sampling_noise import compute_score_error


def test_counts_of_problems_and_answers_are_the_error() -> None:
    points = plant_points("clear", n_samples=4)
    (measured,), notes = make_logged_branches(points)
    score = points["score"].to_numpy()[:, None]
    want = compute_score_error(score, np.array([N_PROBLEMS]), np.array([4 * N_PROBLEMS]))
    assert notes == []
    np.testing.assert_array_equal(measured.branch.error, want)
    assert measured.branch.answer == 100 / (4 * N_PROBLEMS)
    (told,), _ = make_logged_branches(points.drop(columns="n_problems").assign(error=0.7))
    assert (told.branch.error == 0.7).all()
    (plain,), _ = make_logged_branches(points[["curve", "x", "score"]])
    assert (plain.branch.has_errors, plain.branch.answer) == (False, 0.0)


@pytest.mark.parametrize("protocol", load_protocols())
def test_drawn_curves_pass_where_their_fit_reads_them(protocol: str) -> None:
    points = plant_points("clear")
    branch = make_branch(points["x"], points["score"])
    fitted = fit_branch(branch, load_protocols()[protocol], FitSettings(n_bootstrap=40))
    scores = compute_drawn_scores(fitted.draws, np.array([400.0, 800.0]))
    want = np.stack([fitted.draws["end_score"], fitted.draws["double_score"]], axis=1)
    np.testing.assert_allclose(scores, want, atol=1e-6)


def test_scalerl_leaves_out_the_first_tenth_and_starts_at_the_start() -> None:
    protocol, settings = load_protocols()["scalerl"], FitSettings(n_bootstrap=50)
    exact, early = compute_truth("clear", X), (X > 0) & (X < 40)
    fits = [
        fit_branch(make_branch(X, score), protocol, settings).fit
        for score in (exact, np.where(early, exact + 7, exact), np.where(X > 300, 20.0, exact))
    ]
    for fit in fits[:2]:
        assert fit.n_fit == (X >= 40).sum()
        assert fit.epsilon == 0
        found = (fit.a_post, fit.c_mid, fit.b)
        np.testing.assert_allclose(found, (60.0, 60.0, 1.8), rtol=1e-4)
    # A collapse is one to the eye only: published fits do not end before it.
    assert (fits[2].collapsed, fits[2].n_fit) == (True, fits[0].n_fit)
    assert fits[2].a_post < 57


def test_no_points_are_refused() -> None:
    with pytest.raises(InputError, match="no points; give at least one curve"):
        make_logged_branches(plant_points("clear").head(0))
