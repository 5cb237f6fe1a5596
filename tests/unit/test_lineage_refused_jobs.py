"""A job refuses what it was not planned with, and what is not as its own record tells."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest
from job_fixtures import (
    OUT,
    RECORD,
    make_stage_option,
    make_subphases_command,
    prepare_work_folder,
    run_launcher,
)
from lineage_fixtures import make_smoke_plan

from retu.core.errors import InputError
from retu.lineage.record import JobRecord
from retu.lineage.recording import pending_record, run_snapshot
from retu.planning import code_identity
from retu.planning.code_identity import compute_code_digest

RULES = """rule subphases:
    input:
        tables="a.csv",
    output:
        "c.csv",
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A work folder with the inputs of the rule `subphases`."""
    return prepare_work_folder(tmp_path, monkeypatch)


@pytest.fixture
def snapshot_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The snapshot of a running workflow, in which the job of `command` runs."""
    (folder / "some.smk").write_text(RULES)
    rules = {"subphases": folder / "some.smk"}
    path = run_snapshot.write_snapshot(
        folder / run_snapshot.SNAPSHOT_FOLDER, make_smoke_plan(), rules
    )
    monkeypatch.setenv(run_snapshot.SNAPSHOT_VARIABLE, str(path))
    monkeypatch.setenv(run_snapshot.STUDY_VARIABLE, run_snapshot.digest_study(make_smoke_plan()))
    return path


def test_a_job_runs_by_what_its_workflow_was_planned_with(
    snapshot_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_launcher(monkeypatch, make_subphases_command()).rule == "subphases"


@pytest.mark.parametrize(
    ("part", "key", "message"),
    [
        ("study", None, "the study has changed"),
        ("code", "concatenate", r"workflow_scripts\.concatenate: its code has changed"),
        (
            "rules",
            "subphases",
            r"some\.smk: the rule subphases or another in this file",
        ),
        ("locks", "envs/analysis.txt", r"envs/analysis\.txt: has changed"),
        (
            "facts",
            "retu/reporting/page_templates/page.html.j2",
            r"retu/reporting/page_templates/page\.html\.j2: has changed",
        ),
    ],
)
def test_a_job_that_was_planned_anew_by_other_files_does_not_run(
    snapshot_folder: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    key: str | None,
    message: str,
) -> None:
    """On a cluster the command line of a job is made on its node, from the files of then."""
    content = json.loads(snapshot_folder.read_text())
    if key is None:
        content[part] = "0" * 16
    else:
        assert key in content[part], content[part].keys()
        known = content[part][key]
        content[part][key] = [known[0], "0" * 16] if part == "rules" else "0" * 16
    snapshot_folder.write_text(json.dumps(content))
    told = make_stage_option(facts=[key]) if part == "facts" else make_stage_option()
    with pytest.raises(InputError, match=f"{message}.* since the workflow started; run the same"):
        run_launcher(monkeypatch, make_subphases_command(stage=[told]))
    assert not (folder / OUT).exists()
    monkeypatch.delenv(run_snapshot.SNAPSHOT_VARIABLE)
    assert run_launcher(monkeypatch, make_subphases_command(stage=[told])).rule == "subphases", (
        "called by hand"
    )


@pytest.mark.parametrize(
    ("old", "new", "refused"),
    [
        ('"a.csv"', '"b.csv"', True),
        ("        tables=", "            tables=", False),
        ("rule subphases:", "# Why.\n\nrule subphases:  # One rule.", False),
        ("\n    output:", "\n    output: (", True),
    ],
    ids=["another file", "layout", "a remark", "no rules any more"],
)
def test_an_edit_of_a_rule_counts_and_a_remark_does_not(
    snapshot_folder: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    old: str,
    new: str,
    refused: bool,
) -> None:
    assert old in RULES
    (folder / "some.smk").write_text(RULES.replace(old, new))
    if refused:
        with pytest.raises(InputError, match=r"some\.smk: the rule subphases or another"):
            run_launcher(monkeypatch, make_subphases_command())
    else:
        assert run_launcher(monkeypatch, make_subphases_command()).rule == "subphases"


def test_a_snapshot_that_is_gone_is_told(
    snapshot_folder: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot_folder.unlink()
    with pytest.raises(InputError, match="the plan of this workflow cannot be read; run the same"):
        run_launcher(monkeypatch, make_subphases_command())
    assert not (folder / OUT).exists()


def test_snapshots_of_long_ago_are_dropped(snapshot_folder: Path, folder: Path) -> None:
    plan = make_smoke_plan()
    old, recent = (snapshot_folder.with_name(f"{name}.json") for name in ("old", "recent"))
    for path, days in ((old, run_snapshot.OLDEST_DAYS + 1), (recent, run_snapshot.OLDEST_DAYS - 1)):
        path.write_text("{}")
        then = time.time() - days * 24 * 3600
        os.utime(path, (then, then))
    rules = {"subphases": folder / "some.smk"}
    assert run_snapshot.write_snapshot(snapshot_folder.parent, plan, rules) == snapshot_folder
    assert set(snapshot_folder.parent.iterdir()) == {snapshot_folder, recent}


def test_the_snapshot_knows_every_script_of_a_study(snapshot_folder: Path) -> None:
    content = json.loads(snapshot_folder.read_text())
    assert content["code"] == {
        name: compute_code_digest(f"{code_identity.SCRIPTS}.{name}") for name in content["code"]
    }
    assert {"make_data", "train_rl", "grade", "report", "summary"} <= content["code"].keys()
    locks = {name.split()[0] for name in content["locks"]}
    assert locks == {"envs/analysis.txt", "envs/lab.txt"}


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
