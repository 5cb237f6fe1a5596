"""What `verify` says of a whole study: pointers, notes, text and JSON; every file is read once."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from lineage_fixtures import BASE, DATA, JOBS, RESULTS, SFT, TABLE, MadeStudy, make_study

from retu.core.errors import InputError
from retu.core.hashing import hash_tree, md5
from retu.lineage.graph.dvc_lock import lock_hashes
from retu.lineage.queries.verify import run_verify, told
from retu.lineage.queries.verify_findings import Finding
from retu.lineage.record import Commit, read_record
from retu.planning.stages import ROOT

EVERYTHING = tuple(
    path
    for job in JOBS
    for path in dict.fromkeys(path.partition("/step-")[0] for path in job.outputs)
)


@pytest.fixture
def made(tmp_path: Path) -> MadeStudy:
    """A made-up finished study."""
    return make_study(tmp_path)


def only(made: MadeStudy) -> Finding:
    """The one finding that there is."""
    (finding,) = made.verdict().findings
    return finding


def write_lock(made: MadeStudy, **changed: str) -> None:
    """Pointers as DVC has them, of every record and output; some with another hash."""
    stages = {}
    for number, job in enumerate(JOBS):
        record = read_record(made.root / job.record)
        hashes = {a.path: a.md5 for a in record.outputs} | {job.record: md5(made.root / job.record)}
        outs = [{"path": path, "md5": changed.get(path, h)} for path, h in hashes.items()]
        stages[f"s{number}"] = {"cmd": "x", "outs": outs}
    path = made.root / "lineage" / "smoke" / "dvc.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))


def test_the_pointers_of_dvc_tell_of_a_record_that_was_sealed_anew(made: MadeStudy) -> None:
    write_lock(made)
    assert made.verdict().findings == ()
    made.rewrite(f"{RESULTS}/curves.record.json", host={"name": "forged"})
    finding = only(made)
    assert (finding.kind, finding.path) == ("pointer", f"{RESULTS}/curves.record.json")
    assert "is not the record that lineage/smoke/dvc.lock names; record it" in str(finding)
    assert f"{RESULTS}/curves.csv" in finding.downstream


def test_without_pointers_a_reader_is_told_what_cannot_be_noticed(made: MadeStudy) -> None:
    note = (
        "there is no lineage/smoke/dvc.lock: outputs that were changed together with their records"
        " may go unnoticed (retu lineage record --study smoke), then commit it"
    )
    assert made.verdict().notes == (note,)
    made.rewrite(f"{RESULTS}/curves.record.json", host={"name": "forged"})
    assert made.verdict().findings == ()
    write_lock(made)
    assert made.verdict().notes == ()


def test_pointers_with_other_hashes_than_the_records(made: MadeStudy) -> None:
    write_lock(made, **{TABLE: "0" * 32})
    finding = only(made)
    assert (finding.kind, finding.path) == ("pointer", TABLE)
    assert "lineage/smoke/dvc.lock names another hash" in finding.problem


def test_data_are_held_against_data_dvc(made: MadeStudy) -> None:
    pointer = {"outs": [{"path": DATA, "md5": hash_tree(made.root / DATA).md5}]}
    (made.root / "data.dvc").write_text(yaml.safe_dump(pointer))
    assert made.verdict().findings == ()
    pointer["outs"][0]["md5"] = "0" * 32 + ".dir"
    (made.root / "data.dvc").write_text(yaml.safe_dump(pointer))
    finding = only(made)
    assert (finding.kind, finding.path) == ("pointer", DATA)
    assert f"{BASE}/checkpoints" in finding.downstream
    pointer["outs"][0]["path"] = "data/other"
    (made.root / "data.dvc").write_text(yaml.safe_dump(pointer))
    assert made.verdict().findings == ()


def test_logs_and_markers_need_no_record(made: MadeStudy) -> None:
    (made.root / RESULTS / "logs").mkdir()
    (made.root / RESULTS / "logs" / "x.log").write_text("x")
    (made.root / SFT / "checkpoints" / ".snakemake_timestamp").touch()
    assert made.verdict().findings == ()


def test_uncommitted_files_are_noted_and_nothing_more(made: MadeStudy) -> None:
    git = Commit(commit="f00d" * 10, dirty=["workflow_scripts/fit_curves.py"])
    made.rewrite(f"{RESULTS}/fits/robust.record.json", git=git)
    made.rewrite(f"{RESULTS}/curves.record.json", git=Commit(commit=None, dirty=[]))
    write_lock(made)
    verdict = made.verdict()
    assert verdict.findings == ()
    assert verdict.notes == (
        "1 of 11 jobs ran with uncommitted files: workflow_scripts/fit_curves.py",
        "1 of 11 jobs ran outside a git repository with commits",
    )
    assert told(verdict)[1:] == [f"note: {note}" for note in verdict.notes]


def test_what_is_known_of_git_and_of_versions_is_noted(made: MadeStudy) -> None:
    curves = f"{RESULTS}/curves.record.json"
    used = read_record(made.root / curves).environment
    other = used.model_copy(update={"differs": {"numpy": "2.4.6 -> 2.4.7"}})
    made.rewrite(curves, git=Commit(commit=None, dirty=[], reason="git does not run"))
    made.rewrite(f"{RESULTS}/subphases.record.json", environment=other)
    made.rewrite(f"{RESULTS}/fits/robust.record.json", environment=other)
    write_lock(made)
    assert made.verdict().notes == (
        "1 of 11 jobs: commit unknown: git does not run",
        "2 of 11 jobs loaded other versions than are locked: numpy 2.4.6 -> 2.4.7",
    )


def test_text_shortens_and_json_does_not(
    made: MadeStudy, capsys: pytest.CaptureFixture[str]
) -> None:
    (made.root / f"{DATA}/pool.parquet").write_text("other")
    options = argparse.Namespace(output=None, study="smoke", key=None, json=False, root=made.root)
    (made.root / "config.yaml").write_text("study: smoke\nbranching: null\nmirror: null\n")
    assert run_verify(options) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(f"MB: broken link: {DATA}/pool.parquet")
    assert lines[1].startswith(f"broken: {DATA}/pool.parquet: is not what make_data wrote")
    assert lines[2].startswith(f"  downstream: {BASE}/checkpoints, ")
    assert lines[2].endswith(" and 4 more")
    assert run_verify(argparse.Namespace(**{**vars(options), "json": True})) == 1
    content = json.loads(capsys.readouterr().out)
    assert (content["study"], content["jobs"], len(content["findings"])) == ("smoke", 11, 1)
    assert {*content["findings"][0]["downstream"]} == {p for p in EVERYTHING if p[:4] != "data"}
    (made.root / f"{DATA}/pool.parquet").write_text("pool")
    assert run_verify(options) == 0


def test_every_file_is_read_once(made: MadeStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    original = Path.open

    def counted(path: Path, mode: str = "r", *rest: object, **more: object) -> object:
        if path.is_relative_to(made.root) and ".record." not in path.name:
            opened.append(path)
        return original(path, mode, *rest, **more)  # type: ignore[call-overload]

    made.verdict()
    monkeypatch.setattr(Path, "open", counted)
    for path in made.root.rglob("*"):
        if path.is_file():
            path.touch()
    made.verdict()
    assert len(opened) == len(set(opened)) == 15


def test_verify_loads_nothing_that_it_does_not_use() -> None:
    """What reads bundles, signs and starts other programs is a tenth of a short `verify`."""
    asked = "import sys, retu.lineage.queries.verify; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert {"tarfile", "subprocess"}.isdisjoint(done.stdout.split())


@pytest.mark.parametrize(
    "text", ["", "[]", "stages:", "stages: [a]", "stages: {a: {outs: [b]}}", "stages: {a: b}",
             "stages: {a: {outs: [{path: b}]}}", "stages: {a: {outs: [{path: [b], md5: c}]}}",
             "stages: {a: {outs: c}}", 'stages: {a: {outs: [{path: "\\u001b", md5: c}]}}']
)  # fmt: skip
def test_what_is_no_lock_is_refused_in_a_line(text: str) -> None:
    with pytest.raises(InputError, match=r"^x: is no dvc\.lock of a study; restore it from git$"):
        lock_hashes(text, "x")


def test_hashes_of_a_lock_are_texts_whatever_they_look_like() -> None:
    entry = "{path: b, md5: 95e5649753430550, size: 1}"
    text = f"stages: {{a: {{deps: [{{path: b, md5: 1}}], outs: [{entry}]}}}}"
    assert lock_hashes(text, "x") == {"b": "95e5649753430550"}
