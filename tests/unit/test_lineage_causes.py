"""What in a job itself differs: options, locks, versions, and how values are told."""

from pathlib import Path

import pytest
from code_fixtures import edited, forget, rewritten
from lineage_fixtures import RESULTS, SFT, MadeStudy, make_study

from retu.config.study import Config
from retu.core.errors import InputError
from retu.lineage.graph import stale_causes
from retu.lineage.graph.config_sources import Origins, shown
from retu.lineage.graph.stale_causes import differences, is_current, key_of, pins
from retu.lineage.graph.staleness import stale_report, why_stale
from retu.lineage.record import Environment, Record
from retu.planning.stages import Stage

CONFIG = Config(study="smoke", branching=None, mirror=None)
TRAIN = f"{SFT}/train.record.json"
GRADES = f"{SFT}/grades.record.json"
TABLE_4 = f"{RESULTS}/tables/table_4.record.json"
FITS = f"{RESULTS}/fits/robust.record.json"


@pytest.fixture
def made(tmp_path: Path) -> MadeStudy:
    """A made-up finished study."""
    return make_study(tmp_path / "study")


def why(made: MadeStudy, job: str) -> list[str]:
    """The reasons of a job, with its lineage at hand."""
    return why_stale(made.lineage.records[job], made.plan, made.lineage)


def test_a_lock_names_the_versions_that_moved(made: MadeStudy, project: Path) -> None:
    lock = project / "envs" / "analysis.txt"
    text = lock.read_text()
    edited(lock, "numpy==2.4.6", "numpy==2.4.7")
    roots = stale_report(made.lineage, made.plan).roots
    assert [str(root.cause) for root in roots] == [
        "envs/analysis.txt: has changed: numpy 2.4.6 -> 2.4.7"
    ]
    assert FITS in roots[0].jobs
    assert TRAIN not in roots[0].jobs
    rewritten(lock, "# A remark.\n" + text)
    assert why(made, TABLE_4)[0] == "envs/analysis.txt: has changed"
    rewritten(lock, "")
    assert why(made, TABLE_4)[0] == "envs/analysis.txt: has changed: numpy 2.4.6 -> (none)"
    lock.unlink()
    forget()
    assert why(made, TABLE_4)[0] == "envs/analysis.txt: is gone"


def test_another_lock(made: MadeStudy) -> None:
    record = made.lineage.records[TRAIN]
    other = Environment(lock="envs/gpu.txt", packages=[], digest="0", versions={"python": "3"})
    reasons = why_stale(record.model_copy(update={"environment": other}), made.plan)
    assert reasons == ["envs/lab.txt: is the lock of its environment now; it was envs/gpu.txt"]


def test_only_the_packages_that_matter_count(made: MadeStudy, project: Path) -> None:
    lock = project / "envs" / "lab.txt"
    text = lock.read_text()
    grades, train = (made.lineage.records[job] for job in (GRADES, TRAIN))
    assert grades.environment.packages
    assert train.environment.packages[0].startswith("-")

    def found(record: Record) -> list[str]:
        now = stale_causes.stage_of(record, made.plan)
        return [str(cause) for cause in stale_causes.own_causes(record, now, Origins(CONFIG))]

    edited(lock, "math-verify==", "math-verify==9.")
    assert found(grades) == ["envs/lab.txt: has changed: math-verify 0.9.0 -> 9.0.9.0"]
    assert found(train) == []
    rewritten(lock, text.replace("torch==", "torch==9."))
    assert found(grades) == []
    assert found(train) == ["envs/lab.txt: has changed"]


def test_stages_after_a_fact_that_is_gone_have_no_key() -> None:
    first = Stage("table_4", "", "analysis", facts=("claims/none.csv",))
    assert stale_causes.key_of(Stage("summary", "", "analysis", after=(first,))) is None
    assert stale_causes.key_of("no such rule") is None
    whole = Stage("summary", "", "analysis")
    assert stale_causes.key_of(whole) == whole.key


def test_other_options_name_the_file_of_the_rule(made: MadeStudy, rules: Path) -> None:
    edited(rules / "sft.smk", "--train {input.train}", "--train {input.validation}")
    (root,) = stale_report(made.lineage, made.plan).roots
    assert str(root.cause) == "rules/sft.smk: the options of train_sft have changed"
    assert root.jobs == (TRAIN,)
    assert GRADES in root.downstream
    assert not is_current(made.lineage.records[TRAIN], made.plan)


