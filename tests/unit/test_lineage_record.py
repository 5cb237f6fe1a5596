"""Records: whole, sealed and readable for ever; and what they tell of the last digits."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lineage_fixtures import RESULTS, make_study
from pydantic import ValidationError

from retu.core.errors import InputError
from retu.lineage.numerics import read_variables
from retu.lineage.queries.record_diff import compare_records
from retu.lineage.record import (
    Artefact,
    ChangedRecordError,
    FileEntry,
    JobRecord,
    digest_content,
    find_seeds,
    parse_record,
    read_record,
    write_record,
)

ROOT = Path(__file__).resolve().parents[2]
FIRST = ROOT / "tests" / "golden" / "record_v1.json"
"""A record as the first version wrote it, before any field with a default was added."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A record of a made-up study."""
    return make_study(tmp_path).root / RESULTS / "fits" / "robust.record.json"


def change_record(path: Path, **changes: Any) -> None:
    """Change a record file without sealing it again."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_record_reads_as_it_was_written(path: Path) -> None:
    record = read_record(path)
    assert record.rule == "fit_curves"
    assert record.wildcards == {"protocol": "robust"}
    assert record.digest == digest_content(json.loads(path.read_text()))
    before = path.read_bytes()
    write_record(path, record)
    assert path.read_bytes() == before


def test_the_first_records_are_read_for_ever() -> None:
    record = read_record(FIRST)
    stored = json.loads(FIRST.read_text())
    assert record.digest == stored["digest"] == "2a8710ded28aa93502325bde2fae3e69"
    assert (record.code.options, record.git.reason) == (None, None)
    assert (record.environment.differs, record.usage.resumed) == ({}, False)
    for part, name in (("code", "options"), ("git", "reason"), ("usage", "resumed")):
        assert name not in stored[part]


def test_the_first_records_are_sealed(tmp_path: Path) -> None:
    text = FIRST.read_text()
    with pytest.raises(ChangedRecordError):
        parse_record(text.replace('"cores": 2', '"cores": 3'), "a.record.json")
    # Written again, it has all that is known now, and another seal.
    write_record(tmp_path / "x.record.json", parse_record(text, "a.record.json"))
    again = read_record(tmp_path / "x.record.json")
    assert again.digest not in ("", json.loads(text)["digest"])


PATHS = ["", ".", "/etc/passwd", "..", "../x", "a/../../x", "a/..", "x\0"]


@pytest.mark.parametrize("path", PATHS)
def test_paths_that_lead_elsewhere_are_refused(path: str) -> None:
    for kind in (Artefact, FileEntry):
        assert kind(path="results/a..b/c", md5="", size=0).path == "results/a..b/c"
        with pytest.raises(ValidationError, match="must be a path below a folder"):
            kind(path=path, md5="", size=0)


def test_a_record_that_leads_elsewhere_is_refused(path: Path) -> None:
    content = json.loads(path.read_text())
    content["outputs"][0]["path"] = "../../x"
    sealed = json.dumps({**content, "digest": digest_content(content)})
    with pytest.raises(InputError, match=r"not a record \(outputs.0.path: .*below a folder"):
        parse_record(sealed, "a.record.json")


@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": [1]},
        {"key": "0" * 16},
        {"command": []},
        {"facts": {"claims/x.csv": "0" * 16}},
        {"digest": "0" * 32},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_any_change_breaks_the_seal(path: Path, changes: dict[str, Any]) -> None:
    change_record(path, **changes)
    with pytest.raises(
        ChangedRecordError, match="has changed since it was written; restore"
    ) as caught:
        read_record(path)
    assert caught.value.record.rule == "fit_curves"


def test_every_half_of_a_record_is_refused(path: Path) -> None:
    text = path.read_text()
    for length in range(0, len(text) - 2, 97):
        with pytest.raises(InputError, match=r"a/b: not a whole record .*make it again"):
            parse_record(text[:length], "a/b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", r"not a record \(\(top level\): "),
        ("{}", r"not a record \(path: field required\)"),
        ('{"version": 1, "path": 3}', r"not a record \(path: .*string"),
        ('{"version": 2}', "of version 2, and this project reads up to 1; update the project"),
        ('{"version": 0}', r"not a record \(version: "),
    ],
)
def test_what_is_no_record_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_record(text, "a.record.json")


def test_unknown_keys_are_refused(path: Path) -> None:
    change_record(path, more=1)
    with pytest.raises(InputError, match=r"not a record \(more: .*not permitted"):
        read_record(path)


def test_unreadable_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not readable"):
        read_record(tmp_path / "none.record.json")
    (tmp_path / "binary.record.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(InputError, match="called: not readable"):
        read_record(tmp_path / "binary.record.json", "called")


def test_seeds_are_found_wherever_they_are() -> None:
    spec = {"data": {"seed": 3, "n": 5}, "runs": [{"seed": 1}], "seeds": [7, 8], "seeded": 9}
    assert find_seeds([spec, {"seed": "0"}]) == {0, 1, 3, 7, 8}
    assert find_seeds({"seed": None}) == set()
    assert find_seeds(None) == set()


WRITER = """
import sys
from pathlib import Path
from retu.lineage.record import read_record, write_record
path, name = Path(sys.argv[1]), sys.argv[2]
record = read_record(path).model_copy(update={"command": [name] * 2000})
for _ in range(60):
    write_record(path, record)
