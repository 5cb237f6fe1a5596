"""The launcher of every rule: what it records, and what it refuses before anything runs."""

import hashlib
import json
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from job_fixtures import (
    OUT,
    RECORD,
    TABLES,
    make_stage_option,
    make_subphases_command,
    move_project_root,
    prepare_work_folder,
    run_launcher,
)
from lineage_fixtures import make_smoke_plan
from processes import run_command

from retu.cli import run_job
from retu.core.errors import InputError
from retu.lineage.recording import host
from retu.lineage.recording.host import describe_checkout
from retu.planning.code_identity import compute_code_digest
from retu.planning.stages import ROOT
from retu.runtime import usage
from retu.runtime.training_folders import get_state_folder
from retu.runtime.usage import JOB_FACTS


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A work folder with the inputs of the rule `subphases`."""
    return prepare_work_folder(tmp_path, monkeypatch)


def test_a_record_tells_what_ran_and_on_what(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv("RETU_CONFIG", '{"study": "smoke", "branching": null}')
    monkeypatch.setitem(JOB_FACTS, "eflops", 0.25)
    record = run_launcher(monkeypatch, make_subphases_command())
    assert (folder / OUT).read_text() == "step\n1\n1\n"
    key = make_smoke_plan().subphases().key
    assert (record.path, record.rule, record.key) == (RECORD, "subphases", key)
    assert record.command == ["--tables", *TABLES, "--out", OUT]
    assert (record.spec, record.seeds, record.wildcards) == (None, [], {})
    assert record.config == {"study": "smoke", "branching": None}
    assert record.code.module == "workflow_scripts.concatenate"
    assert record.code.digest == compute_code_digest("workflow_scripts.concatenate")
    assert "retu.core.tables" in record.code.modules
    assert record.environment.lock == "envs/analysis.txt"
    assert record.environment.versions["python"].startswith("3.11.")
    assert "pandas" in record.environment.versions
    assert record.git == describe_checkout(ROOT)
    assert (record.slurm_job, record.usage.eflops) == ("4711", 0.25)
    assert record.host["cores"] >= 1


def test_a_record_has_the_hashes_of_inputs_and_outputs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = run_launcher(monkeypatch, make_subphases_command())
    for path, artefact in zip([*TABLES, OUT], [*record.inputs, *record.outputs], strict=True):
        content = (folder / path).read_bytes()
        assert artefact.path == path
        assert artefact.md5 == hashlib.md5(content).hexdigest()
        assert artefact.size == len(content)
    assert record.slurm_job is None
    assert record.usage.eflops is None


def test_a_record_tells_what_it_cost(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = run_launcher(monkeypatch, make_subphases_command()).usage
    started, ended = (datetime.fromisoformat(time) for time in (usage.started, usage.ended))
    assert started.utcoffset() is not None
    assert started <= ended
    assert 0 < usage.recording_seconds <= usage.seconds
    assert usage.cpu_seconds > 0
    assert 20 < usage.peak_memory_mb < 100_000
    assert usage.peak_gpu_memory_mb is None


def test_names_in_a_rule_are_options_of_its_script() -> None:
    """The first files have no name; no file, a `_` or the record is no option."""
    strange = ["a b.csv", "it's.csv", '"$HOME".csv']
    names = [
        [["base", 1], ["reference_grades", 0], ["fits", 3], ["_order", 1]],
        [["out_csv", 1], ["_manifest", 1], ["record", 1]],
    ]
    told = make_stage_option(options=[["order", "B,A"], ["table_4", "claims/x y.csv"]])
    changes = {
        "stage": [told],
        "spec": ['{"seed": 3}'],
        "names": [json.dumps(names)],
        "inputs": ["m.json", "n.json", "base dir", *strange, "x"],
        "outputs": ["t 4.csv", "t.manifest.json", RECORD],
    }
    given = make_subphases_command(**changes)
    parsed, command = run_job.split_options([*given[: given.index("--")], "--", "--title", "T 1"])
    assert command == [
        *("--base", "base dir", "--fits", *strange, "--out-csv", "t 4.csv"),
        *("--order", "B,A", "--table-4", "claims/x y.csv"),
        *("--spec", '{"seed": 3}', "--title", "T 1"),
    ]
    assert parsed.outputs[-1] == RECORD


def test_a_rule_as_snakemake_calls_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = json.dumps([[["tables", 2]], [["out", 1], ["record", 1]]])
    given = make_subphases_command(names=[names])
    record = run_launcher(monkeypatch, given[: given.index("--") + 1])
    assert record.command == ["--tables", *TABLES, "--out", OUT]
    with pytest.raises(InputError, match=r"--names: "):
        run_launcher(monkeypatch, make_subphases_command(names=['[["tables"]]']))


def test_what_a_job_was_told_and_its_seeds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wildcards = {"model": "LabQwen", "seed": "3"}
    monkeypatch.setattr("workflow_scripts.concatenate.main", lambda: Path(OUT).write_text("x"))
    told = {"recipe": {"seed": 5}, "seeds": [7]}
    arguments = [
        *make_subphases_command(wildcards=[json.dumps(wildcards)]),
        "--spec",
        json.dumps(told),
    ]
    record = run_launcher(monkeypatch, arguments)
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
    record = run_launcher(
        monkeypatch, make_subphases_command(outputs=["made", RECORD], inputs=["results"])
    )
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
    move_project_root(monkeypatch, folder)
    before = [hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in (fact, lock)]

    def main() -> None:
        Path(OUT).write_text("x")
        fact.write_text("2\n")
        lock.write_text("a==2\n")

    monkeypatch.setattr("workflow_scripts.concatenate.main", main)
    told = make_stage_option(facts=["fact.csv"], lock="lock.txt")
    record = run_launcher(monkeypatch, make_subphases_command(stage=[told]))
    assert record.environment.differs["numpy"].startswith("(none) -> ")
    assert [record.facts["fact.csv"], record.environment.digest] == before


def test_code_that_changed_since_planning_does_not_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = make_stage_option(code="0" * 16)
    with pytest.raises(InputError, match="its code has changed since the workflow started"):
        run_launcher(monkeypatch, make_subphases_command(stage=[told]))
    assert not (folder / OUT).exists()
    assert not (folder / RECORD).exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": ["none.csv"]}, r"none\.csv: cannot be read \(No such file"),
        ({"outputs": [OUT, "none.csv", RECORD]}, r"none\.csv: cannot be read \(No such file"),
        ({"stage": ["{"]}, "--stage: "),
        ({"stage": ['{"key": "x"}']}, "--stage: code: .*required"),
        ({"stage": [make_stage_option(more=1)]}, "--stage: more: no such key"),
        (
            {"stage": [make_stage_option(facts=["none.csv"])]},
            r"none\.csv: cannot be read .*; restore it",
        ),
        (
            {"stage": [make_stage_option(lock="none.txt")]},
            r"none\.txt: cannot be read .*; restore it",
        ),
    ],
    ids=[
        *("input", "output", "half a stage", "a key left out", "a key too many"),
        *("a fact that is gone", "a lock that is gone"),
    ],
)
def test_bad_input_is_one_line_and_no_record(
    folder: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        run_launcher(monkeypatch, make_subphases_command(**changes))
    assert not (folder / RECORD).exists()


def test_a_job_that_fails_leaves_no_record_and_says_why(folder: Path) -> None:
    (folder / TABLES[0]).write_text("step\n")
    done = run_command(
        [sys.executable, "-m", "retu.cli.run_job", *make_subphases_command()],
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 2
    command = f"snakemake --force {TABLES[0]} --config study=smoke"
    assert done.stderr == f"error: {TABLES[0]}: has no rows; make it again ({command})\n"
    assert not (folder / RECORD).exists()


@pytest.mark.parametrize(
    ("changes", "config", "message"),
    [
        ({}, "{", "RETU_CONFIG: not JSON"),
        ({}, "[]", "job of subphases: config: .*dictionary"),
        ({"wildcards": ['{"seed": "one"}']}, "{}", "seed: not a whole number"),
        ({"wildcards": ['{"n": 3}']}, "{}", "job of subphases: wildcards.n: .*string"),
        ({"outputs": ["../x", RECORD]}, "{}", r"--outputs: path: .*below a folder.*\.\./x"),
        ({"outputs": [OUT, "/x"]}, "{}", "--outputs: path: .*below a folder.*/x"),
    ],
    ids=["half a config", "no config", "seed", "wildcards", "output outside", "record outside"],
)
def test_what_would_spoil_the_record_is_found_before_the_script_runs(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    config: str,
    message: str,
) -> None:
    """A script deletes the state that it resumes from when it is done."""
    monkeypatch.setenv("RETU_CONFIG", config)
    with pytest.raises(InputError, match=message):
        run_launcher(monkeypatch, make_subphases_command(**changes))
    assert not (folder / OUT).exists()


@pytest.mark.parametrize("spec", [[], ["{"]], ids=["none", "half"])
def test_a_malformed_specification_is_found_before_the_script_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, spec: list[str]
) -> None:
    with pytest.raises(InputError, match="--spec: not JSON"):
        run_launcher(monkeypatch, [*make_subphases_command(), "--spec", *spec])
    assert not (folder / OUT).exists()


def test_a_library_without_metadata_loses_no_job(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(host.RECORDED_LIBRARIES, "json", "no-such-distribution")
    record = run_launcher(monkeypatch, make_subphases_command())
    assert record.environment.versions["no-such-distribution"] == "unknown"
    assert record.environment.differs["no-such-distribution"] == "(none) -> unknown"


def test_versions_that_are_not_those_of_the_lock_are_recorded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = (ROOT / "envs" / "analysis.txt").read_text()
    assert "\npandas==" in lock
    (folder / "lock.txt").write_text(lock.replace("\npandas==", "\npandas==9."))
    move_project_root(monkeypatch, folder)
    environment = run_launcher(
        monkeypatch, make_subphases_command(stage=[make_stage_option(lock="lock.txt")])
    ).environment
    version = environment.versions["pandas"]
    assert environment.differs["pandas"] == f"9.{version} -> {version}"
    assert "numpy" not in environment.differs


def test_a_job_that_goes_on_from_an_earlier_attempt_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_launcher(monkeypatch, make_subphases_command()).usage.resumed is False
    get_state_folder(Path(OUT)).mkdir(parents=True)
    assert run_launcher(monkeypatch, make_subphases_command()).usage.resumed is True


def test_processes_that_a_job_starts_count(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = "x = bytearray(600_000_000)\nfor i in range(3_000_000): pass"

    def main() -> None:
        subprocess.run([sys.executable, "-c", work], check=True)
        Path(OUT).write_text("x")

    before = usage.measure_cpu_seconds()
    own = time.process_time()
    monkeypatch.setattr("workflow_scripts.concatenate.main", main)
    spent = run_launcher(monkeypatch, make_subphases_command()).usage
    assert spent.peak_memory_mb > 550
    assert spent.cpu_seconds - before > (time.process_time() - own) + 0.05
