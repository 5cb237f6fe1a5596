"""One rounding of scores: in fits, in tables, of floats and of NumPy's numbers."""

import numpy as np
import pytest

from retu.config.protocols import load_protocols
from retu.core.markdown import format_number
from retu.core.rounding import round_score, round_scores
from retu.scaling.branch import ListedSettings, make_branch
from retu.scaling.problem import make_problem

TIES = [56.445, 0.285, 1.005, 2.675, 12.5, 70.125, 99.995, 33.335]
"""Numbers that end in a 5 of the third decimal; few of them are stored as such."""


def test_arrays_scalars_and_texts_are_rounded_alike() -> None:
    values = np.array([*TIES, *np.random.default_rng(0).uniform(0, 100, 500)])
    rounded = round_scores(values.reshape(2, -1), 2)
    assert rounded.shape == (2, values.size // 2)
    for value, found in zip(values, rounded.ravel(), strict=True):
        assert found == round_score(value, 2) == float(f"{float(value):.2f}"), value
        assert format_number(value, 2) == format_number(float(value), 2) == f"{found:.2f}"
    assert str(round_score(-0.001, 2)) == "0.0"


@pytest.mark.parametrize("start", TIES)
def test_a_branch_starts_without_gain(start: float) -> None:
    """P_sft is its first score, so the first gain is 0 (56.445 gave -0.01)."""
    branch = make_branch([0.0, 1.0, 2.0], [start, 60.0, 65.0])
    for name, protocol in load_protocols().items():
        if protocol.decimals is not None and protocol.origin != "free":
            problem = make_problem(branch, protocol, ListedSettings())
            assert problem.gain[0] == 0.0, name
            assert problem.p_sft == round_score(start, protocol.decimals)
