"""Pointers and records may come from elsewhere: what they name leads nowhere but to its place."""

import os
from pathlib import Path

import pytest
from lineage_fixtures import RESULTS, SFT
from pointer_fixtures import Project, lose, make_project, refused

from retu.core.hashing import folder_md5
from retu.lineage.graph.record_graph import Lineage


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = make_project(tmp_path / "a project")
    made.record()
    return made


def forged(lineage: Lineage, path: str, /, **changes: object) -> Lineage:
    """The lineage with another tale of the output at `path`."""
    job = str(lineage.producer(path))
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
def test_records_from_elsewhere_cannot_write_where_they_like(project: Project, path: str) -> None:
    lineage = lose(project)
    line = refused(project, forged(lineage, f"{RESULTS}/curves.csv", path=path))
    assert line.startswith(f"{path}: is no place for an output; do not trust")


@pytest.mark.parametrize("inside", ["/elsewhere", "../elsewhere", "", "a/../../b", "step/"])
def test_folders_from_elsewhere_cannot_either(
    project: Project, inside: str, tmp_path: Path
) -> None:
    lineage, folder = lose(project), f"{SFT}/checkpoints"
    made = lineage.output(folder)
    assert made is not None
    path = str(tmp_path) + inside if inside.startswith("/") else inside
    files = (made.files[0].model_copy(update={"path": path}), *made.files[1:])
    line = refused(project, forged(lineage, folder, files=files, md5=folder_md5(files)))
    assert line.startswith(f"{path}: is no place in {folder}")
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_is_not_what_its_hash_says(project: Project) -> None:
    lineage, folder = lose(project), f"{SFT}/checkpoints"
    made = lineage.output(folder)
    assert made is not None
    kept = project.cache.path(made.md5)
    before = kept.read_bytes()
    line = refused(project, forged(lineage, folder, files=made.files[1:]))
    assert line.startswith(f"{folder}: its files are not those of its hash")
    assert kept.read_bytes() == before


def test_a_hash_from_elsewhere_deletes_nothing(project: Project) -> None:
    lineage, victim = lose(project), project.root / ".dvc" / "config"
    name = os.path.relpath(victim, project.cache.folder / "files" / "md5" / "ab")
    line = refused(project, forged(lineage, f"{RESULTS}/report.html", md5=f"ab{name}"))
    assert "is no hash; do not trust" in line
    assert victim.exists()
