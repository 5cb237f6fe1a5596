"""Lineage for tools of others: RO-Crate, which the public validator accepts, and PROV-JSON."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from lineage_fixtures import DATA, JOBS, RESULTS, SFT, TABLE, Ask, MadeStudy

from retu.core.hashing import compute_md5
from retu.lineage.queries import export
from retu.lineage.record import MirrorFile

rocrate = pytest.importorskip("rocrate")
pytest.importorskip("prov")
METADATA = "ro-crate-metadata.json"


def read_entities(folder: Path) -> dict[str, dict[str, Any]]:
    """The entities of a crate by their identifiers."""
    graph = json.loads((folder / METADATA).read_text())["@graph"]
    return {entity["@id"]: entity for entity in graph}


def list_ids(value: Any) -> list[str]:
    """The identifiers that a property refers to."""
    return [entry["@id"] for entry in (value if isinstance(value, list) else [value])]


def test_a_crate_of_a_table_tells_runs_files_software_and_agent(
    made_study: MadeStudy, tmp_path: Path, ask: Ask
) -> None:
    out = tmp_path / "crate"
    ask("export", TABLE, "--ro-crate", "--out", str(out), "--agent", "A. Tester")
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


def test_a_crate_of_a_study_is_an_archive(made_study: MadeStudy, tmp_path: Path, ask: Ask) -> None:
    source = MirrorFile(path="a/b.parquet", folder="mirror", md5="0" * 32, size=3)
    made_study.rewrite_record(f"{DATA}.record.json", sources=[source])
    out = tmp_path / "smoke.crate.zip"
    ask("export", "--study", "smoke", "--ro-crate", "--out", str(out))
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
    made_study: MadeStudy, tmp_path: Path, ask: Ask
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    done = ask("export", TABLE, "--ro-crate", "--out", str(tmp_path / "mine"), status=2)
    assert "is no RO-Crate; name another" in done.err
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep me"
    for _ in range(2):
        ask("export", TABLE, "--ro-crate", "--out", str(tmp_path / "crate"))


def test_prov_tells_what_used_and_made_what(
    made_study: MadeStudy, tmp_path: Path, ask: Ask
) -> None:
    out = tmp_path / "x.prov.json"
    words = ("--study", "smoke", "--prov", "--out", str(out), "--agent", "A. Tester")
    ask("export", *words)
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
    made_study: MadeStudy, words: tuple[str, ...], told: str, ask: Ask
) -> None:
    done = ask("export", *words, status=2)
    assert told in done.err
    assert done.err.count("\n") == 1


def test_what_does_not_hold_together_is_not_exported(made_study: MadeStudy, ask: Ask) -> None:
    (made_study.root / TABLE).write_text("a_post\n9\n")
    done = ask("export", "--study", "smoke", "--ro-crate", status=2)
    assert "is not what make_table_4 wrote" in done.err
    assert not list(made_study.root.glob("*.zip"))


def test_a_library_that_is_not_installed_is_named(
    made_study: MadeStudy, monkeypatch: pytest.MonkeyPatch, ask: Ask
) -> None:
    def fail(name: str) -> None:
        raise ModuleNotFoundError(name="rocrate")

    monkeypatch.setattr(export, "import_module", fail)
    assert (
        'rocrate: is not installed here; pip install "retu[provenance]"'
        in ask("export", TABLE, "--ro-crate", status=2).err
    )


VERSION = "roc-validator==0.13.0"
CONTEXT = Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld"
SCRIPT = Path(__file__).with_name("validate_crate.py")


@pytest.fixture(scope="module")
def validator(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Python of an environment with the validator."""
    given = os.environ.get("RETU_ROC_VALIDATOR")
    if given:
        return given
    folder = tmp_path_factory.mktemp("validator") / "venv"
    python = str(folder / "bin" / "python")
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [python, "-m", "pip", "install", "--quiet", "--retries", "1", VERSION],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode != 0:
            pytest.skip(f"{VERSION} cannot be installed here")
    return python


def run_validator(python: str, crate: Path) -> "subprocess.CompletedProcess[str]":
    """Run the validator on a crate."""
    command = [python, str(SCRIPT), str(CONTEXT), str(crate)]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.fixture
def crate(made_study: MadeStudy, tmp_path: Path, ask: Ask) -> Path:
    """A crate of a table."""
    out = tmp_path / "crate"
    words = (TABLE, "--ro-crate", "--out", str(out), "--agent", "A. Tester")
    ask("export", *words)
    return out


@pytest.mark.slow
def test_a_crate_is_accepted(validator: str, crate: Path) -> None:
    done = run_validator(validator, crate)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("0 issues by provenance-run-crate\n")


@pytest.mark.slow
def test_a_crate_without_its_steps_is_not(validator: str, crate: Path) -> None:
    metadata = crate / "ro-crate-metadata.json"
    content = json.loads(metadata.read_text())
    (workflow,) = [e for e in content["@graph"] if e["@id"] == "Snakefile"]
    del workflow["step"]
    metadata.write_text(json.dumps(content))
    done = run_validator(validator, crate)
    assert done.returncode == 1
    assert "HowToStep" in done.stdout
