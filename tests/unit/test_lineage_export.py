"""Lineage for tools of others: RO-Crate and PROV-JSON."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from lineage_fixtures import DATA, JOBS, RESULTS, SFT, TABLE, MadeStudy, make_study

from retu.cli import command_line, lineage_command
from retu.core.hashing import compute_md5
from retu.lineage.queries import export
from retu.lineage.record import MirrorFile

pytest.importorskip("rocrate")
pytest.importorskip("prov")
METADATA = "ro-crate-metadata.json"


@pytest.fixture
def made_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeStudy:
    """The made-up finished study, which the commands take for theirs."""
    (tmp_path / "config.yaml").write_text("study: smoke\nbranching: null\n")
    monkeypatch.setattr(lineage_command, "ROOT", tmp_path)
    return make_study(tmp_path)


def run_retu_lineage(*words: str) -> int:
    """Exit status of `retu lineage export`."""
    return command_line.main(["lineage", "export", *words])


def read_entities(folder: Path) -> dict[str, dict[str, Any]]:
    """The entities of a crate by their identifiers."""
    graph = json.loads((folder / METADATA).read_text())["@graph"]
    return {entity["@id"]: entity for entity in graph}


def list_ids(value: Any) -> list[str]:
    """The identifiers that a property refers to."""
    return [entry["@id"] for entry in (value if isinstance(value, list) else [value])]


def test_a_crate_of_a_table_tells_runs_files_software_and_agent(
    made_study: MadeStudy, tmp_path: Path
) -> None:
    out = tmp_path / "crate"
    assert run_retu_lineage(TABLE, "--ro-crate", "--out", str(out), "--agent", "A. Tester") == 0
    found = read_entities(out)
    job = found[f"#job/{RESULTS}/tables/table_4.record.json"]
    assert job["@type"] == "CreateAction"
    assert list_ids(job["instrument"]) == ["#rule/make_table_4"]
    assert f"{RESULTS}/fits/robust.csv" in list_ids(job["object"])
    assert TABLE in list_ids(job["result"])
    assert (job["startTime"], job["endTime"]) == (
        "2026-01-02T03:04:00+00:00",
        "2026-01-02T03:04:05+00:00",
    )
    assert found[TABLE]["md5"] == compute_md5(made_study.root / TABLE) == compute_md5(out / TABLE)
    assert found[list_ids(job["agent"])[0]]["name"] == "A. Tester"
    actions = [e for e in found.values() if e["@type"] == "CreateAction"]
    assert len(actions) == len(JOBS) - 1 + 1, "all jobs but the report's, and the run itself"
    weights = found[f"#data/{SFT}/checkpoints"]
    assert weights["md5"].endswith(".dir")
    assert "Not in the crate" in weights["description"]
    run = found["#run"]
    assert list_ids(run["instrument"]) == ["Snakefile"]
    assert list_ids(run["result"]) == [TABLE]
    libraries = [e["name"] for e in found.values() if e["@id"].startswith("#library/")]
    assert sorted(libraries) == ["numpy", "python"]


def test_a_crate_of_a_study_is_an_archive(made_study: MadeStudy, tmp_path: Path) -> None:
    source = MirrorFile(path="a/b.parquet", folder="mirror", md5="0" * 32, size=3)
    made_study.rewrite_record(f"{DATA}.record.json", sources=[source])
    out = tmp_path / "smoke.crate.zip"
    assert run_retu_lineage("--study", "smoke", "--ro-crate", "--out", str(out)) == 0
    with zipfile.ZipFile(out) as archive:
        archive.extractall(tmp_path / "crate")
    found = read_entities(tmp_path / "crate")
    assert f"#job/{RESULTS}/report.record.json" in found
    assert found["#data/mirror/a/b.parquet"]["md5"] == "0" * 32
    assert found["#data/mirror/a/b.parquet"]["@type"] == "CreativeWork"
    for name, entity in found.items():
        if "File" in entity["@type"]:
            assert (tmp_path / "crate" / name).is_file(), name


def test_a_crate_takes_the_place_of_a_crate_alone(
    made_study: MadeStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    assert run_retu_lineage(TABLE, "--ro-crate", "--out", str(tmp_path / "mine")) == 2
    assert "is no RO-Crate; name another" in capsys.readouterr().err
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep me"
    for _ in range(2):
        assert run_retu_lineage(TABLE, "--ro-crate", "--out", str(tmp_path / "crate")) == 0


def test_prov_tells_what_used_and_made_what(made_study: MadeStudy, tmp_path: Path) -> None:
    out = tmp_path / "x.prov.json"
    assert (
        run_retu_lineage("--study", "smoke", "--prov", "--out", str(out), "--agent", "A. Tester")
        == 0
    )
    from prov.model import ProvDocument

    document = ProvDocument.deserialize(str(out))
    told = json.loads(out.read_text())
    assert len(told["activity"]) == len(JOBS)
    name = f"retu:{TABLE}/{compute_md5(made_study.root / TABLE)[:8]}"
    assert told["entity"][name]["retu:md5"] == compute_md5(made_study.root / TABLE)
    job = f"retu:job/{RESULTS}/tables/table_4.record.json"
    made_by = {g["prov:entity"]: g["prov:activity"] for g in told["wasGeneratedBy"].values()}
    assert made_by[name] == job
    used = {u["prov:entity"] for u in told["used"].values() if u["prov:activity"] == job}
    assert any("/fits/robust.csv/" in entity for entity in used)
    assert {"retu:snakemake", "retu:agent/A.%20Tester"} == set(told["agent"])
    assert len(list(document.get_records())) > 50


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "name an OUTPUT; of a whole study there is --ro-crate and --prov"),
        ((f"{RESULTS}/none.csv", "--prov"), "has no record"),
    ],
)
def test_what_cannot_be_exported_is_told_in_a_line(
    made_study: MadeStudy, words: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_retu_lineage(*words) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


def test_what_does_not_hold_together_is_not_exported(
    made_study: MadeStudy, capsys: pytest.CaptureFixture[str]
) -> None:
    (made_study.root / TABLE).write_text("a_post\n9\n")
    assert run_retu_lineage("--study", "smoke", "--ro-crate") == 2
    assert "is not what make_table_4 wrote" in capsys.readouterr().err
    assert not list(made_study.root.glob("*.zip"))


def test_a_library_that_is_not_installed_is_named(
    made_study: MadeStudy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(name: str) -> None:
        raise ModuleNotFoundError(name="rocrate")

    monkeypatch.setattr(export, "import_module", fail)
    assert run_retu_lineage(TABLE, "--ro-crate") == 2
    assert 'rocrate: is not installed here; pip install "retu[provenance]"' in (
        capsys.readouterr().err
    )
