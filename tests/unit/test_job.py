"""The launcher of every rule: what it records, and what it refuses before anything runs."""

import hashlib
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from lineage_fixtures import smoke_plan

from workflow_scripts import job
from workflow_scripts.errors import InputError
from workflow_scripts.identity import code_digest
from workflow_scripts.lineage.host import checkout
from workflow_scripts.lineage.record import Record, read_record
from workflow_scripts.study.stage import ROOT
from workflow_scripts.usage import FACTS

TABLES = ["results/smoke/a.csv", "results/smoke/b.csv"]
OUT = "results/smoke/subphases.csv"
RECORD = "results/smoke/subphases.record.json"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A work folder with the inputs of the rule `subphases`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.delenv("RETU_CONFIG", raising=False)
    for name in TABLES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("step\n1\n")
    return tmp_path


def planned(rule: str = "subphases", **changes: Any) -> str:
    """What Snakemake hands a job of its stage."""
    return json.dumps(json.loads(smoke_plan().stage(rule).job) | changes)


def command(**changes: Any) -> list[str]:
    """The command line of the rule `subphases`, with other values for some options."""
    given = {
        "rule": ["subphases"],
        "stage": [planned()],
        "wildcards": ["{}"],
        "inputs": TABLES,
        "outputs": [OUT, RECORD],
    } | changes
    options = [word for name, words in given.items() for word in (f"--{name}", *words)]
    return ["concatenate", *options, "--", "--tables", *TABLES, "--out", OUT]


def launched(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> Record:
    """Run the launcher in this process; the record that it left."""
    monkeypatch.setattr(sys, "argv", ["job", *arguments])
    job.main()
    return read_record(Path(RECORD))


def test_a_record_tells_what_ran_and_on_what(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv("RETU_CONFIG", '{"study": "smoke", "branching": null}')
    monkeypatch.setitem(FACTS, "eflops", 0.25)
    record = launched(monkeypatch, command())
    assert (folder / OUT).read_text() == "step\n1\n1\n"
    stage = smoke_plan().subphases()
    assert (record.path, record.rule, record.key) == (RECORD, "subphases", stage.key)
    assert record.command == ["--tables", *TABLES, "--out", OUT]
    assert (record.spec, record.seeds, record.wildcards) == (None, [], {})
    assert record.config == {"study": "smoke", "branching": None}
    assert record.code.module == "workflow_scripts.concatenate"
    assert record.code.digest == code_digest("workflow_scripts.concatenate")
    assert "workflow_scripts.tables_io" in record.code.modules
    assert record.environment.lock == "envs/analysis.txt"
    assert record.environment.versions["python"].startswith("3.11.")
    assert "pandas" in record.environment.versions
    assert record.git == checkout(ROOT)
    assert (record.slurm_job, record.usage.eflops) == ("4711", 0.25)
    assert record.host["cores"] >= 1


def test_a_record_has_the_hashes_of_inputs_and_outputs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = launched(monkeypatch, command())
    for path, artefact in zip([*TABLES, OUT], [*record.inputs, *record.outputs], strict=True):
        content = (folder / path).read_bytes()
        assert artefact.path == path
        assert artefact.md5 == hashlib.md5(content).hexdigest()
        assert artefact.size == len(content)
    assert record.slurm_job is None
    assert record.usage.eflops is None


def test_a_record_tells_what_it_cost(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = launched(monkeypatch, command()).usage
    started, ended = (datetime.fromisoformat(time) for time in (usage.started, usage.ended))
    assert started.utcoffset() is not None
    assert started <= ended
    assert 0 < usage.recording_seconds <= usage.seconds
    assert usage.cpu_seconds > 0
    assert 20 < usage.peak_memory_mb < 100_000
    assert usage.peak_gpu_memory_mb is None


def test_what_a_job_was_told_and_its_seeds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wildcards = {"model": "LabQwen", "seed": "3"}
    monkeypatch.setattr("workflow_scripts.concatenate.main", lambda: Path(OUT).write_text("x"))
    told = {"recipe": {"seed": 5}, "seeds": [7]}
    arguments = [*command(wildcards=[json.dumps(wildcards)]), "--spec", json.dumps(told)]
    record = launched(monkeypatch, arguments)
    assert (record.spec, record.wildcards) == (told, wildcards)
    assert record.seeds == [3, 5, 7]
    assert "--spec" not in record.command


def test_folders_are_recorded_with_their_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def main() -> None:
        for step in ("10", "20"):
            (folder / "made" / step).mkdir(parents=True)
            (folder / "made" / step / "weights").write_text(step)

    monkeypatch.setattr("workflow_scripts.concatenate.main", main)
    record = launched(monkeypatch, command(outputs=["made", RECORD], inputs=["results"]))
    (made,) = record.outputs
    assert [file.path for file in made.files] == ["10/weights", "20/weights"]
    assert made.md5.endswith(".dir")
    # Those of an input are in the record of its maker.
    assert record.inputs[0].files == ()


def test_facts_and_locks_are_those_from_before_the_job(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fact, lock = folder / "fact.csv", folder / "lock.txt"
    fact.write_text("1\n")
    lock.write_text("a==1\n")
    monkeypatch.setattr(job, "ROOT", folder)
    before = [hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in (fact, lock)]

    def main() -> None:
        Path(OUT).write_text("x")
        fact.write_text("2\n")
        lock.write_text("a==2\n")

    monkeypatch.setattr("workflow_scripts.concatenate.main", main)
    stage = planned(facts=["fact.csv"], lock="lock.txt")
    record = launched(monkeypatch, command(stage=[stage]))
    assert [record.facts["fact.csv"], record.environment.digest] == before


def test_code_that_changed_since_planning_does_not_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = planned(code="0" * 16)
    with pytest.raises(InputError, match="its code has changed since the workflow started"):
        launched(monkeypatch, command(stage=[stage]))
    assert not (folder / OUT).exists()
    assert not (folder / RECORD).exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": ["none.csv"]}, r"none\.csv: cannot be read \(No such file"),
        ({"outputs": [OUT, "none.csv", RECORD]}, r"none\.csv: cannot be read \(No such file"),
        ({"stage": ["{"]}, "--stage: "),
        ({"stage": ['{"key": "x"}']}, "--stage: code: .*required"),
        ({"stage": [planned(more=1)]}, "--stage: more: .*not permitted"),
    ],
    ids=["input", "output", "half a stage", "a key left out", "a key too many"],
)
def test_bad_input_is_one_line_and_no_record(
    folder: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        launched(monkeypatch, command(**changes))
    assert not (folder / RECORD).exists()


def test_a_job_that_fails_leaves_no_record_and_says_why(folder: Path) -> None:
    (folder / TABLES[0]).write_text("step\n")
    done = subprocess.run(
        [sys.executable, "-m", "workflow_scripts.job", *command()],
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == f"error: {TABLES[0]}: has no rows; delete it and run again\n"
    assert not (folder / RECORD).exists()
