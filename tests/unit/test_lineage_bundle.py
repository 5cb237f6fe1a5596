"""Bundles: the same bytes each time, checkable alone, and nothing leads out of them."""

import argparse
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from lineage_fixtures import BASE, DATA, RESULTS, SFT, TABLE, MadeStudy, make_study

from workflow_scripts.errors import InputError
from workflow_scripts.lineage import bundle, unbundle
from workflow_scripts.lineage.bundle import ABOUT, export, packed, run_export
from workflow_scripts.lineage.unbundle import check_bundle, opened, read_bundle
from workflow_scripts.lineage.verify import run_verify

REPORT = f"{RESULTS}/report.html"


@pytest.fixture
def made(tmp_path: Path) -> MadeStudy:
    """A made-up finished study."""
    return make_study(tmp_path / "study")


@pytest.fixture
def archive(made: MadeStudy, tmp_path: Path) -> Path:
    """The exported table."""
    path = tmp_path / "table_4.lineage.tar.gz"
    export(made.root, made.lineage, TABLE, path)
    return path


def members(archive: Path) -> dict[str, bytes]:
    """The files in an archive."""
    with tarfile.open(archive) as content:
        handles = ((member.name, content.extractfile(member)) for member in content)
        return {name: handle.read() for name, handle in handles if handle}


