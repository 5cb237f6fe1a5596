"""Loss, gradient norm and weights of SFT and RL equal a float64 reference, however they are run."""

import pytest
from matrix import CASES, Deviation, measure_all, name_case
from rl_runs import PRESETS, RlCase

ROUNDING = 1e-6
"""What float32 leaves of 7 digits over a few updates; measured: docs/training_checked.md."""


@pytest.fixture(scope="module")
def deviations(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Deviation]:
    """The deviations of all cases: their start takes longer than they do."""
    return measure_all(tmp_path_factory.mktemp("matrix"))


@pytest.mark.slow
@pytest.mark.parametrize("title", [name_case(case) for case in CASES])
def test_a_run_equals_its_reference(deviations: dict[str, Deviation], title: str) -> None:
    found = deviations[title]
    assert found.loss <= ROUNDING
    assert found.grad_norm <= ROUNDING
    assert found.weights <= ROUNDING
    # Updates that change nothing would be equal whatever is wrong with them.
    assert max(found.norms) > 0.1


def test_every_preset_is_run_in_every_layout() -> None:
    assert len(PRESETS) == 7
    layouts: dict[str, set[tuple[int, int]]] = {name: set() for name in PRESETS}
    for case in CASES:
        if isinstance(case, RlCase):
            layouts[case.preset].add((case.processes, case.micro_batch))
    assert all(found >= {(1, 8), (1, 1), (2, 2)} for found in layouts.values())
