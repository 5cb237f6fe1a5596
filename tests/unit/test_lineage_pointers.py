"""Records become DVC's pointers: equal to what DVC itself would write, and never half written."""

import fcntl
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from lineage_fixtures import DATA, RESULTS, SFT, TABLE, WEIGHTS
from pointer_fixtures import LOCK_FILE, PointerProject
from ruamel.yaml import YAML

from retu.core import hashing
from retu.core.errors import InputError
from retu.core.hashing import compute_md5
from retu.lineage.graph.dvc_lock import PIPELINE, lock_pointers, read_dvc_lock, to_yaml
from retu.lineage.queries import dvc_pointers
from retu.lineage.queries.dvc_pointers import Pointers
from retu.lineage.record import read_record
from retu.planning.stages import ROOT


def map_stage_names(project: PointerProject) -> dict[str, str]:
    lineage = project.study.lineage
    return Pointers(project.root, lineage, lineage.records, {}).stage_names


def test_dvc_itself_would_write_the_same_and_finds_nothing_changed(project: PointerProject) -> None:
    assert project.write_pointers().notes == ()
    ours = yaml.safe_load((project.root / LOCK_FILE).read_text())
    assert "up to date" in project.run_dvc("status")
    project.run_dvc("commit", "--force")
    assert yaml.safe_load((project.root / LOCK_FILE).read_text()) == ours
    assert len(ours["stages"]) == len(project.study.lineage.records)


def test_dvc_shows_the_same_ancestors(project: PointerProject) -> None:
    project.write_pointers()
    graph = project.run_dvc("dag", TABLE, "--mermaid")
    shown = set(re.findall(r'\["lineage/smoke/dvc.yaml:([^"]+)"\]', graph))
    lineage, names = project.study.lineage, map_stage_names(project)
    job = lineage.find_producer(TABLE)
    assert job is not None
    assert shown == {names[ancestor] for ancestor in lineage.list_ancestors([job])}
    assert len(shown) == 10


def test_commands_rebuild_and_end_in_the_key_of_the_record(project: PointerProject) -> None:
    project.write_pointers()
    stages = yaml.safe_load((project.root / f"lineage/smoke/{PIPELINE}").read_text())["stages"]
    name = map_stage_names(project)[f"{SFT}/grades.record.json"]
    record = read_record(project.root / f"{SFT}/grades.record.json")
    assert stages[name] == {
        "cmd": f"snakemake {SFT}/grades.record.json --config study=smoke  # key {record.key}",
        "wdir": "../..",
        "deps": [f"{SFT}/generations.parquet"],
        "outs": [f"{SFT}/grades.parquet", f"{SFT}/grades.record.json"],
    }
    assert "grades" in project.run_dvc(
        "repro", "--dry", "--single-item", f"lineage/smoke/{PIPELINE}:{name}"
    )


def test_stages_with_the_same_letters_have_names_of_their_own(project: PointerProject) -> None:
    records = project.study.lineage.records
    same = {
        f"{RESULTS}/{path}.record.json": next(iter(records.values())) for path in ("a/b", "a.b")
    }
    names = Pointers(project.root, project.study.lineage, same, {}).stage_names
    assert sorted(names.values()) == ["a-b", "a-b-2"]


