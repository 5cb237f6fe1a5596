"""Pointers and records may come from elsewhere: what they name leads nowhere but to its place."""

import os
from pathlib import Path

import pytest
from lineage_fixtures import RESULTS, SFT
from pointer_fixtures import PointerProject, delete_outputs, read_refusal

from retu.core.hashing import hash_folder_listing
from retu.lineage.graph.record_graph import Lineage


@pytest.fixture
def project(project: PointerProject) -> PointerProject:
    project.write_pointers()
    return project


def forge_output(lineage: Lineage, path: str, /, **changes: object) -> Lineage:
    """The lineage in which the record of the output at `path` is changed."""
    job = str(lineage.find_producer(path))
    record = lineage.records[job]
    outputs = [
        made.model_copy(update=changes) if made.path == path else made for made in record.outputs
    ]
    changed = record.model_copy(update={"outputs": outputs})
    return Lineage("smoke", {**lineage.records, job: changed})


@pytest.mark.parametrize(
    "path",
    [
        "../elsewhere.csv",
        "results/../../elsewhere.csv",
        "Snakefile",
        "",
        "/elsewhere",
        "results",
        "results/smoke",
        "results/other/curves.csv",
        "data/other.record.json",
        "results/smoke/./curves.csv",
    ],
)
def test_records_from_elsewhere_cannot_write_where_they_like(
    project: PointerProject, path: str
) -> None:
    lineage = delete_outputs(project)
    line = read_refusal(project, forge_output(lineage, f"{RESULTS}/curves.csv", path=path))
    assert line.startswith(f"{path}: is no place for an output; do not trust")


@pytest.mark.parametrize("inside", ["/elsewhere", "../elsewhere", "", "a/../../b", "step/"])
def test_folders_from_elsewhere_cannot_either(
    project: PointerProject, inside: str, tmp_path: Path
) -> None:
    lineage, folder = delete_outputs(project), f"{SFT}/checkpoints"
    made = lineage.find_output(folder)
    assert made is not None
    path = str(tmp_path) + inside if inside.startswith("/") else inside
    files = (made.files[0].model_copy(update={"path": path}), *made.files[1:])
    line = read_refusal(
        project, forge_output(lineage, folder, files=files, md5=hash_folder_listing(files))
    )
    assert line.startswith(f"{path}: is no place in {folder}")
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_is_not_what_its_hash_says(project: PointerProject) -> None:
    lineage, folder = delete_outputs(project), f"{SFT}/checkpoints"
    made = lineage.find_output(folder)
    assert made is not None
    kept = project.cache.get_object_path(made.md5)
    before = kept.read_bytes()
    line = read_refusal(project, forge_output(lineage, folder, files=made.files[1:]))
    assert line.startswith(f"{folder}: its files are not those of its hash")
    assert kept.read_bytes() == before


def test_a_hash_from_elsewhere_deletes_nothing(project: PointerProject) -> None:
    lineage, victim = delete_outputs(project), project.root / ".dvc" / "config"
    name = os.path.relpath(victim, project.cache.folder / "files" / "md5" / "ab")
    line = read_refusal(project, forge_output(lineage, f"{RESULTS}/report.html", md5=f"ab{name}"))
    assert "is no hash; do not trust" in line
    assert victim.exists()
