"""What in a job itself differs: options, locks, versions, and how values are told."""

from pathlib import Path

import pytest
from code_fixtures import clear_caches, replace_text, rewrite_file
from lineage_fixtures import DATA_RECORD, FITS, GRADES, TABLE_4, TRAIN, MadeStudy

from retu.config.study import Config
from retu.lineage.graph import stale_causes
from retu.lineage.graph.config_sources import ConfigSources, shorten_value
from retu.lineage.graph.stale_causes import (
    diff_values,
    is_record_current,
    parse_pins,
)
from retu.lineage.graph.staleness import build_stale_report
from retu.lineage.record import LockedEnvironment
from retu.planning.stages import Stage

CONFIG = Config(study="smoke", branching=None, mirror=None)


def test_a_lock_names_the_versions_that_moved(made_study: MadeStudy, project_files: Path) -> None:
    lock = project_files / "envs" / "analysis.txt"
    text = lock.read_text()
    replace_text(lock, "numpy==2.4.6", "numpy==2.4.7")
    roots = build_stale_report(made_study.lineage, made_study.plan).roots
    assert [str(root.cause) for root in roots] == [
        "envs/analysis.txt: has changed: numpy 2.4.6 -> 2.4.7"
    ]
    assert FITS in roots[0].jobs
    assert TRAIN not in roots[0].jobs
    rewrite_file(lock, "# A remark.\n" + text)
    assert made_study.list_reasons(TABLE_4)[0] == "envs/analysis.txt: has changed"
    rewrite_file(lock, "")
    assert (
        made_study.list_reasons(TABLE_4)[0]
        == "envs/analysis.txt: has changed: numpy 2.4.6 -> (none)"
    )
    lock.unlink()
    clear_caches()
    assert made_study.list_reasons(TABLE_4)[0] == "envs/analysis.txt: is gone"


def test_another_lock(made_study: MadeStudy) -> None:
    record = made_study.lineage.records[TRAIN]
    other = LockedEnvironment(
        lock="envs/gpu.txt", packages=[], digest="0", versions={"python": "3"}
    )
    reasons = made_study.list_own_reasons(record.model_copy(update={"environment": other}))
    assert reasons == ["envs/lab.txt: is the lock of its environment now; it was envs/gpu.txt"]


def test_only_the_packages_that_matter_count(made_study: MadeStudy, project_files: Path) -> None:
    lock = project_files / "envs" / "lab.txt"
    text = lock.read_text()
    grades, train = (made_study.lineage.records[job] for job in (GRADES, TRAIN))
    assert grades.environment.packages
    assert train.environment.packages[0].startswith("-")
    replace_text(lock, "math-verify==", "math-verify==9.")
    assert made_study.list_own_reasons(grades) == [
        "envs/lab.txt: has changed: math-verify 0.9.0 -> 9.0.9.0"
    ]
    assert made_study.list_own_reasons(train) == []
    rewrite_file(lock, text.replace("torch==", "torch==9."))
    assert made_study.list_own_reasons(grades) == []
    assert made_study.list_own_reasons(train) == ["envs/lab.txt: has changed"]


def test_stages_after_a_fact_that_is_gone_have_no_key() -> None:
    first = Stage("table_4", "", "analysis", facts=("claims/none.csv",))
    assert stale_causes.get_stage_key(Stage("summary", "", "analysis", after=(first,))) is None
    assert stale_causes.get_stage_key("no such rule") is None
    whole = Stage("summary", "", "analysis")
    assert stale_causes.get_stage_key(whole) == whole.key


def test_a_record_of_another_kind_of_key(made_study: MadeStudy) -> None:
    """All that it tells is as now, and it was still made by another key."""
    made_study.rewrite_record(DATA_RECORD, key="0" * 16)
    assert not is_record_current(made_study.lineage.records[DATA_RECORD], made_study.plan)
    (root,) = build_stale_report(made_study.lineage, made_study.plan).roots
    assert str(root.cause) == f"{DATA_RECORD}: was planned after other jobs than now"


def test_without_its_lock_no_job_is_current(made_study: MadeStudy, project_files: Path) -> None:
    record = made_study.lineage.records[TABLE_4]
    assert is_record_current(record, made_study.plan)
    (project_files / "envs" / "analysis.txt").unlink()
    clear_caches()
    assert not is_record_current(record, made_study.plan)


@pytest.mark.parametrize("text", ["def (:\n", None], ids=["no Python", "gone"])
def test_with_broken_code_no_job_is_current(
    made_study: MadeStudy, package: Path, text: str | None
) -> None:
    copy = package
    plan, record = made_study.plan, made_study.lineage.records[TABLE_4]
    assert is_record_current(record, plan)
    if text is None:
        (copy / "workflow_scripts" / "table_4.py").unlink()
    else:
        (copy / "workflow_scripts" / "table_4.py").write_text(text)
    clear_caches()
    assert not is_record_current(record, plan)
    if text is None:
        assert made_study.list_own_reasons(record) == ["workflow_scripts/table_4.py: is gone"]
    clear_caches()


def test_differences_are_told_by_their_keys() -> None:
    then = {"a": {"b": 1, "c": [1, 2]}, "gone": 1, "runs": [{"n": 1}, {"n": 2}]}
    now = {"a": {"b": 2, "c": [1]}, "new": 2, "runs": [{"n": 1}, {"n": 3}]}
    found = [
        (key, shorten_value(old), shorten_value(new)) for key, old, new in diff_values(then, now)
    ]
    assert found == [
        ("a.b", "1", "2"),
        ("a.c", "[1, 2]", "[1]"),
        ("gone", "1", "(none)"),
        ("runs[1].n", "2", "3"),
        ("new", "(none)", "2"),
    ]
    assert list(diff_values([{"n": 1}, {"n": 2}], [{"n": 2}], "r")) == [("r", [{"n": 1}], [])]
    assert list(diff_values(then, then)) == []
    assert list(diff_values(1, 2)) == [("(all of it)", 1, 2)]
    assert shorten_value("x" * 100) == '"' + "x" * 56 + "..."


def test_pins_of_a_lock() -> None:
    lock = "# torch==1\ntorch==2.13.0 \\\n    --hash=sha256:ab\nLatex_2==1 ; sys_platform == 'x'\n"
    assert parse_pins(lock) == {"torch": "2.13.0", "latex-2": "1"}


def test_origins_of_ambiguous_and_unknown_keys() -> None:
    origins = ConfigSources(CONFIG)
    assert origins.study == "studies/smoke.yaml"
    # The job's key where the file has the name and value in several places.
    assert origins.locate_value("recipe.evaluate_every", 1) == (
        "studies/smoke.yaml",
        "recipe.evaluate_every",
    )
    assert origins.locate_value("nothing.like.it", 1) == ("studies/smoke.yaml", "nothing.like.it")
    assert origins.locate_value("resolved.data.seed", 2512) == ("studies/lab.yaml", "data.seed")
