"""`why`, the records and DVC tell of the same ancestors, down to data.dvc."""

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from lineage_fixtures import DATA, TABLE
from pointer_fixtures import PointerProject, make_project

from retu.core.hashing import hash_tree
from retu.lineage.graph.dvc_lock import PIPELINE
from retu.lineage.queries.dvc_pointers import Pointers
from retu.lineage.queries.why import run_why


def explain_table(project: PointerProject, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What `why --json` tells of a table."""
    options = argparse.Namespace(
        root=project.root, output=TABLE, stale=False, json=True, mermaid=False
    )
    assert run_why(options) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def list_dvc_ancestors(project: PointerProject) -> tuple[set[str], set[str]]:
    """The stages of dvc.yaml that stand behind the table, and what they read that none makes."""
    text = (project.root / "lineage" / "smoke" / PIPELINE).read_text()
    stages = yaml.safe_load(text)["stages"]
    maker = {path: name for name, stage in stages.items() for path in stage["outs"]}
    found: set[str] = set()
    sources: set[str] = set()
    queue = [TABLE]
    while queue:
        path = queue.pop()
        name = next((maker[out] for out in maker if Path(path).is_relative_to(out)), None)
        if name is None:
            sources.add(path)
        elif name not in found:
            found.add(name)
            queue += stages[name].get("deps", [])
    return found, sources


@pytest.mark.parametrize("described", [False, True])
def test_the_ancestors_are_the_same(
    described: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = make_project(tmp_path / "project")
    if described:
        out = {"path": DATA, "md5": hash_tree(project.root / DATA).md5}
        (project.root / "data.dvc").write_text(yaml.safe_dump({"outs": [out]}))
    project.write_pointers()
    told, lineage = explain_table(project, capsys), project.study.lineage
    job = lineage.find_producer(TABLE)
    assert job is not None
    assert {job["record"] for job in told["jobs"]} == set(lineage.list_ancestors([job]))
    names = Pointers(project.root, lineage, lineage.records, {}).stage_names
    # What data.dvc describes ends there for DVC; `why` knows the job that made it, too.
    ends = {job["record"] for job in told["jobs"] if job["pointers"]}
    stages, sources = list_dvc_ancestors(project)
    assert stages == {names[job["record"]] for job in told["jobs"] if job["record"] not in ends}
    assert ends == ({f"{DATA}.record.json"} if described else set())
    pointers = [(p["path"], p["describes"]) for job in told["jobs"] for p in job["pointers"]]
    assert pointers == ([("data.dvc", DATA)] if described else [])
    assert bool(sources) == described
    assert all(Path(path).is_relative_to(DATA) for path in sources)
