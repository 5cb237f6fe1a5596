"""The fitting engine against scipy, against brute force, and on noiseless curves."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from retu.scaling.engine import solve_rows
from retu.scaling.fit_rows import Bounds, CurveRows
from retu.scaling.law import FloatArray, compute_gain, compute_rise_fraction
from retu.scaling.linear import WeightedSums, compute_loss_change, solve_linear

X = np.concatenate([[0.0], np.geomspace(0.5, 60.0, 25)])
PARAMETERS = [
    {"epsilon": 0.0, "pl_rl": 8.0, "c_mid": 10.0, "b": 1.5},
    {"epsilon": 0.0, "pl_rl": 25.0, "c_mid": 1.0, "b": 1.2},
    {"epsilon": 0.0, "pl_rl": 3.0, "c_mid": 40.0, "b": 8.0},
    {"epsilon": 1.5, "pl_rl": 6.0, "c_mid": 20.0, "b": 3.0},
]


def make_curve_rows_at_x(
    gains: FloatArray, cap: float = 60.0, weight: FloatArray | None = None
) -> CurveRows:
    """Rows at X with one cap for all."""
    weights = np.ones_like(gains) if weight is None else weight
    return CurveRows(X, gains, weights, np.full(len(gains), cap))


def fit_by_scipy(observed: FloatArray, cap: float, fit_epsilon: bool) -> float:
    """Smallest sum of squares that scipy finds from twelve starts within the same bounds."""
    settings = Bounds()
    low = np.array([0, 0, np.log(X[1] / settings.c_mid_below), np.log(settings.b_min)])
    high = np.array([1, 1, np.log(X[-1] * settings.c_mid_above), np.log(settings.b_max)])

    def compute_residual(q: FloatArray) -> FloatArray:
        # epsilon as a fraction of PL_rl, PL_rl as one of the cap: the triangle as a box.
        share = q[0] if fit_epsilon else 0.0
        top = q[1] * cap
        fitted: FloatArray = top * (
            share + (1 - share) * compute_rise_fraction(X, q[2], np.exp(q[3]))
        )
        difference: FloatArray = fitted - observed
        return difference

    costs = [
        least_squares(
            compute_residual,
            [0.2, 0.5, np.log(c), np.log(b)],
            bounds=(low, high),
            xtol=1e-14,
            ftol=1e-14,
        ).cost
        for c in np.quantile(X[1:], [0.1, 0.4, 0.7, 0.95])
        for b in (0.5, 1.5, 5.0)
    ]
    return 2 * float(min(costs))


@pytest.mark.parametrize("truth", PARAMETERS)
def test_noiseless_curves_return_their_parameters(truth: dict[str, float]) -> None:
    observed = compute_gain(X, **truth)[None, :]
    found = solve_rows(make_curve_rows_at_x(observed), Bounds(fit_epsilon=truth["epsilon"] > 0))
    for name, value in truth.items():
        assert getattr(found, name)[0] == pytest.approx(value, rel=1e-5, abs=1e-8), name
    assert found.sse[0] < 1e-10


@pytest.mark.parametrize("fit_epsilon", [False, True])
@pytest.mark.parametrize("cap", [4.0, 9.0, 60.0])
def test_sum_of_squares_is_no_worse_than_multi_start_scipy(cap: float, fit_epsilon: bool) -> None:
    rng = np.random.default_rng(7)
    observed = np.stack([compute_gain(X, **p) + rng.normal(0, 1.0, X.size) for p in PARAMETERS])
    found = solve_rows(make_curve_rows_at_x(observed, cap), Bounds(fit_epsilon=fit_epsilon))
    assert (found.pl_rl <= cap * (1 + 1e-12)).all()
    assert (found.epsilon <= found.pl_rl).all()
    for row, sse in zip(observed, found.sse, strict=True):
        assert sse <= fit_by_scipy(row, cap, fit_epsilon) * (1 + 1e-6)


def test_reported_parameters_give_the_reported_sum_of_squares() -> None:
    rng = np.random.default_rng(3)
    observed = compute_gain(X, **PARAMETERS[3]) + rng.normal(0, 0.7, (5, X.size))
    found = solve_rows(make_curve_rows_at_x(observed), Bounds(fit_epsilon=True))
    for k, row in enumerate(observed):
        names = ("epsilon", "pl_rl", "c_mid", "b")
        fitted = compute_gain(X, **{name: float(getattr(found, name)[k]) for name in names})
        assert found.sse[k] == pytest.approx(float(((row - fitted) ** 2).sum()), rel=1e-9)


def test_weight_zero_is_the_same_as_leaving_the_point_out() -> None:
    observed = compute_gain(X, **PARAMETERS[0])
    spoiled = observed.copy()
    spoiled[[5, 20]] = [40.0, 0.0]
    weight = np.ones_like(X)
    weight[[5, 20]] = 0.0
    found = solve_rows(make_curve_rows_at_x(spoiled[None], weight=weight[None]), Bounds())
    assert found.pl_rl[0] == pytest.approx(8.0, rel=1e-6)
    spoiled_too = solve_rows(make_curve_rows_at_x(spoiled[None]), Bounds())
    assert abs(spoiled_too.pl_rl[0] - 8.0) > 0.5


def test_compute_of_tiny_models_changes_nothing_but_the_scale() -> None:
    rng = np.random.default_rng(5)
    observed = (compute_gain(X, **PARAMETERS[0]) + rng.normal(0, 0.5, X.size))[None]
    large = solve_rows(make_curve_rows_at_x(observed), Bounds())
    small = solve_rows(
        CurveRows(X * 1e-9, observed, np.ones_like(observed), np.array([60.0])), Bounds()
    )
    assert small.c_mid[0] == pytest.approx(large.c_mid[0] * 1e-9, rel=1e-6)
    assert small.pl_rl[0] == pytest.approx(large.pl_rl[0], rel=1e-6)


def test_parameters_stay_in_their_ranges() -> None:
    step = np.where(X > 10, 5.0, 0.0)[None]
    found = solve_rows(make_curve_rows_at_x(step), Bounds(b_max=4.0))
    assert found.b[0] == pytest.approx(4.0)
    drop = np.where(X > 10, -5.0, 0.0)[None]
    assert solve_rows(make_curve_rows_at_x(drop), Bounds()).pl_rl[0] == 0.0


def test_linear_solution_beats_a_fine_grid_of_the_triangle() -> None:
    rng = np.random.default_rng(11)
    phi, observed = rng.uniform(0, 1, (400, 6)), rng.normal(1.0, 3.0, (400, 6))
    weight = rng.uniform(0, 1, (400, 6))
    cap = rng.uniform(0.5, 4.0, 400)
    sums = WeightedSums(
        one=weight.sum(1),
        gain=(weight * observed).sum(1),
        phi=(weight * phi).sum(1),
        phi_phi=(weight * phi**2).sum(1),
        phi_gain=(weight * phi * observed).sum(1),
    )
    best = solve_linear(sums, cap, fit_epsilon=True)
    assert set(np.unique(best.face)) == {0, 1, 2, 3}
    inside = (best.epsilon >= 0) & (best.rise >= 0) & (best.epsilon + best.rise <= cap + 1e-12)
    assert inside.all()
    loss = compute_loss_change(sums, best.epsilon, best.rise)
    for share in np.linspace(0, 1, 41):
        for top in np.linspace(0, 1, 41):
            other = compute_loss_change(sums, share * top * cap, (1 - share) * top * cap)
            assert (loss <= other + 1e-9).all()


def test_law_at_its_landmarks() -> None:
    values = compute_gain([0.0, 10.0, 1e12], epsilon=1.0, pl_rl=9.0, c_mid=10.0, b=2.0)
    assert values == pytest.approx([1.0, 5.0, 9.0])
    assert compute_gain(20.0, epsilon=0.0, pl_rl=5.0, c_mid=10.0, b=2.0) == pytest.approx(4.0)