def repacked(archive: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
    """The archive with other content."""
    files = members(archive)
    change(files)
    archive.write_bytes(packed(files))
    return archive


def findings(archive: Path) -> list[tuple[str, str]]:
    """Kind and path of what is found in an archive."""
    with opened(archive) as content:
        return [(found.kind, found.path) for found in check_bundle(content).findings]


def test_it_holds_the_table_its_records_and_the_small_files(made: MadeStudy, archive: Path) -> None:
    files = members(archive)
    records = {name for name in files if name.endswith(".record.json")}
    assert records == set(made.lineage.ancestors([f"{RESULTS}/tables/table_4.record.json"]))
    assert files[TABLE] == (made.root / TABLE).read_bytes()
    assert f"{SFT}/grades.parquet" in files
    assert not [name for name in files if "checkpoints" in name or name == REPORT]
    about = json.loads(files[ABOUT])
    assert [listed["path"] for listed in about["left_out"]] == [
        f"{BASE}/checkpoints",
        f"{SFT}/checkpoints",
    ]
    assert about["lineage"] == made.lineage.digest(TABLE)
    assert [f"{DATA}.record.json", f"{BASE}/train.record.json"] in about["edges"]
    text = files["README.txt"].decode()
    assert "retu lineage verify" in text
    assert about["lineage"] in text
    assert "f00d" * 10 in text
    assert files["graph.mmd"].startswith(b"flowchart")


def test_the_same_results_give_the_same_bytes(
    made: MadeStudy, archive: Path, tmp_path: Path
) -> None:
    other = tmp_path / "elsewhere" / "other.tar.gz"
    for path in made.root.rglob("*"):
        path.touch()
    export(made.root, made.lineage, TABLE, other)
    assert other.read_bytes() == archive.read_bytes()
    # No time in the header of gzip.
    assert archive.read_bytes()[4:8] == bytes(4)
    with tarfile.open(archive) as content:
        assert {(m.mtime, m.uid, m.uname, m.mode) for m in content} == {(0, 0, "", 0o644)}


def test_big_files_and_pointers(
    made: MadeStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pointers = made.root / "lineage" / "smoke"
    pointers.mkdir(parents=True)
    (pointers / "dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    monkeypatch.setattr(bundle, "LARGEST_FILE", 6)
    path = tmp_path / "small.tar.gz"
    about = export(made.root, made.lineage, TABLE, path)
    files = members(path)
    assert "lineage/smoke/dvc.lock" in files
    # However big it is, what the bundle is about is in it.
    assert TABLE in files
    assert f"{SFT}/grades.parquet" in files
    assert f"{SFT}/generations.parquet" in [listed.path for listed in about.left_out]
    monkeypatch.setattr(bundle, "LARGEST_BUNDLE", 0)
    export(made.root, made.lineage, TABLE, path)
    assert [name for name in members(path) if name.endswith((".csv", ".parquet"))] == [TABLE]
    assert findings(path) == []


def test_it_is_checked_without_any_results(
    archive: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = argparse.Namespace(output=str(archive), study=None, json=False, root=tmp_path / "no")
    assert run_verify(given) == 0
    first, lineage, left_out, code = capsys.readouterr().out.splitlines()
    assert first == f"{archive}: {TABLE}, 10 jobs, 21 files: all as recorded"
    assert lineage.startswith(f"lineage: {read_bundle(archive).about.lineage}; compare it")
    assert left_out.startswith("not included, not checked: 2 outputs, ")
    assert code == f"code: commit {'f00d' * 10}; the same as here"
    assert run_verify(argparse.Namespace(**{**vars(given), "json": True})) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["jobs"], content["findings"], content["code_changed_since"]) == (10, [], [])


def test_other_code_here_is_told(
    archive: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changed = {"workflow_scripts.table_4": "0" * 16, "workflow_scripts.errors": None}
    original = unbundle.present_digest
    monkeypatch.setattr(unbundle, "present_digest", lambda m: changed.get(m, original(m)))
    given = argparse.Namespace(output=str(archive), study=None, json=False, root=tmp_path)
    assert run_verify(given) == 0
    assert capsys.readouterr().out.endswith("2 modules are others here (errors, table_4)\n")
    assert unbundle.present_digest("workflow_scripts.no_such") is None
    assert unbundle.present_digest("os.path") is None


def replaced(files: dict[str, bytes], name: str, old: bytes, new: bytes) -> None:
    """Change a file of an archive; `old` must be in it."""
    assert old in files[name]
    files[name] = files[name].replace(old, new, 1)


TAMPERS: dict[str, tuple[Callable[[dict[str, bytes]], object], tuple[str, str]]] = {
    "one cell": (lambda f: replaced(f, TABLE, b"71.5", b"72.5"), ("broken", TABLE)),
    "one cell, and its hash in the list": (lambda f: forge_cell(f), ("broken", TABLE)),
    "one record": (
        lambda f: replaced(f, f"{SFT}/train.record.json", b'"cores": 2', b'"cores": 3'),
        ("damaged", f"{SFT}/train.record.json"),
    ),
    "a record left out": (
        lambda f: f.pop(f"{SFT}/train.record.json"),
        ("unrecorded", f"{SFT}/checkpoints"),
    ),
    "a file put in": (
        lambda f: f.update({f"{RESULTS}/x.csv": b"1"}),
        ("unrecorded", f"{RESULTS}/x.csv"),
    ),
    "a file beside": (lambda f: f.update({"setup.py": b"1"}), ("broken", "setup.py")),
    "a file taken out": (
        lambda f: f.pop(f"{SFT}/grades.parquet"),
        ("broken", f"{SFT}/grades.parquet"),
    ),
    "another lineage": (
        lambda f: replaced(f, ABOUT, b'"lineage": "', b'"lineage": "0'),
        ("false", TABLE),
    ),
    "another target": (
        lambda f: replaced(f, ABOUT, b'"target": "', b'"target": "x/'),
        ("unrecorded", f"x/{TABLE}"),
    ),
    "another hash of what is left out": (
        lambda f: f.update({ABOUT: other_hash(f[ABOUT])}),
        ("false", f"{BASE}/checkpoints"),
    ),
}


def forge_cell(files: dict[str, bytes]) -> None:
    """Change the table and what the archive says of it; only the record knows better."""
    replaced(files, TABLE, b"71.5", b"72.5")
    about = json.loads(files[ABOUT])
    (listed,) = (listed for listed in about["files"] if listed["path"] == TABLE)
    listed["md5"] = hashlib.md5(files[TABLE]).hexdigest()
    files[ABOUT] = json.dumps(about).encode()


def other_hash(about: bytes) -> bytes:
    """The list of an archive with another hash of the first output that is not in it."""
    content = json.loads(about)
    content["left_out"][0]["md5"] = "0" * 32
    return json.dumps(content).encode()


@pytest.mark.parametrize(("tamper", "found"), TAMPERS.values(), ids=TAMPERS.keys())
def test_tampering_is_found(
    archive: Path, tamper: Callable[[dict[str, bytes]], object], found: tuple[str, str]
) -> None:
    assert findings(archive) == []
    assert found in findings(repacked(archive, tamper))


def hostile(name: str, **facts: object) -> bytes:
    """An archive with one member of a chosen name and kind."""
    stored = io.BytesIO()
    with tarfile.open(fileobj=stored, mode="w:gz") as content:
        member = tarfile.TarInfo(name)
        for key, value in facts.items():
            setattr(member, key, value)
        content.addfile(member, io.BytesIO(b"") if member.isreg() else None)
    return stored.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (hostile("../evil"), r"\.\./evil leads out of the archive; do not trust"),
        (hostile("results/../../evil"), "leads out of the archive"),
        (hostile("/tmp/evil"), "/tmp/evil leads out"),
        (hostile("a\\..\\..\\evil"), "leads out"),
        (hostile("C:evil"), "leads out"),
        (hostile("."), "leads out|no plain file"),
        (hostile("link", type=tarfile.SYMTYPE, linkname="/etc"), "link is no plain file"),
        (hostile("hard", type=tarfile.LNKTYPE, linkname="x"), "hard is no plain file"),
        (hostile("pipe", type=tarfile.FIFOTYPE), "pipe is no plain file"),
        (hostile("folder", type=tarfile.DIRTYPE), "folder is no plain file"),
        (b"no archive", "is not a whole archive"),
        (gzip.compress(b"no tar" * 1000), "is not a whole archive"),
        (b"", f"has no {ABOUT}|is not a whole archive"),
        (hostile("x"), f"has no {ABOUT} that reads; make it with retu lineage export"),
    ],
)
def test_what_is_no_bundle_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "inside" / "given.tar.gz"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_bundle(path)
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["given.tar.gz"]


def test_a_name_twice_is_refused(archive: Path) -> None:
    stored = io.BytesIO()
    with tarfile.open(fileobj=stored, mode="w:gz") as content:
        for text in (b"1", b"2"):
            member = tarfile.TarInfo("a")
            member.size = 1
            content.addfile(member, io.BytesIO(text))
    archive.write_bytes(stored.getvalue())
    with pytest.raises(InputError, match="a is in it twice"):
        read_bundle(archive)


def test_bombs_and_cut_off_archives_are_refused(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="not a whole archive"):
        read_bundle(archive)
    archive.write_bytes(whole)
    monkeypatch.setattr(unbundle, "LARGEST", 1 << 14)
    with pytest.raises(InputError, match="MB unpacked; do not trust"):
        read_bundle(archive)


def test_an_archive_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.tar\.gz: there is no such archive; make it"):
        read_bundle(tmp_path / "none.tar.gz")


def test_a_newer_bundle(archive: Path) -> None:
    repacked(archive, lambda f: replaced(f, ABOUT, b'"version": 1', b'"version": 2'))
    with pytest.raises(InputError, match="an archive of version 2; update the project"):
        read_bundle(archive)
    repacked(archive, lambda f: replaced(f, ABOUT, b'"version": 2', b'"version": 1, "x": 1'))
    with pytest.raises(InputError, match=rf"{ABOUT}: x: .*not permitted"):
        read_bundle(archive)


def test_what_is_broken_is_not_exported(made: MadeStudy, tmp_path: Path) -> None:
    out = tmp_path / "out.tar.gz"

    def refused(message: str, target: str = TABLE) -> None:
        with pytest.raises(InputError, match=message):
            export(made.root, made.lineage, target, out)
        assert not out.exists()

    refused("x.csv: has no record; run its rule", f"{RESULTS}/x.csv")
    (made.root / f"{SFT}/grades.parquet").write_text("other")
    refused("grades.parquet: is not as recorded; see retu lineage verify")
    (made.root / f"{SFT}/grades.parquet").write_text("grades")
    made.rewrite(f"{RESULTS}/fits/robust.record.json", inputs=[])
    made.rewrite(f"{RESULTS}/tables/table_4.record.json", outputs=[])
    refused(f"{TABLE}: has no record")
    (made.root / f"{SFT}/train.record.json").unlink()
    refused("checkpoints: went into .* and has no whole record", f"{SFT}/grades.parquet")
    (made.root / f"{SFT}/grades.parquet").unlink()
    refused("is not there; run its rule", f"{SFT}/grades.parquet")


def test_the_command_names_its_archive_and_says_what_is_in_it(
    made: MadeStudy,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = argparse.Namespace(output=TABLE, out=None, root=made.root)
    assert run_export(given) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"table_4.lineage.tar.gz: {TABLE} with 21 files, ")
    assert "; 2 others are listed in it; lineage " in text
    assert findings(tmp_path / "table_4.lineage.tar.gz") == []
    with pytest.raises(InputError, match=r"--out x\.zip: must end in \.tar\.gz"):
        run_export(argparse.Namespace(output=TABLE, out="x.zip", root=made.root))
