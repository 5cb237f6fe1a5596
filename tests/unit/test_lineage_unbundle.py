"""Archives from elsewhere: what does not agree is found, and nothing leads out of them."""

import gzip
import hashlib
import io
import itertools
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bundle_fixtures import list_archive_findings, repack_archive, replace_member
from lineage_fixtures import BASE, RESULTS, SFT, TABLE, MadeStudy

from retu.core.errors import InputError
from retu.lineage.queries import unbundle
from retu.lineage.queries.bundle import ABOUT, GRAPH, export_bundle
from retu.lineage.queries.unbundle import check_bundle, open_bundle, read_bundle

TAMPERS: dict[str, tuple[Callable[[dict[str, bytes]], object], tuple[str, str]]] = {
    "one cell": (lambda f: replace_member(f, TABLE, b"71.5", b"72.5"), ("broken", TABLE)),
    "one cell, and its hash in the list": (lambda f: forge_cell(f), ("broken", TABLE)),
    "one record": (
        lambda f: replace_member(f, f"{SFT}/train.record.json", b'"cores": 2', b'"cores": 3'),
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
        lambda f: replace_member(f, ABOUT, b'"lineage": "', b'"lineage": "0'),
        ("false", TABLE),
    ),
    "another target": (
        lambda f: replace_member(f, ABOUT, b'"target": "', b'"target": "x/'),
        ("unrecorded", f"x/{TABLE}"),
    ),
    "another commit": (
        lambda f: replace_member(f, ABOUT, b"f00df00d", b"beefbeef"),
        ("false", ABOUT),
    ),
    "an edge less": (
        lambda f: change_about(f, lambda about: about["edges"].pop(0)),
        ("false", ABOUT),
    ),
    "another graph": (
        lambda f: f.update({GRAPH: b"flowchart TD\n  j0[all is well]\n"}),
        ("false", GRAPH),
    ),
    "no graph": (lambda f: f.pop(GRAPH), ("false", GRAPH)),
    "another text to read": (
        lambda f: f.update({"x/README.txt": b"1"}),
        ("broken", "x/README.txt"),
    ),
    "another hash of what is left out": (
        lambda f: change_about(f, lambda about: about["left_out"][0].update(md5="0" * 32)),
        ("false", f"{BASE}/checkpoints"),
    ),
}


def change_about(files: dict[str, bytes], change: Callable[[dict[str, Any]], object]) -> None:
    """Change what an archive says of itself."""
    about = json.loads(files[ABOUT])
    change(about)
    files[ABOUT] = json.dumps(about).encode()


def forge_cell(files: dict[str, bytes]) -> None:
    """Change the table and what the archive says of it; only the record knows better."""
    replace_member(files, TABLE, b"71.5", b"72.5")
    digest = hashlib.md5(files[TABLE]).hexdigest()
    listed = {"path": TABLE, "md5": digest, "size": len(files[TABLE])}
    change_about(
        files,
        lambda about: about.update(
            files=[listed if one["path"] == TABLE else one for one in about["files"]]
        ),
    )


@pytest.mark.parametrize(("tamper", "found"), TAMPERS.values(), ids=TAMPERS.keys())
def test_tampering_is_found(
    archive: Path, tamper: Callable[[dict[str, bytes]], object], found: tuple[str, str]
) -> None:
    assert list_archive_findings(archive) == []
    assert found in list_archive_findings(repack_archive(archive, tamper))


def make_hostile_archive(name: str, **facts: object) -> bytes:
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
        (make_hostile_archive("../evil"), r"\.\./evil leads out of the archive; do not trust"),
        (make_hostile_archive("results/../../evil"), "leads out of the archive"),
        (make_hostile_archive("/tmp/evil"), "/tmp/evil leads out"),
        (make_hostile_archive("a\\..\\..\\evil"), "leads out"),
        (make_hostile_archive("C:evil"), "leads out"),
        (make_hostile_archive("."), "leads out|no plain file"),
        (
            make_hostile_archive("link", type=tarfile.SYMTYPE, linkname="/etc"),
            "link is no plain file",
        ),
        (make_hostile_archive("hard", type=tarfile.LNKTYPE, linkname="x"), "hard is no plain file"),
        (make_hostile_archive("pipe", type=tarfile.FIFOTYPE), "pipe is no plain file"),
        (make_hostile_archive("folder", type=tarfile.DIRTYPE), "folder is no plain file"),
        (b"no archive", "is not a whole archive"),
        (gzip.compress(b"no tar" * 1000), "is not a whole archive"),
        (b"", f"has no {ABOUT}|is not a whole archive"),
        (
            make_hostile_archive("x"),
            rf"has no {ABOUT} that reads; make it \(retu lineage export --help\)",
        ),
    ],
    # Archives hold the time, and the processes that share the tests must know them by one name.
    ids=itertools.count(),
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
    monkeypatch.setattr(unbundle, "MAX_UNPACKED_BYTES", 1 << 14)
    with pytest.raises(InputError, match="MB unpacked; do not trust"):
        read_bundle(archive)


def test_an_archive_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.tar\.gz: there is no such archive; make it"):
        read_bundle(tmp_path / "none.tar.gz")


def test_a_newer_bundle(archive: Path) -> None:
    repack_archive(archive, lambda f: replace_member(f, ABOUT, b'"version": 1', b'"version": 2'))
    with pytest.raises(InputError, match="an archive of version 2; update the project"):
        read_bundle(archive)
    repack_archive(
        archive, lambda f: replace_member(f, ABOUT, b'"version": 2', b'"version": 1, "x": 1')
    )
    with pytest.raises(InputError, match=rf"{ABOUT}: x: no such key"):
        read_bundle(archive)


def test_a_study_that_leads_out_is_refused(archive: Path) -> None:
    repack_archive(archive, lambda f: replace_member(f, ABOUT, b'"study": "', b'"study": "../../'))
    with pytest.raises(InputError, match=rf"{ABOUT}: study: .*pattern"):
        read_bundle(archive)


def test_commits_and_uncommitted_files_are_those_of_the_records(
    made_study: MadeStudy, tmp_path: Path
) -> None:
    job = f"{SFT}/train.record.json"
    git = made_study.lineage.records[job].git
    made_study.rewrite_record(
        job, git=git.model_copy(update={"dirty": ["workflow_scripts/sft.py"]})
    )
    path = tmp_path / "table.tar.gz"
    export_bundle(made_study.root, made_study.lineage, TABLE, path)
    repack_archive(path, lambda f: replace_member(f, ABOUT, b"f00df00d", b"beefbeef"))
    with open_bundle(path) as content:
        verdict = check_bundle(content)
    lines = unbundle.format_bundle_report(path, verdict)
    assert f"commit {'f00d' * 10} with uncommitted files (workflow_scripts/sft.py); " in lines[-1]
    assert verdict.serialise()["commits"] == ["f00d" * 10]
    assert verdict.serialise()["uncommitted"] == ["workflow_scripts/sft.py"]
