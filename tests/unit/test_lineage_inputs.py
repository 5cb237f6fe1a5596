"""A job does not start from what is not as its own record tells."""

import shutil
from pathlib import Path

import pytest
from job_fixtures import OUT, RECORD, make_subphases_command, prepare_work_folder, run_launcher

from retu.core.errors import InputError
from retu.lineage.record import JobRecord
from retu.lineage.recording import pending_record

# A job that reads what the first has written.
NEXT = "results/smoke/next.csv"
AFTER = ["--tables", OUT, "--out", NEXT]


@pytest.fixture
def made_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A work folder in which one job has left its output and record."""
    folder = prepare_work_folder(tmp_path, monkeypatch)
    run_launcher(monkeypatch, make_subphases_command())
    pending_record.read_folder_records.cache_clear()
    return folder


def run_second_job(monkeypatch: pytest.MonkeyPatch) -> JobRecord:
    """Run the second job."""
    given = make_subphases_command(inputs=[OUT], outputs=[NEXT, "results/smoke/next.record.json"])
    monkeypatch.setattr("job_fixtures.RECORD", "results/smoke/next.record.json")
    return run_launcher(monkeypatch, [*given[: given.index("--") + 1], *AFTER])


def test_what_is_as_recorded_is_read(made_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [read.path for read in run_second_job(monkeypatch).inputs] == [OUT]


def test_an_edited_result_enters_nothing(
    made_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (made_folder / OUT).write_text("step\n1\n2\n")
    message = rf"^{OUT}: is not what subphases wrote .*; put it back \(retu lineage restore {OUT}\)"
    with pytest.raises(InputError, match=message):
        run_second_job(monkeypatch)
    assert not (made_folder / NEXT).exists()


def test_a_damaged_record_vouches_for_nothing(
    made_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = made_folder / RECORD
    record.write_text(record.read_text().replace("subphases", "subphrases", 1))
    with pytest.raises(InputError, match="has changed since it was written"):
        run_second_job(monkeypatch)


def test_records_of_another_study_count_where_the_cache_put_them(
    made_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(made_folder / "results/smoke", made_folder / "results/other")
    (made_folder / "results/other/subphases.csv").write_text("step\n7\n")
    given = make_subphases_command(inputs=["results/other/subphases.csv"])
    with pytest.raises(InputError, match=r"results/other/subphases\.csv: is not what"):
        run_launcher(monkeypatch, given)