def test_a_remark_in_a_rule_makes_nothing_stale(made: MadeStudy, rules: Path) -> None:
    edited(rules / "sft.smk", "rule train_sft:", "# Why.\nrule train_sft:")
    assert stale_report(made.lineage, made.plan).roots == ()


def test_a_record_from_before_options_counted(made: MadeStudy) -> None:
    record = made.lineage.records[TABLE_4]
    early = record.model_copy(update={"code": record.code.model_copy(update={"options": None})})
    assert why_stale(early, made.plan) == []
    what = "the options of table_4 count now; the record is from before they did"
    early = early.model_copy(update={"key": "0" * 16})
    assert why_stale(early, made.plan) == [f"rules/tables.smk: {what}"]


@pytest.mark.parametrize(
    ("rule", "module", "file"),
    [
        ("train_sft", "train_sft", "rules/sft.smk"),
        ("train_reference", "train_sft", "rules/reference.smk"),
        ("generate_sft", "generate", "rules/evaluate.smk"),
        ("regrade_table", "train_sft", "rules/reference.smk, rules/sft.smk"),
        ("none", "none", "rules"),
    ],
)
def test_the_file_of_a_rule(rule: str, module: str, file: str) -> None:
    assert stale_causes.rule_file(rule, module) == file


def test_without_its_lock_no_job_is_current(made: MadeStudy, project: Path) -> None:
    record = made.lineage.records[TABLE_4]
    assert is_current(record, made.plan)
    (project / "envs" / "analysis.txt").unlink()
    forget()
    assert not is_current(record, made.plan)


@pytest.mark.parametrize("text", ["def (:\n", None], ids=["no Python", "gone"])
def test_with_broken_code_no_job_is_current(
    made: MadeStudy, package: Path, text: str | None
) -> None:
    copy = package
    plan, record = made.plan, made.lineage.records[TABLE_4]
    assert is_current(record, plan)
    if text is None:
        (copy / "workflow_scripts" / "table_4.py").unlink()
    else:
        (copy / "workflow_scripts" / "table_4.py").write_text(text)
    forget()
    assert not is_current(record, plan)
    if text is None:
        assert why_stale(record, plan) == ["workflow_scripts/table_4.py: is gone"]
    forget()


def test_broken_rules_are_one_line_and_leave_no_key(made: MadeStudy, rules: Path) -> None:
    whole = Stage("table_4", "", "analysis")
    assert key_of(whole) is not None
    (rules / "tables.smk").write_text('rule x:\n    shell:\n        job("table_4",\n')
    forget()
    assert key_of(Stage("table_4", "", "analysis")) is None
    with pytest.raises(InputError, match=r"rules/: .*job\( of line 3 never ends .*; correct it"):
        why_stale(made.lineage.records[TABLE_4], made.plan)


def test_differences_are_told_by_their_keys() -> None:
    then = {"a": {"b": 1, "c": [1, 2]}, "gone": 1, "runs": [{"n": 1}, {"n": 2}]}
    now = {"a": {"b": 2, "c": [1]}, "new": 2, "runs": [{"n": 1}, {"n": 3}]}
    found = [(key, shown(old), shown(new)) for key, old, new in differences(then, now)]
    assert found == [
        ("a.b", "1", "2"),
        ("a.c", "[1, 2]", "[1]"),
        ("gone", "1", "(none)"),
        ("runs[1].n", "2", "3"),
        ("new", "(none)", "2"),
    ]
    assert list(differences([{"n": 1}, {"n": 2}], [{"n": 2}], "r")) == [("r", [{"n": 1}], [])]
    assert list(differences(then, then)) == []
    assert list(differences(1, 2)) == [("(all of it)", 1, 2)]
    assert shown("x" * 100) == '"' + "x" * 56 + "..."


def test_pins_of_a_lock() -> None:
    lock = "# torch==1\ntorch==2.13.0 \\\n    --hash=sha256:ab\nLatex_2==1 ; sys_platform == 'x'\n"
    assert pins(lock) == {"torch": "2.13.0", "latex-2": "1"}


def test_origins_of_ambiguous_and_unknown_keys() -> None:
    origins = Origins(CONFIG)
    assert origins.study == "studies/smoke.yaml"
    # The job's key where the file has the name and value in several places.
    assert origins.find("recipe.evaluate_every", 1) == (
        "studies/smoke.yaml",
        "recipe.evaluate_every",
    )
    assert origins.find("nothing.like.it", 1) == ("studies/smoke.yaml", "nothing.like.it")
    assert origins.find("resolved.data.seed", 2512) == ("studies/lab.yaml", "data.seed")