def test_a_second_recording_writes_the_same_and_reads_no_big_file(
    project: PointerProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write_pointers()
    first = (project.root / LOCK_FILE).read_bytes()
    read: list[Path] = []

    def note_read(path: Path) -> str:
        read.append(path)
        return compute_md5(path)

    monkeypatch.setattr(hashing, "compute_md5", note_read)
    project.write_pointers()
    assert (project.root / LOCK_FILE).read_bytes() == first
    assert Path(TABLE).name in {path.name for path in read}
    assert Path(WEIGHTS).name not in {
        path.name for path in read if path.parent.name == "step-000020"
    }


def change_unseen(path: Path) -> None:
    """Change a file without a trace in its size or time."""
    stat, content = path.stat(), path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    # What this process has read of it is nothing that another would know.
    hashing._known.clear()


def change_same_size(path: Path) -> None:
    """Change a file and nothing of its size."""
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(path, (2e9, 2e9))


def append_byte(path: Path) -> None:
    """Append a byte."""
    with path.open("ab") as handle:
        handle.write(b" ")


def append_byte_unseen(path: Path) -> None:
    """Append a byte and put the time back."""
    stat = path.stat()
    append_byte(path)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def swap_file(path: Path) -> None:
    """Move another file of the same size and age there."""
    stat, other = path.stat(), path.with_name("other")
    other.write_bytes(b"x" * stat.st_size)
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize(
    ("name", "change"),
    [(f"{RESULTS}/curves.csv", change_unseen), (TABLE, change_unseen), (TABLE,
    change_same_size), (TABLE, append_byte),
     (WEIGHTS, change_unseen), (WEIGHTS, swap_file), (WEIGHTS, change_same_size), (WEIGHTS,
     append_byte),
     (WEIGHTS, append_byte_unseen), (TABLE, Path.unlink)],
)  # fmt: skip
def test_a_file_that_changed_since_its_record_is_refused(
    project: PointerProject, name: str, change: Callable[[Path], None]
) -> None:
    change(project.root / name)
    with pytest.raises(InputError, match=rf"^{name}: .* since its record .*record\.json") as caught:
        project.write_pointers()
    assert "\n" not in str(caught.value)
    assert not (project.root / LOCK_FILE).exists()


def test_records_that_do_not_fit_together_are_refused(project: PointerProject) -> None:
    job = f"{RESULTS}/curves.record.json"
    record = read_record(project.root / job)
    other = record.inputs[0].model_copy(update={"md5": "0" * 32})
    project.study.rewrite_record(job, inputs=[other])
    with pytest.raises(InputError, match=f"^{SFT}/grades.parquet: {job} read another one"):
        project.write_pointers()


def test_records_of_another_plan_are_left_out_and_named(project: PointerProject) -> None:
    project.study.rewrite_record(f"{RESULTS}/report.record.json", key="0" * 16)
    project.study.rewrite_record(f"{RESULTS}/tables/table_4.record.json", rule="make_tea")
    (note,) = project.write_pointers().notes
    assert f"{RESULTS}/tables/table_4.record.json, {RESULTS}/report.record.json (" in note
    named = read_dvc_lock(project.root, "smoke")
    assert TABLE not in named
    assert f"{RESULTS}/fits/robust.csv" in named


def test_of_two_records_of_a_job_the_newest_counts(project: PointerProject) -> None:
    job = f"{SFT}/grades.record.json"
    record = read_record(project.root / job)
    old = record.usage.model_copy(update={"ended": "2025-01-01T00:00:00+00:00"})
    (project.root / SFT / "old.record.json").write_text((project.root / job).read_text())
    project.study.rewrite_record(f"{SFT}/old.record.json", usage=old, path=f"{SFT}/old.record.json")
    (note,) = project.write_pointers().notes
    assert f"{SFT}/old.record.json" in note
    assert "up to date" in project.run_dvc("status")


def test_a_damaged_record_is_refused(project: PointerProject) -> None:
    path = project.root / RESULTS / "curves.record.json"
    path.write_text(path.read_text()[:100])
    with pytest.raises(InputError, match=r"curves\.record\.json: not a whole record"):
        project.write_pointers()


def test_what_data_dvc_describes_is_left_to_it(project: PointerProject) -> None:
    project.study.describe_data()
    before = (project.root / "data.dvc").read_bytes()
    assert project.write_pointers().notes == ()
    stage = yaml.safe_load((project.root / LOCK_FILE).read_text())["stages"]["data-smoke"]
    assert [entry["path"] for entry in stage["deps"]] == [DATA]
    assert [entry["path"] for entry in stage["outs"]] == [f"{DATA}.record.json"]
    assert "up to date" in project.run_dvc("status")
    assert '"data.dvc"' in project.run_dvc("dag", TABLE, "--mermaid")
    assert (project.root / "data.dvc").read_bytes() == before


def test_other_data_than_data_dvc_describes_are_named(project: PointerProject) -> None:
    project.study.describe_data()
    (project.root / DATA / "notes.txt").write_text("new")
    (note,) = project.write_pointers().notes
    assert note.startswith(f"{DATA}: is not what data.dvc says")
    assert "dvc commit --force data.dvc" in note


def test_without_dvc_the_pointers_are_written_and_no_cache(project: PointerProject) -> None:
    (project.root / ".dvc").rename(project.root / "elsewhere")
    (note,) = project.write_pointers().notes
    assert "no cache" in note
    assert read_dvc_lock(project.root, "smoke")


def test_an_interrupted_recording_leaves_the_pointers_as_they_were(
    project: PointerProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write_pointers()
    before = {path: path.read_bytes() for path in (project.root / "lineage/smoke").iterdir()}
    project.study.rewrite_record(f"{RESULTS}/report.record.json", key="0" * 16)

    def stop(content: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(dvc_pointers, "to_yaml", stop)
    with pytest.raises(KeyboardInterrupt):
        project.write_pointers()
    assert {p: p.read_bytes() for p in (project.root / "lineage/smoke").iterdir()} == before


def test_two_processes_record_at_once(project: PointerProject) -> None:
    """Both succeed, and what they leave is what one alone leaves."""
    code = (
        "import sys; from pathlib import Path; from lineage_fixtures import make_smoke_plan;"
        "from retu.lineage.queries.dvc_pointers import record_study;"
        "[record_study(Path(sys.argv[1]), 'smoke', make_smoke_plan()) for _ in range(5)]"
    )
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    environment = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, "-c", code, str(project.root)]
    both = [subprocess.Popen(command, env=environment) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    together = (project.root / LOCK_FILE).read_bytes()
    project.write_pointers()
    assert (project.root / LOCK_FILE).read_bytes() == together
    objects = [path for path in (project.cache.folder / "files").rglob("*") if path.is_file()]
    listed = set(read_dvc_lock(project.root, "smoke").values())
    assert listed <= {path.parent.name + path.name for path in objects}
    assert not [path for path in objects if path.name.endswith(".tmp")]


def test_the_writer_waits_for_the_other(project: PointerProject) -> None:
    """While one holds the study's lock, another cannot have it."""
    with lock_pointers(project.root, "smoke"):
        path = project.root / ".state" / "lineage-smoke.lock"
        with path.open("w") as handle, pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_hash_that_looks_like_a_number_stays_a_text() -> None:
    """DVC reads YAML 1.2, where 95e5649753430550 is infinite; PyYAML reads it as a text."""
    content = {"key": "95e5649753430550", "md5": "1234", "cmd": "a  # key 95e5649753430550"}
    text = to_yaml(content)
    assert YAML(typ="safe").load(text) == content
    assert yaml.safe_load(text) == content
    assert yaml.safe_load(text.splitlines()[2]) == {"cmd": content["cmd"]}


def test_a_stage_has_no_more_than_dvc_must_parse(project: PointerProject) -> None:
    project.write_pointers()
    read = yaml.safe_load((project.root / f"lineage/smoke/{PIPELINE}").read_text())["stages"]
    keys = {key for stage in read.values() for key in stage}
    assert keys == {"cmd", "wdir", "deps", "outs"}
    locked = yaml.safe_load((project.root / LOCK_FILE).read_text())["stages"]
    assert {key for stage in locked.values() for key in stage} == {"cmd", "deps", "outs"}
