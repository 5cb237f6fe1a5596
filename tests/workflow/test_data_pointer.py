"""data.dvc describes the lab's data: drawing it again gives the committed hash."""

import hashlib
import json
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

from retu.config.load import load_config, load_training_study
from retu.core.hashing import compute_md5
from retu.data.lab_splits import SPLITS
from retu.planning.lab_plan import LabPlan
from workflow_scripts import make_data


def hash_dvc_folder(folder: Path) -> str:
    """DVC's hash of a folder: the MD5 of its sorted list of files and their MD5s."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    listed = [
        {"md5": compute_md5(path), "relpath": path.relative_to(folder).as_posix()} for path in files
    ]
    return hashlib.md5(json.dumps(listed, sort_keys=True).encode()).hexdigest() + ".dir"


def test_drawing_the_lab_data_again_gives_the_committed_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pointer = yaml.safe_load((ROOT / "data.dvc").read_text())["outs"][0]
    plan = LabPlan(load_training_study("lab"), load_config({}))
    folder = tmp_path / "lab"
    outs = [f"--{name.replace('_', '-')}={folder / name}.parquet" for name in SPLITS]
    monkeypatch.setattr("sys.argv", ["make_data", "--spec", plan.make_data().spec, *outs])
    make_data.main()
    assert pointer["path"] == "data/lab"
    assert hash_dvc_folder(folder) == pointer["md5"]
