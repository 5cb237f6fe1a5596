"""What records say of a study's times, and how `retu plan` uses it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from retu.cli import command_line, plan_command
from retu.config.load import load_training_study
from retu.config.study import Config
from retu.cost.measured import JobTime, learn_paces, read_measured_seconds, time_jobs
from retu.cost.workload import JobWork, list_study_work
from retu.lineage.record import JobRecord, write_record
from retu.planning.lab_plan import LabPlan
from retu.planning.stages import Stage

ROOT = Path(__file__).resolve().parents[2]
RecordWriter = Callable[..., None]


def make_work(name: str, amount: float, model: str = "A", gpus: int = 1) -> JobWork:
    """A made-up training job."""
    return JobWork(Stage("train_sft", json.dumps({"name": name}), "lab"), name, model, amount, gpus)


def find_time(times: list[JobTime], name: str) -> JobTime:
    """The time of a job by its name."""
    return next(time for time in times if time.work.name == name)


def test_a_job_is_estimated_by_the_others_of_its_model() -> None:
    works = [make_work("a", 10), make_work("b", 30), make_work("c", 20), make_work("d", 5, "B")]
    measured = {works[0].stage.key: 3600.0, works[1].stage.key: 6 * 3600.0}
    times = time_jobs(works, measured)
    # a and b took 7 hours for 40 units; each is compared with what the other one tells of it.
    assert find_time(times, "c").estimated == pytest.approx(20 * 7 / 40)
    assert find_time(times, "c").measured is None
    first = find_time(times, "a")
    assert first.estimated == pytest.approx(10 * 6 / 30)
    assert first.measured == 1.0
    # Nothing of model B has run: any model of the kind stands in.
    assert find_time(times, "d").estimated == pytest.approx(5 * 7 / 40)
    pace = learn_paces(works, measured)["train_sft", "A"]
    assert (pace.jobs, pace.fastest, pace.slowest) == (2, 0.1, 0.2)


def test_a_model_of_its_own_counts_before_others() -> None:
    works = [make_work("a", 10), make_work("b", 10, "B"), make_work("c", 10, "B")]
    measured = {works[0].stage.key: 3600.0, works[1].stage.key: 2 * 3600.0}
    assert find_time(time_jobs(works, measured), "c").estimated == pytest.approx(2)


def test_gpus_multiply_hours_and_assumptions_stand_in() -> None:
    works = [make_work("a", 16, gpus=8), make_work("b", 4)]
    times = time_jobs(works, {works[0].stage.key: 3 * 3600.0}, assumed=1.0)
    assert find_time(times, "a") == JobTime(works[0], 16, 24)
    assert find_time(times, "b").estimated == pytest.approx(6)
    assert find_time(time_jobs(works, {}, assumed=1.0), "a").hours == 16
    assert find_time(time_jobs(works, {}), "a").hours is None


@pytest.fixture
def plan() -> LabPlan:
    """The smoke study's plan."""
    return LabPlan(load_training_study("smoke"), Config())


@pytest.fixture
def write(tmp_path: Path, plan: LabPlan) -> RecordWriter:
    """Leaves the record of an SFT run of the smoke study."""
    example = json.loads((ROOT / "tests/golden/record_v1.json").read_text(encoding="utf-8"))

    def write(seconds: float, **changed: object) -> None:
        run = plan.list_sft_runs()[0]
        wildcards = {"model": run.model, "dataset": run.dataset, "seed": str(run.seed)}
        path = f"results/smoke/{run.path}/train.record.json"
        usage = {**example["usage"], "seconds": seconds, "resumed": False}
        spec = json.loads(plan.train_sft(**wildcards).spec)
        content = {
            **{**example, "rule": "train_sft", "wildcards": wildcards, "path": path},
            **{"spec": {**spec, **changed}, "usage": {**usage, **changed}, "digest": ""},
        }
        content["spec"] = {k: v for k, v in content["spec"].items() if k in spec}
        content["usage"] = {k: v for k, v in content["usage"].items() if k in usage}
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        write_record(tmp_path / path, JobRecord.model_validate(content))

    return write


def test_records_are_found_whatever_code_made_them(
    tmp_path: Path, plan: LabPlan, write: RecordWriter
) -> None:
    assert read_measured_seconds(tmp_path, plan, "smoke") == {}
    write(12.5)
    run = plan.list_sft_runs()[0]
    key = plan.train_sft(run.model, run.dataset, str(run.seed)).key
    assert read_measured_seconds(tmp_path, plan, "smoke") == {key: 12.5}


@pytest.mark.parametrize("changed", [{"steps": 7}, {"resumed": True}])
def test_other_work_and_resumed_jobs_do_not_count(
    tmp_path: Path, plan: LabPlan, write: RecordWriter, changed: dict[str, object]
) -> None:
    write(12.5, **changed)
    assert read_measured_seconds(tmp_path, plan, "smoke") == {}


def test_every_job_of_a_study_has_an_amount(plan: LabPlan) -> None:
    works = list_study_work(plan)
    assert len({work.stage.key for work in works}) == len(works)
    assert all(work.amount > 0 for work in works)
    trained = [work for work in works if work.kind in ("SFT", "RL", "generation")]
    assert all(work.amount > 1 and work.model for work in trained)


def test_the_page_shows_measurements_and_can_ignore_them(
    tmp_path: Path,
    write: RecordWriter,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(plan_command, "RESULTS_ROOT", tmp_path)
    write(7200.0)
    assert command_line.main(["plan", "--study", "smoke", "--runs"]) == 0
    text = capsys.readouterr().out
    assert "measured, by the records of this study" in text
    row = next(line.split() for line in text.splitlines() if line.startswith("SFT "))
    assert row[1:4] == ["1", "of", "4"]
    assert "2.00" in row
    assert command_line.main(["plan", "--study", "smoke", "--assume"]) == 0
    assert "measured, by" not in capsys.readouterr().out
