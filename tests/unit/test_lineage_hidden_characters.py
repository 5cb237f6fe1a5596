"""No name from an archive, a record or a table reaches the terminal as it is."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from bundle_fixtures import repack_archive
from lineage_fixtures import CURVES, TABLE, Ask, MadeStudy

from retu.core.errors import InputError
from retu.core.text import escape_hidden
from retu.lineage.graph.dvc_lock import parse_dvc_lock
from retu.lineage.queries.bundle import ABOUT
from retu.lineage.queries.unbundle import open_bundle
from retu.lineage.record import GitCommit, digest_content, parse_record, read_record

EVIL = "x\x1b]0;owned\x07\x1b[2J\nall as recorded\u202e"


def assert_shown(text: str) -> None:
    """Nothing but lines of characters that can be seen."""
    assert all(line.isprintable() for line in text.split("\n"))


def reseal_json(content: bytes, change: Callable[[dict[str, object]], object]) -> bytes:
    """JSON with other content, sealed again."""
    told = json.loads(content)
    change(told)
    if "digest" in told:
        told["digest"] = digest_content(told)
    return json.dumps(told).encode()


FORGED: dict[str, Callable[[dict[str, bytes]], object]] = {
    "the name of a member": lambda files: files.update({EVIL: b"1"}),
    "the rule of a record": lambda files: files.update(
        {CURVES: reseal_json(files[CURVES], lambda told: told.update(rule=EVIL))}
    ),
    "the path of an output": lambda files: files.update(
        {CURVES: reseal_json(files[CURVES], lambda told: told["outputs"][0].update(path=EVIL))}  # type: ignore[index]
    ),
    "the commit of what it says of itself": lambda files: files.update(
        {ABOUT: reseal_json(files[ABOUT], lambda told: told.update(commits=[EVIL]))}
    ),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
def test_an_archive_prints_nothing_raw(
    archive: Path, forge: Callable[[dict[str, bytes]], object], ask: Ask
) -> None:
    done = ask("verify", str(repack_archive(archive, forge)), status={1, 2})
    assert_shown(done.out + done.err)
    assert "all as recorded" not in (done.out + done.err).split("\n")


def test_a_member_with_an_unseen_name_is_refused(archive: Path) -> None:
    for kind in (tarfile.REGTYPE, tarfile.SYMTYPE):
        stored = io.BytesIO()
        with tarfile.open(fileobj=stored, mode="w:gz") as content:
            member = tarfile.TarInfo(EVIL)
            member.type = kind
            content.addfile(member, io.BytesIO(b""))
        archive.write_bytes(stored.getvalue())
        with (
            pytest.raises(InputError, match="is no name of a file; do not") as said,
            open_bundle(archive),
        ):
            pass
        assert_shown(str(said.value))


def test_what_a_study_says_may_have_lines(made_study: MadeStudy) -> None:
    made_study.rewrite_record(CURVES, spec={"template": "a\nb"}, command=["--x", "a\nb"])
    assert read_record(made_study.root / CURVES).spec == {"template": "a\nb"}
    made_study.rewrite_record(CURVES, host={"name": "a\nb"})
    with pytest.raises(InputError, match=r"holds characters that cannot be shown"):
        read_record(made_study.root / CURVES)


def test_a_file_of_the_checkout_with_an_odd_name_is_written_out(made_study: MadeStudy) -> None:
    made_study.rewrite_record(CURVES, git=GitCommit(commit="f00d" * 10, dirty=["a\nb"]))
    assert read_record(made_study.root / CURVES).git.dirty == ["a\\nb"]
    text = (made_study.root / CURVES).read_text()
    assert parse_record(text, "x").git.dirty == ["a\\nb"]


def test_a_cell_of_a_table_is_written_out(made_study: MadeStudy, ask: Ask) -> None:
    (made_study.root / TABLE).write_text("a_post\n\x1b[2J71\n")
    text = ask("why", f"{TABLE}#1/a_post", status=1).out
    assert_shown(text)
    assert "\\x1b[2J71" in text


def test_pointers_with_an_unseen_name_are_refused() -> None:
    text = 'stages: {a: {outs: [{path: "a\\x1bb", md5: "0"}]}}'
    with pytest.raises(InputError, match=r"is no dvc\.lock of a study"):
        parse_dvc_lock(text, "x")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("äöü é 漢字 …", "äöü é 漢字 …"),
        ("a\tb\nc", "a\\tb\\nc"),
        ("\x9b1m\u202e", "\\x9b1m\\u202e"),
        ("", ""),
    ],
)
def test_only_what_cannot_be_seen_is_written_out(text: str, shown: str) -> None:
    assert escape_hidden(text) == shown
