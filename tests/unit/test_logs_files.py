"""What the samples of logs do not show: many records, links, deleted runs, read-only files."""

import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import pytest

from retu.core.errors import InputError
from retu.logs import LogChoice, read_logs
from retu.logs.log_choice import check_choice
from retu.logs.log_files import walk_folder
from retu.logs.wire import compute_masked_crc

GOLDEN = Path(__file__).parents[1] / "golden/logs"


def encode_field(number: int, content: bytes) -> bytes:
    """A protobuf field of bytes, up to 127."""
    return bytes([number << 3 | 2, len(content)]) + content


def encode_scalar(tag: str, step: int, value: float) -> bytes:
    """A record of an event file."""
    scalar = encode_field(1, tag.encode()) + b"\x15" + struct.pack("<f", value)
    event = b"\x10" + bytes([step & 0x7F | 0x80, step >> 7 & 0x7F | 0x80, step >> 14])
    event += encode_field(5, encode_field(1, scalar))
    length = struct.pack("<Q", len(event))
    crcs = [struct.pack("<I", compute_masked_crc(part)) for part in (length, event)]
    return length + crcs[0] + event + crcs[1]


def test_no_point_is_dropped_from_a_long_event_file(tmp_path: Path) -> None:
    count = 12_000  # TensorBoard's own reader keeps 10,000
    records = b"".join(encode_scalar("eval/acc", step, step / count) for step in range(count))
    (tmp_path / "events.out.tfevents.1.host.1.0").write_bytes(records)
    points = read_logs([tmp_path]).points
    assert points["x"].tolist() == list(range(count))
    assert points["score"].iloc[3000] == 25.0


def test_event_files_are_sorted_by_their_start_and_do_not_name_the_host(tmp_path: Path) -> None:
    for name, value in (("10.host.1.0", 0.5), ("9.zzz.1.0", 0.25)):
        record = encode_scalar("eval/acc", 7, value) + encode_scalar("eval/acc", 9, value)
        (tmp_path / f"events.out.tfevents.{name}").write_bytes(
            encode_scalar("eval/acc", 5, 0.1) * (name[0] == "9") + record
        )
    reading = read_logs([tmp_path])
    assert reading.points["score"].tolist() == [10.0, 50.0, 50.0]
    assert set(reading.points["source"]) == {str(tmp_path)}
    assert not any("host" in note or "zzz" in note for note in reading.notes)


def test_a_link_to_the_latest_run_counts_nothing_twice(tmp_path: Path) -> None:
    source = next((GOLDEN / "wandb/plain/wandb").iterdir())
    run = tmp_path / source.name
    run.mkdir()
    (run / "run-6jr4z16r.wandb").write_bytes((source / "run-6jr4z16r.wandb").read_bytes())
    (tmp_path / "latest-run").symlink_to(run, target_is_directory=True)
    reading = read_logs([tmp_path], LogChoice(metric="eval/acc"))
    assert len(reading.points) == 4
    assert [path.parent for path in walk_folder(tmp_path)] == [run]


def test_checkpoints_are_sorted_as_numbers(tmp_path: Path) -> None:
    for name in ("checkpoint-100", "checkpoint-20", ".git"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.csv").write_text("step,score\n")
    found = [path.parent.name for path in walk_folder(tmp_path)]
    assert found == ["checkpoint-20", "checkpoint-100"]


def test_deleted_runs_of_mlflow_are_left_out_and_the_file_stays(tmp_path: Path) -> None:
    script = (GOLDEN / "mlflow/sqlite_hf_killed_and_resumed.six_tables.sql").read_text()
    path = tmp_path / "ml flow#1.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(f"begin;\n{script};\ncommit;")
        database.execute("update runs set lifecycle_stage = 'deleted' where run_uuid like 'e56%'")
        database.commit()
    before = path.read_bytes()
    tmp_path.chmod(0o500)
    try:
        points = read_logs([path], LogChoice(evaluation_set="math")).points
    finally:
        tmp_path.chmod(0o700)
    assert points["x"].tolist() == [10, 15, 20]
    assert path.read_bytes() == before


def test_joining_the_same_file_twice_changes_nothing() -> None:
    path = GOLDEN / "transformers/plain_two_evals.trainer_state.json"
    choice = LogChoice(evaluation_set="math")
    once, twice = (read_logs(paths, choice).points for paths in ([path], [path, path]))
    assert once.equals(twice)


@pytest.mark.parametrize(
    ("choice", "part"),
    [
        (LogChoice(x_unit="epochs"), "--x-unit epochs: must be step or eflops or tokens"),
        (LogChoice(unit="permille"), "--unit permille: must be percent or fraction"),
        (LogChoice(repeated="first"), "--repeated first: must be last"),
        (LogChoice(n_problems=0), "--n-problems 0: must be at least 1"),
    ],
)
def test_flags_that_cannot_be(choice: LogChoice, part: str) -> None:
    with pytest.raises(InputError, match=part):
        check_choice(choice)


def test_no_path_is_refused() -> None:
    with pytest.raises(InputError, match="no file of curves given"):
        read_logs([])
