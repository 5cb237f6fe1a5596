"""What `verify` says of a whole study: pointers, notes, text and JSON; every file is read once."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from lineage_fixtures import BASE, DATA, EVERYTHING, JOBS, RESULTS, SFT, TABLE, Ask, MadeStudy

from retu.core.errors import InputError
from retu.core.hashing import compute_md5
from retu.lineage.graph.dvc_lock import parse_dvc_lock
from retu.lineage.queries.verify import format_verify_report
from retu.lineage.queries.verify_findings import IntegrityFinding
from retu.lineage.record import GitCommit, read_record
from retu.planning.stages import ROOT


def get_only_finding(made: MadeStudy) -> IntegrityFinding:
    """The one finding that there is."""
    (finding,) = made.verify().findings
    return finding


def write_lock(made: MadeStudy, **changed: str) -> None:
    """Pointers as DVC has them, of every record and output; some with another hash."""
    stages = {}
    for number, job in enumerate(JOBS):
        record = read_record(made.root / job.record)
        hashes = {a.path: a.md5 for a in record.outputs} | {
            job.record: compute_md5(made.root / job.record)
        }
        outs = [{"path": path, "md5": changed.get(path, h)} for path, h in hashes.items()]
        stages[f"s{number}"] = {"cmd": "x", "outs": outs}
    path = made.root / "lineage" / "smoke" / "dvc.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))


def test_the_pointers_of_dvc_tell_of_a_record_that_was_sealed_anew(made_study: MadeStudy) -> None:
    write_lock(made_study)
    assert made_study.verify().findings == ()
    made_study.rewrite_record(f"{RESULTS}/curves.record.json", host={"name": "forged"})
    finding = get_only_finding(made_study)
    assert (finding.kind, finding.path) == ("pointer", f"{RESULTS}/curves.record.json")
    assert "is not the record that lineage/smoke/dvc.lock names; record it" in str(finding)
    assert f"{RESULTS}/curves.csv" in finding.downstream


def test_without_pointers_a_reader_is_told_what_cannot_be_noticed(made_study: MadeStudy) -> None:
    note = (
        "there is no lineage/smoke/dvc.lock: outputs that were changed together with their records"
        " may go unnoticed (retu lineage record --study smoke), then commit it"
    )
    assert made_study.verify().notes == (note,)
    made_study.rewrite_record(f"{RESULTS}/curves.record.json", host={"name": "forged"})
    assert made_study.verify().findings == ()
    write_lock(made_study)
    assert made_study.verify().notes == ()


def test_pointers_with_other_hashes_than_the_records(made_study: MadeStudy) -> None:
    write_lock(made_study, **{TABLE: "0" * 32})
    finding = get_only_finding(made_study)
    assert (finding.kind, finding.path) == ("pointer", TABLE)
    assert "lineage/smoke/dvc.lock names another hash" in finding.problem


def test_data_are_held_against_data_dvc(made_study: MadeStudy) -> None:
    made_study.describe_data()
    assert made_study.verify().findings == ()
    made_study.describe_data(md5="0" * 32 + ".dir")
    finding = get_only_finding(made_study)
    assert (finding.kind, finding.path) == ("pointer", DATA)
    assert f"{BASE}/checkpoints" in finding.downstream
    made_study.describe_data(path="data/other", md5="0" * 32 + ".dir")
    assert made_study.verify().findings == ()


def test_logs_and_markers_need_no_record(made_study: MadeStudy) -> None:
    (made_study.root / RESULTS / "logs").mkdir()
    (made_study.root / RESULTS / "logs" / "x.log").write_text("x")
    (made_study.root / SFT / "checkpoints" / ".snakemake_timestamp").touch()
    assert made_study.verify().findings == ()


def test_uncommitted_files_are_noted_and_nothing_more(made_study: MadeStudy) -> None:
    git = GitCommit(commit="f00d" * 10, dirty=["workflow_scripts/fit_curves.py"])
    made_study.rewrite_record(f"{RESULTS}/fits/robust.record.json", git=git)
    made_study.rewrite_record(f"{RESULTS}/curves.record.json", git=GitCommit(commit=None, dirty=[]))
    write_lock(made_study)
    verdict = made_study.verify()
    assert verdict.findings == ()
    assert verdict.notes == (
        "1 of 11 jobs ran with uncommitted files: workflow_scripts/fit_curves.py",
        "1 of 11 jobs ran outside a git repository with commits",
    )
    assert format_verify_report(verdict)[1:] == [f"note: {note}" for note in verdict.notes]


def test_what_is_known_of_git_and_of_versions_is_noted(made_study: MadeStudy) -> None:
    curves = f"{RESULTS}/curves.record.json"
    used = read_record(made_study.root / curves).environment
    other = used.model_copy(update={"differs": {"numpy": "2.4.6 -> 2.4.7"}})
    made_study.rewrite_record(
        curves, git=GitCommit(commit=None, dirty=[], reason="git does not run")
    )
    made_study.rewrite_record(f"{RESULTS}/subphases.record.json", environment=other)
    made_study.rewrite_record(f"{RESULTS}/fits/robust.record.json", environment=other)
    write_lock(made_study)
    assert made_study.verify().notes == (
        "1 of 11 jobs: commit unknown: git does not run",
        "2 of 11 jobs loaded other versions than are locked: numpy 2.4.6 -> 2.4.7",
    )


def test_text_shortens_and_json_does_not(made_study: MadeStudy, ask: Ask) -> None:
    (made_study.root / f"{DATA}/pool.parquet").write_text("other")
    lines = ask("verify", status=1).lines
    assert lines[0].endswith(f"MB: broken link: {DATA}/pool.parquet")
    assert lines[1].startswith(f"broken: {DATA}/pool.parquet: is not what make_data wrote")
    assert lines[2].startswith(f"  downstream: {BASE}/checkpoints, ")
    assert lines[2].endswith(" and 4 more")
    content = json.loads(ask("verify", "--json", status=1).out)
    assert (content["study"], content["jobs"], len(content["findings"])) == ("smoke", 11, 1)
    assert {*content["findings"][0]["downstream"]} == {p for p in EVERYTHING if p[:4] != "data"}
    (made_study.root / f"{DATA}/pool.parquet").write_text("pool")
    ask("verify")


def test_every_file_is_read_once(made_study: MadeStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    original = Path.open

    def count_reads(path: Path, mode: str = "r", *rest: object, **more: object) -> object:
        if path.is_relative_to(made_study.root) and ".record." not in path.name:
            opened.append(path)
        return original(path, mode, *rest, **more)  # type: ignore[call-overload]

    made_study.verify()
    monkeypatch.setattr(Path, "open", count_reads)
    for path in made_study.root.rglob("*"):
        if path.is_file():
            path.touch()
    made_study.verify()
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
        parse_dvc_lock(text, "x")


def test_hashes_of_a_lock_are_texts_whatever_they_look_like() -> None:
    entry = "{path: b, md5: 95e5649753430550, size: 1}"
    text = f"stages: {{a: {{deps: [{{path: b, md5: 1}}], outs: [{entry}]}}}}"
    assert parse_dvc_lock(text, "x") == {"b": "95e5649753430550"}
