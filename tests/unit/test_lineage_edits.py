"""Edited files are found by every question about their state, whatever their times say."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from lineage_fixtures import DATA_RECORD, SFT, TABLE, WEIGHTS, Ask, MadeStudy

from retu.core import hash_memory
from retu.core.hash_memory import HashCache
from retu.core.hashing import hash_tree
from retu.lineage.graph.edited_files import find_edits
from retu.lineage.record import MirrorFile, read_record


@pytest.fixture(autouse=True)
def remember_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is too new for its hash to be remembered."""
    monkeypatch.setattr(hash_memory, "TICK_NS", -(10**12))


def edit_in_place(path: Path, content: bytes) -> None:
    """Change a file; size, inode and time of modification stay."""
    before = path.stat()
    assert len(content) == before.st_size
    with path.open("r+b") as handle:
        handle.write(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.parametrize(
    ("path", "content", "rule"),
    [(TABLE, b"a_post\n71.6\n", "make_table_4"), (WEIGHTS, b"weights 21", "train_sft")],
)
def test_an_edit_that_keeps_the_times_is_found(
    made_study: MadeStudy, path: str, content: bytes, rule: str, ask: Ask
) -> None:
    for words in (["why", "--stale"], ["show", path], ["why", TABLE], ["list"]):
        ask(*words)
    edit_in_place(made_study.root / path, content)
    told = f"{path}: is not what {rule} wrote"
    line = f"edited       {told}; "
    for words, status, text in (
        (["why", "--stale"], 1, f"\n{told}\n"),
        (["show", path], 1, "\nstate        edited\n"),
        (["why", TABLE], 1, f"\n{line}"),
        (["list"], 0, f"\n{line}"),
    ):
        assert text in ask(*words, status=status).out
    assert ask("show", path, status=1).out.startswith(line)
    (found,) = json.loads(ask("why", "--stale", "--json", status=1).out)["edited"]
    assert (found["file"], found["source"]) == (path, False)


GONE: dict[str, tuple[Callable[[MadeStudy], object], str]] = {
    "a table": (lambda made: (made.root / TABLE).unlink(), f"{TABLE}: is not there; make_table_4"),
    "a file of a folder": (lambda made: (made.root / WEIGHTS).unlink(), f"{WEIGHTS}: is gone; "),
    "a file more": (
        lambda made: (made.root / SFT / "checkpoints" / "x").write_text("x"),
        f"{SFT}/checkpoints/x: came in afterwards",
    ),
}


@pytest.mark.parametrize(("change", "told"), GONE.values(), ids=GONE.keys())
def test_what_is_gone_or_new_is_found(
    made_study: MadeStudy, change: Callable[[MadeStudy], object], told: str
) -> None:
    lineage = made_study.lineage
    assert find_edits(made_study.root, lineage, lineage.order) == []
    change(made_study)
    (edit,) = find_edits(made_study.root, lineage, lineage.order)
    assert str(edit).startswith(told)


def test_what_has_not_changed_is_not_read_again(
    made_study: MadeStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    lineage = made_study.lineage
    assert find_edits(made_study.root, lineage, lineage.order) == []
    read: list[str] = []
    monkeypatch.setattr(HashCache, "hash_file", lambda self, path: read.append(path))
    assert find_edits(made_study.root, lineage, lineage.order) == []
    assert read == []
    (made_study.root / TABLE).touch()
    find_edits(made_study.root, lineage, lineage.order)
    assert read == [TABLE]


def test_what_was_written_a_moment_ago_is_not_remembered(
    made_study: MadeStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hash_memory, "TICK_NS", 2_000_000_000)
    told = HashCache(made_study.root, "smoke")
    (made_study.root / TABLE).touch()
    assert told.get_hashes([TABLE])[TABLE] == hash_tree(made_study.root / TABLE).md5
    assert told.known == {}
    later = time.time_ns() + 3_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: later)
    told.get_hashes([TABLE])
    assert list(told.known) == [TABLE]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}', '{"a": ["b"]}'])
def test_a_damaged_memory_is_none(made_study: MadeStudy, content: str) -> None:
    place = made_study.root / ".state" / "hashes" / "smoke.json"
    place.parent.mkdir(parents=True)
    place.write_text(content)
    assert find_edits(made_study.root, made_study.lineage, made_study.lineage.order) == []


@pytest.fixture
def mirror(made_study: MadeStudy) -> Path:
    """A file of a mirror that the data were made from, as their record tells."""
    path = made_study.root / "mirror" / "owner" / "name" / "prompts.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"prompts 1")
    source = MirrorFile(
        path="owner/name/prompts.parquet", folder="mirror", md5=hash_tree(path).md5, size=9
    )
    made_study.rewrite_record(DATA_RECORD, sources=[source])
    return path


def test_an_edited_file_of_a_mirror_is_found(made_study: MadeStudy, mirror: Path, ask: Ask) -> None:
    ask("why", "--stale")
    assert made_study.verify().findings == ()
    edit_in_place(mirror, b"prompts 2")
    name = mirror.relative_to(made_study.root)
    done = ask("why", "--stale", status=1)
    assert f"\n{name}: is not what make_data read\n" in done.out
    again = "snakemake --force data/smoke/pool.parquet --config study=smoke mirror=mirror"
    assert again in done.out
    ask("show", "data/smoke/pool.parquet", status=1)
    (finding,) = made_study.verify().findings
    assert (finding.kind, finding.path) == ("source", str(name))
    assert TABLE in finding.downstream


def test_a_mirror_that_is_not_here_is_left_alone(
    made_study: MadeStudy, mirror: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    elsewhere = mirror.parents[2].rename(made_study.root / "moved")
    assert find_edits(made_study.root, made_study.lineage, [DATA_RECORD]) == []
    assert made_study.verify().findings == ()
    assert any(
        "of a mirror is not where jobs read them" in note for note in made_study.verify().notes
    )
    monkeypatch.setenv("RETU_MIRROR", str(elsewhere))
    (elsewhere / "owner/name/prompts.parquet").write_bytes(b"prompts 3")
    (edit,) = find_edits(made_study.root, made_study.lineage, [DATA_RECORD])
    assert edit.path == "moved/owner/name/prompts.parquet"
    assert read_record(made_study.root / DATA_RECORD).sources[0].folder == "mirror"