"""


def test_two_jobs_that_write_one_record_leave_a_whole_one(path: Path) -> None:
    """As two Snakemake runs with --nolock would: the last one wins, nobody ever sees half."""
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), name], cwd=ROOT)
        for name in ("one", "two")
    ]
    seen: set[str] = set()
    while any(writer.poll() is None for writer in writers):
        record = read_record(path)
        seen.add(record.command[0])
        assert record.command == [record.command[0]] * 2000 or record.command[0] == "--out"
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen & {"one", "two"}
    assert read_record(path).command[0] in ("one", "two")
    assert [other.name for other in path.parent.iterdir() if other.suffix == ".tmp"] == []


def test_the_schema_is_that_of_records(path: Path) -> None:
    schema = json.loads((ROOT / "schemas" / "record.schema.json").read_text())
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) <= json.loads(path.read_text()).keys()
    assert set(schema["properties"]) == set(JobRecord.model_fields)


ASKED = (
    "import json, numpy, scipy.linalg; from retu.lineage.numerics import *;"
    "print(json.dumps([describe_kernels(), read_variables()]))"
)


def describe_process(**changes: str) -> tuple[dict[str, str], dict[str, str]]:
    """What a process tells of its kernels and variables."""
    done = subprocess.run(
        [sys.executable, "-c", ASKED],
        env={**os.environ, **changes},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    kernels, variables = json.loads(done.stdout)
    return kernels, variables


def test_variables_are_told_and_nothing_else() -> None:
    told = read_variables(
        {
            "OPENBLAS_CORETYPE": "Haswell",
            "OMP_NUM_THREADS": "1",
            "NPY_DISABLE_CPU_FEATURES": "X86_V4",
            "PYTHONHASHSEED": "0",
            "HF_TOKEN": "hf_secret",
            "AWS_SECRET_ACCESS_KEY": "x",
            "HOME": "/home/x",
            "MKL_CBWR": "a\nb",
        }
    )
    assert told == {
        "MKL_CBWR": "a\\nb",
        "NPY_DISABLE_CPU_FEATURES": "X86_V4",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_CORETYPE": "Haswell",
        "PYTHONHASHSEED": "0",
    }


@pytest.mark.skipif(
    not Path("/proc/self/maps").exists() or os.uname().machine != "x86_64",
    reason="kernels are told of on Linux and chosen here for x86-64",
)
def test_another_kernel_is_told_of() -> None:
    plain, _ = describe_process()
    other, variables = describe_process(
        OPENBLAS_CORETYPE="Prescott", NPY_DISABLE_CPU_FEATURES="X86_V3"
    )
    assert "openblas" in plain["blas"]
    assert other["blas"] != plain["blas"]
    assert "X86_V3" not in other.get("cpu_features", "")
    assert variables["OPENBLAS_CORETYPE"] == "Prescott"


def test_a_difference_by_chance_names_the_kernel(tmp_path: Path) -> None:
    made = make_study(tmp_path)
    a = made.lineage.records[f"{RESULTS}/fits/robust.record.json"]
    outputs = [a.outputs[0].model_copy(update={"md5": "0" * 32})]
    variables = {"OPENBLAS_CORETYPE": "Prescott"}
    used = a.environment.model_copy(update={"variables": variables})
    b = a.model_copy(
        update={"outputs": outputs, "environment": used, "host": {**a.host, "blas": "Katmai"}}
    )
    found = compare_records(a, b, lambda path: True)
    assert "blas: only in B" in found.parts["chance"]
    assert "OPENBLAS_CORETYPE: only in B" in found.parts["chance"]
    same = compare_records(a, b.model_copy(update={"outputs": a.outputs}), lambda path: True)
    assert same.parts == {}
