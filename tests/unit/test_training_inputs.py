"""What a run starts from: found, checked, and told apart from other starts."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from training_files import write_training_files

from retu.core.errors import InputError
from retu.core.manifest import read_manifest
from retu.data.stored_sets import get_manifest_path, write_dataset
from retu.planning.jobs import RlJob
from retu.training.reinforcement import measure_new_compute
from retu.training.training_inputs import check_inputs

SETS = ("train", "validation")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base model and data sets; nothing here changes them."""
    folder = tmp_path_factory.mktemp("inputs")
    write_training_files(folder)
    return folder


def list_sets(folder: Path) -> list[Path]:
    """The paths of two data sets."""
    return [folder / f"{name}.parquet" for name in SETS]


def test_the_model_comes_first_and_then_the_sets_as_given(made: Path) -> None:
    inputs = check_inputs(made / "base" / "checkpoints", 0, list_sets(made))
    manifests = [made / "base" / "manifest.json", *map(get_manifest_path, list_sets(made))]
    assert inputs.digests == tuple(read_manifest(path)["digest"] for path in manifests)
    assert inputs.start == made / "base" / "checkpoints" / "step-000000"
    turned = check_inputs(made / "base" / "checkpoints", 0, list_sets(made)[::-1])
    assert turned.digests == (inputs.digests[0], *inputs.digests[:0:-1])
    assert check_inputs(made / "base" / "checkpoints", 0).digests == inputs.digests[:1]


def test_another_set_is_another_run(tmp_path: Path) -> None:
    write_training_files(tmp_path)
    before = check_inputs(tmp_path / "base" / "checkpoints", 0, list_sets(tmp_path))
    rows = pd.DataFrame({"prompt": ["9 b ?"], "trajectory": ["\\boxed{ 9 }"], "gold": ["9"]})
    write_dataset(rows, tmp_path / "validation.parquet")
    after = check_inputs(tmp_path / "base" / "checkpoints", 0, list_sets(tmp_path))
    assert after.digests[:2] == before.digests[:2]
    assert after.digests[2] != before.digests[2]


def test_a_model_that_changed_since_it_was_published_is_refused(tmp_path: Path) -> None:
    write_training_files(tmp_path)
    checkpoints = tmp_path / "base" / "checkpoints"
    with pytest.raises(InputError, match="has no checkpoint of step 40, only of 0; name one"):
        check_inputs(checkpoints, 40)
    with pytest.raises(InputError, match=r"none\.manifest\.json: not a readable manifest"):
        check_inputs(checkpoints, 0, [tmp_path / "none.parquet"])
    (checkpoints / "step-000000" / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"config\.json: has changed since .*manifest\.json"):
        check_inputs(checkpoints, 0)


@pytest.mark.parametrize(
    ("stops", "own"), [((), 6.0), ((3,), 6.0), ((1, 3), 5.0), ((1, 2, 3), 3.0)]
)
def test_a_job_that_goes_on_counts_its_own_steps(stops: tuple[int, ...], own: float) -> None:
    compute = pd.DataFrame({"step": [1, 2, 3], "x_rl_eflops": [1.0, 3.0, 6.0]})
    fields: dict[str, Any] = {"stops": stops}
    job = RlJob.model_construct(**fields)
    assert measure_new_compute(compute, job) == own
