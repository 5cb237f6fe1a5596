"""Bundles: the same bytes each time, checkable alone, and nothing leads out of them."""

import json
import tarfile
from pathlib import Path

import pytest
from bundle_fixtures import list_archive_findings, read_archive_members
from lineage_fixtures import BASE, DATA, RESULTS, SFT, TABLE, WEIGHTS, Ask, MadeStudy
from pointer_fixtures import LOCK_FILE

from retu.cli import lineage_command
from retu.core.errors import InputError
from retu.lineage.queries import bundle, unbundle
from retu.lineage.queries.bundle import ABOUT, export_bundle
from retu.lineage.queries.dvc_pointers import write_pointers
from retu.lineage.queries.unbundle import read_bundle

REPORT = f"{RESULTS}/report.html"


def test_it_holds_the_table_its_records_and_the_small_files(
    made_study: MadeStudy, archive: Path
) -> None:
    files = read_archive_members(archive)
    records = {name for name in files if name.endswith(".record.json")}
    assert records == set(
        made_study.lineage.list_ancestors([f"{RESULTS}/tables/table_4.record.json"])
    )
    assert files[TABLE] == (made_study.root / TABLE).read_bytes()
    assert f"{SFT}/grades.parquet" in files
    assert not [name for name in files if "checkpoints" in name or name == REPORT]
    about = json.loads(files[ABOUT])
    assert [listed["path"] for listed in about["left_out"]] == [
        f"{BASE}/checkpoints",
        f"{SFT}/checkpoints",
    ]
    assert about["lineage"] == made_study.lineage.digest_lineage(TABLE)
    assert [f"{DATA}.record.json", f"{BASE}/train.record.json"] in about["edges"]
    text = files["README.txt"].decode()
    assert "retu lineage verify" in text
    assert about["lineage"] in text
    assert "f00d" * 10 in text
    assert files["graph.mmd"].startswith(b"flowchart")


def test_the_same_results_give_the_same_bytes(
    made_study: MadeStudy, archive: Path, tmp_path: Path
) -> None:
    other = tmp_path / "elsewhere" / "other.tar.gz"
    for path in made_study.root.rglob("*"):
        path.touch()
    export_bundle(made_study.root, made_study.lineage, TABLE, other)
    assert other.read_bytes() == archive.read_bytes()
    # No time in the header of gzip.
    assert archive.read_bytes()[4:8] == bytes(4)
    with tarfile.open(archive) as content:
        assert {(m.mtime, m.uid, m.uname, m.mode) for m in content} == {(0, 0, "", 0o644)}


