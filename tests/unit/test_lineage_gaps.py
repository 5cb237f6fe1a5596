"""What no record, or no stage of DVC's lock, tells of is named: by questions and by pointers."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from lineage_fixtures import (
    BASE,
    DATA,
    FITS,
    REPORT,
    RESULTS,
    SFT,
    TABLE,
    TABLE_4,
    Ask,
    MadeStudy,
    hash_artefact,
)
from pointer_fixtures import LOCK_FILE, PointerProject

from retu.lineage.graph.dvc_lock import read_dvc_lock
from retu.lineage.queries.bundle import export_bundle
from retu.lineage.record import read_record


def list_left_out(project: PointerProject) -> list[str]:
    """Record; every output that DVC's lock lacks. What it names hangs together."""
    done = project.write_pointers()
    named = read_dvc_lock(project.root, "smoke")
    assert "up to date" in project.run_dvc("status")
    missing = [path for path in project.study.lineage.outputs if path not in named]
    assert bool(missing) <= bool(done.notes)
    return missing


def test_what_came_of_a_job_that_is_left_out_is_left_out_and_named(project: PointerProject) -> None:
    job = f"{RESULTS}/curves.record.json"
    project.study.rewrite_record(job, key="0" * 16)
    lineage = project.study.lineage
    first, second = project.write_pointers().notes
    assert first.startswith(f"left out, made by other code or settings than now: {job} (")
    after = lineage.list_descendants([job])
    assert f"is left out or has no record: {', '.join(after)} (" in second
    gone = {made.path for name in (job, *after) for made in lineage.records[name].outputs}
    assert set(list_left_out(project)) == gone


def test_a_lost_record_and_what_came_of_it_are_left_out_and_named(project: PointerProject) -> None:
    job = f"{SFT}/subphases.record.json"
    after = project.study.lineage.list_descendants([job])
    (project.root / job).unlink()
    second, third = project.write_pointers().notes
    assert f"has no record: {', '.join(after)} (retu lineage verify --study smoke)" in second
    assert third.startswith(f"left out, has no record: {SFT}/subphases.csv (")
    assert set(list_left_out(project)) > {f"{RESULTS}/subphases.csv", TABLE}


def test_a_lost_record_of_the_last_job_is_named(project: PointerProject) -> None:
    (project.root / f"{RESULTS}/report.record.json").unlink()
    (note,) = project.write_pointers().notes
    assert note.startswith(f"left out, has no record: {RESULTS}/report.html (")


def change_lock(project: PointerProject, change: Callable[[dict[str, object]], object]) -> None:
    """Change the stages of DVC's lock."""
    path = project.root / LOCK_FILE
    lock = yaml.safe_load(path.read_text())
    change(lock["stages"])
    path.write_text(yaml.safe_dump(lock))


def forge_cell(project: PointerProject) -> None:
    """Another number in the table, its record and the record of its only reader."""
    (project.root / TABLE).write_text("a_post\n99.9\n")
    outputs = read_record(project.root / TABLE_4).outputs
    new = hash_artefact(project.root, TABLE, listed=True)
    outputs = [new if made.path == TABLE else made for made in outputs]
    project.study.rewrite_record(TABLE_4, outputs=outputs)
    inputs = [hash_artefact(project.root, path, listed=False) for path in (TABLE, TABLE_4)]
    project.study.rewrite_record(REPORT, inputs=inputs)


def test_a_forged_cell_that_the_lock_leaves_out_is_found(project: PointerProject) -> None:
    project.write_pointers()
    forge_cell(project)
    change_lock(project, lambda stages: [stages.pop(name) for name in ("tables-table_4", "report")])
    findings = project.study.verify().findings
    assert [(found.kind, found.path) for found in findings] == [
        ("pointer", TABLE_4),
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
    assert {("pointer", TABLE_4), ("pointer", REPORT)} <= found


def test_recording_says_what_it_leaves_out(project: PointerProject, ask: Ask) -> None:
    assert "left out" not in ask("record", "--study", "smoke").out
    (project.root / FITS).unlink()
    done = ask("record", "--study", "smoke", status=1)
    *notes, last = done.lines
    assert TABLE_4 in notes[0]
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


LOST: dict[str, tuple[Callable[[Path], object], str]] = {
    "deleted": (Path.unlink, "has no record"),
    "half of it": (lambda path: path.write_text(path.read_text()[:900]), "has no record"),
    "edited": (
        lambda path: path.write_text(path.read_text().replace('"seeds"', '"seeds" ', 1)
                                     .replace("fit_curves", "fit_Curves", 1)),
        "has a damaged record",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("lose", "told"), LOST.values(), ids=LOST.keys())
def test_why_says_first_that_a_record_is_lost(
    made_study: MadeStudy, ask: Ask, lose: Callable[[Path], object], told: str
) -> None:
    fits = f"{RESULTS}/fits/robust.csv"
    ask("why", TABLE)
    lose(made_study.root / FITS)
    for words in (["why", TABLE], ["why", f"{TABLE}#1/a_post"], ["why", "--stale"]):
        done = ask(*words, status=1)
        assert done.out.startswith(f"incomplete   {fits} {told}")
        assert "all current" not in done.out or "--stale" in words
    assert json.loads(ask("why", TABLE, "--json", status=1).out)["incomplete"] == [fits]
    assert f"\nincomplete   {fits} {told}" in ask("list").out


def test_a_gap_far_upstream_is_told_of_the_table(made_study: MadeStudy, ask: Ask) -> None:
    (made_study.root / f"{BASE}/train.record.json").unlink()
    done = ask("why", TABLE, status=1)
    assert done.out.startswith(f"incomplete   {BASE}/checkpoints has no record: ")
    ask("why", f"{RESULTS}/subphases.csv", "--json", status=1)
    ask("why", f"{DATA}/pool.parquet")


def test_what_data_dvc_describes_needs_no_record(made_study: MadeStudy, ask: Ask) -> None:
    (made_study.root / f"{DATA}.record.json").unlink()
    ask("why", TABLE, status=1)
    made_study.describe_data(md5="0" * 32 + ".dir")
    for words in (["why", TABLE], ["why", "--stale"]):
        assert "incomplete" not in ask(*words).out
