"""A job does not start from what is not as its own record tells."""

import shutil
from pathlib import Path

import pytest
from job_fixtures import OUT, RECORD, command, launched, prepare

from retu.core.errors import InputError
from retu.lineage.record import Record
from retu.lineage.recording import input_checks

# A job that reads what the first has written.
NEXT = "results/smoke/next.csv"
AFTER = ["--tables", OUT, "--out", NEXT]


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A work folder in which one job has left its output and record."""
    folder = prepare(tmp_path, monkeypatch)
    launched(monkeypatch, command())
    input_checks.records_beside.cache_clear()
    return folder


def after(monkeypatch: pytest.MonkeyPatch) -> Record:
    """Run the second job."""
    given = command(inputs=[OUT], outputs=[NEXT, "results/smoke/next.record.json"])
    monkeypatch.setattr("job_fixtures.RECORD", "results/smoke/next.record.json")
    return launched(monkeypatch, [*given[: given.index("--") + 1], *AFTER])


def test_what_is_as_recorded_is_read(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [read.path for read in after(monkeypatch).inputs] == [OUT]


def test_an_edited_result_enters_nothing(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (made / OUT).write_text("step\n1\n2\n")
    message = rf"^{OUT}: is not what subphases wrote .*; put it back \(retu lineage restore {OUT}\)"
    with pytest.raises(InputError, match=message):
        after(monkeypatch)
    assert not (made / NEXT).exists()


def test_a_damaged_record_vouches_for_nothing(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = made / RECORD
    record.write_text(record.read_text().replace("subphases", "subphrases", 1))
    with pytest.raises(InputError, match="has changed since it was written"):
        after(monkeypatch)


def test_records_of_another_study_count_where_the_cache_put_them(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(made / "results/smoke", made / "results/other")
    (made / "results/other/subphases.csv").write_text("step\n7\n")
    given = command(inputs=["results/other/subphases.csv"])
    with pytest.raises(InputError, match=r"results/other/subphases\.csv: is not what"):
        launched(monkeypatch, given)