def test_big_files_and_pointers(
    made_study: MadeStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pointers = made_study.root / "lineage" / "smoke"
    pointers.mkdir(parents=True)
    (pointers / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    monkeypatch.setattr(bundle, "MAX_FILE_BYTES", 6)
    path = tmp_path / "small.tar.gz"
    about = export_bundle(made_study.root, made_study.lineage, TABLE, path).about
    files = read_archive_members(path)
    assert "lineage/smoke/dvc.lock" in files
    # However big it is, what the bundle is about is in it.
    assert TABLE in files
    assert f"{SFT}/grades.parquet" in files
    assert f"{SFT}/generations.parquet" in [listed.path for listed in about.left_out]
    monkeypatch.setattr(bundle, "MAX_BUNDLE_BYTES", 0)
    export_bundle(made_study.root, made_study.lineage, TABLE, path)
    assert [name for name in read_archive_members(path) if name.endswith((".csv", ".parquet"))] == [
        TABLE
    ]
    assert list_archive_findings(path) == []


def test_it_is_checked_without_any_results(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: Ask
) -> None:
    monkeypatch.setattr(lineage_command, "ROOT", tmp_path / "no")
    first, lineage, note, left_out, code = ask("verify", str(archive)).lines
    assert note.startswith("note: nobody's key was asked for: ")
    assert first == f"{archive}: {TABLE}, 10 jobs, 21 files: all as recorded"
    assert lineage.startswith(f"lineage: {read_bundle(archive).about.lineage}; compare it")
    assert left_out.startswith("not included, not checked: 2 outputs, ")
    assert code == f"code: commit {'f00d' * 10}; the same as here"
    content = json.loads(ask("verify", str(archive), "--json").out)
    assert (content["jobs"], content["findings"], content["code_changed_since"]) == (10, [], [])


def test_other_code_here_is_told(archive: Path, monkeypatch: pytest.MonkeyPatch, ask: Ask) -> None:
    changed = {"workflow_scripts.table_4": "0" * 16, "retu.core.errors": None}
    original = unbundle.digest_current_module
    monkeypatch.setattr(unbundle, "digest_current_module", lambda m: changed.get(m, original(m)))
    told = "2 modules are others here (retu.core.errors, table_4)"
    assert ask("verify", str(archive)).lines[-1].endswith(told)
    assert unbundle.digest_current_module("workflow_scripts.no_such") is None
    assert unbundle.digest_current_module("os.path") is None


def test_pointers_older_than_the_records_stay_out(
    made_study: MadeStudy, tmp_path: Path, ask: Ask
) -> None:
    write_pointers(made_study.root, made_study.lineage, made_study.plan)
    path = tmp_path / "table.tar.gz"
    assert len(ask("export", TABLE, "--out", str(path)).lines) == 1
    assert LOCK_FILE in read_archive_members(path)
    made_study.rewrite_record(f"{RESULTS}/curves.record.json", slurm_job="12")
    note, _ = ask("export", TABLE, "--out", str(path)).lines
    assert note.startswith("lineage/smoke: left out, it does not agree with the records (results/")
    assert "retu lineage record" in note
    assert LOCK_FILE not in read_archive_members(path)
    assert list_archive_findings(path) == []


def test_what_its_records_cannot_mean_is_not_exported(
    made_study: MadeStudy, tmp_path: Path
) -> None:
    made_study.rewrite_record(f"{SFT}/train.record.json", seeds=[7])
    with pytest.raises(InputError, match=r"tells the seeds \[7\].*what to do: retu lineage verify"):
        export_bundle(made_study.root, made_study.lineage, TABLE, tmp_path / "out.tar.gz")


def test_what_is_broken_is_not_exported(made_study: MadeStudy, tmp_path: Path) -> None:
    out = tmp_path / "out.tar.gz"

    def assert_refused(message: str, target: str = TABLE) -> None:
        with pytest.raises(InputError, match=message):
            export_bundle(made_study.root, made_study.lineage, target, out)
        assert not out.exists()

    assert_refused("x.csv: has no record; what to do", f"{RESULTS}/x.csv")
    (made_study.root / f"{SFT}/grades.parquet").write_text("other")
    assert_refused("grades.parquet: is not what grade wrote .*; what to do: retu lineage verify")
    (made_study.root / f"{SFT}/grades.parquet").write_text("grades")
    # What stays out of the archive is looked at, too.
    weights = made_study.root / WEIGHTS
    before = weights.read_bytes()
    weights.write_bytes(before + b"x")
    assert_refused("is not what train_sft wrote")
    weights.write_bytes(before)
    record = made_study.root / f"{RESULTS}/fits/robust.record.json"
    text = record.read_text()
    record.write_text(text.replace("fit_curves", "fit_carves", 1))
    assert_refused("robust.record.json: has changed since it was written")
    record.write_text(text)
    made_study.rewrite_record(f"{RESULTS}/fits/robust.record.json", inputs=[])
    made_study.rewrite_record(f"{RESULTS}/tables/table_4.record.json", outputs=[])
    assert_refused(f"{TABLE}: has no record")
    (made_study.root / f"{SFT}/train.record.json").unlink()
    assert_refused("checkpoints: went into .* and has no whole record", f"{SFT}/grades.parquet")
    (made_study.root / f"{SFT}/grades.parquet").unlink()
    assert_refused("is not there; what to do", f"{SFT}/grades.parquet")


def test_the_command_names_its_archive_and_says_what_is_in_it(
    made_study: MadeStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: Ask
) -> None:
    monkeypatch.chdir(tmp_path)
    text = ask("export", TABLE).out
    assert text.startswith(f"table_4.lineage.tar.gz: {TABLE} with 21 files, ")
    assert "; 2 others are listed in it; lineage " in text
    assert list_archive_findings(tmp_path / "table_4.lineage.tar.gz") == []
    said = ask("export", TABLE, "--out", "x.zip", status=2).err
    assert "--out x.zip: must end in .tar.gz" in said
