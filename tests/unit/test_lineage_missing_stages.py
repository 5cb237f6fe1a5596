"""What DVC's lock leaves out is told: nothing vouches for it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from lineage_fixtures import RESULTS, TABLE, hash_artefact
from pointer_fixtures import LOCK_FILE, PointerProject, make_project

from retu.cli import command_line, lineage_command
from retu.lineage.queries.bundle import export_bundle
from retu.lineage.record import read_record

RECORD = f"{RESULTS}/tables/table_4.record.json"
REPORT = f"{RESULTS}/report.record.json"
FITS = f"{RESULTS}/fits/robust.record.json"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PointerProject:
    made = make_project(tmp_path / "a project")
    (made.root / "config.yaml").write_text("study: lab\n")
    monkeypatch.setattr(lineage_command, "ROOT", made.root)
    return made


def change_lock(project: PointerProject, change: Callable[[dict[str, object]], object]) -> None:
    """Change the stages of DVC's lock."""
    path = project.root / LOCK_FILE
    lock = yaml.safe_load(path.read_text())
    change(lock["stages"])
    path.write_text(yaml.safe_dump(lock))


def forge_cell(project: PointerProject) -> None:
    """Another number in the table, its record and the record of its only reader."""
    (project.root / TABLE).write_text("a_post\n99.9\n")
    outputs = read_record(project.root / RECORD).outputs
    new = hash_artefact(project.root, TABLE, listed=True)
    outputs = [new if made.path == TABLE else made for made in outputs]
    project.study.rewrite_record(RECORD, outputs=outputs)
    inputs = [hash_artefact(project.root, path, listed=False) for path in (TABLE, RECORD)]
    project.study.rewrite_record(REPORT, inputs=inputs)


def test_a_forged_cell_that_the_lock_leaves_out_is_found(project: PointerProject) -> None:
    project.write_pointers()
    forge_cell(project)
    change_lock(project, lambda stages: [stages.pop(name) for name in ("tables-table_4", "report")])
    findings = project.study.verify().findings
    assert [(found.kind, found.path) for found in findings] == [
        ("pointer", RECORD),
        ("pointer", REPORT),
    ]
    assert findings[0].problem == f"{LOCK_FILE} has no stage for it"
    assert TABLE in findings[0].downstream


def test_a_forged_cell_behind_a_lost_record_is_found(project: PointerProject) -> None:
    """With a record less, the stages after it stay out of the lock; so they are findings."""
    (project.root / FITS).unlink()
    project.write_pointers()
    forge_cell(project)
    found = {(f.kind, f.path) for f in project.study.verify().findings}
    assert {("pointer", RECORD), ("pointer", REPORT)} <= found


def test_recording_says_what_it_leaves_out(
    project: PointerProject, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main(["lineage", "record", "--study", "smoke"]) == 0
    assert "left out" not in capsys.readouterr().out
    (project.root / FITS).unlink()
    assert command_line.main(["lineage", "record", "--study", "smoke"]) == 1
    *notes, last = capsys.readouterr().out.splitlines()
    assert RECORD in notes[0]
    assert REPORT in notes[0]
    assert last.startswith("lineage/smoke: 8 stages, ")
    assert last.endswith("; it is not all of the study: 3 left out")


def test_a_bundle_takes_no_lock_that_leaves_a_stage_out(
    project: PointerProject, tmp_path: Path
) -> None:
    project.write_pointers()
    change_lock(project, lambda stages: stages.pop("fits-robust"))
    done = export_bundle(project.root, project.study.lineage, TABLE, tmp_path / "x.tar.gz")
    assert "has no stage for it" in done.notes[0]
