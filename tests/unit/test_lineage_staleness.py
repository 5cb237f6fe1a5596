"""Why something is stale: the file and the key that changed, and all that it makes stale."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from code_fixtures import clear_caches, replace_text
from lineage_fixtures import (
    BASE,
    CURVES,
    DATA,
    GRADES,
    JOBS,
    REPORT,
    SFT,
    TABLE_4,
    TRAIN,
    MadeStudy,
)

from retu.config import load
from retu.core.errors import InputError
from retu.lineage.graph.staleness import build_stale_report
from retu.lineage.record import read_record
from retu.planning.analysis_plan import PAGE_TEMPLATES


@pytest.fixture
def studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the studies that may be edited."""
    copy = shutil.copytree(load.STUDIES, tmp_path / "studies")
    monkeypatch.setattr(load, "STUDIES", copy)
    return copy


def replan_study(made: MadeStudy) -> MadeStudy:
    """The made study with the plan that its files now give."""
    plan = replace(made.plan, study=load.load_training_study("smoke"))
    return replace(made, plan=plan)


def test_a_study_that_nothing_happened_to_is_current(made_study: MadeStudy) -> None:
    report = build_stale_report(made_study.lineage, made_study.plan)
    assert report.roots == ()
    assert report.reasons == {}
    assert [
        made_study.list_own_reasons(record) for record in made_study.lineage.records.values()
    ] == [[]] * 11


def test_a_line_of_code_names_its_file_and_who_used_it(
    made_study: MadeStudy, package: Path
) -> None:
    replace_text(package / "retu" / "training" / "loss_curve.py", "\n\n\n", "\n\nADDED = 1\n\n\n")
    (root,) = build_stale_report(made_study.lineage, made_study.plan).roots
    assert str(root.cause) == "retu/training/loss_curve.py: its code has changed"
    assert root.jobs == (TRAIN,)
    assert set(root.downstream) == {
        job.record for job in JOBS if not job.record.startswith((DATA, BASE, TRAIN))
    }
    assert made_study.list_reasons(GRADES) == [f"{SFT}/generations.record.json: is stale itself"]
    assert made_study.list_own_reasons(made_study.lineage.records[GRADES]) == []


def test_prose_makes_nothing_stale(made_study: MadeStudy, package: Path) -> None:
    replace_text(package / "retu" / "training" / "loss_curve.py", "\n\n\n", "\n\n# A remark.\n\n\n")
    assert build_stale_report(made_study.lineage, made_study.plan).roots == ()


def test_modules_that_come_and_go(made_study: MadeStudy, package: Path) -> None:
    replace_text(
        package / "workflow_scripts" / "table_4.py",
        "from retu.runtime.script import",
        "from workflow_scripts import late\nfrom retu.runtime.script import",
    )
    (package / "workflow_scripts" / "late.py").write_text("VALUE = 1\n")
    clear_caches()
    assert made_study.list_reasons(TABLE_4) == [
        "workflow_scripts/table_4.py: its code has changed",
        "workflow_scripts/late.py: is used now and was not",
    ]
    record = made_study.lineage.records[TABLE_4]
    modules = {
        **record.code.modules,
        "workflow_scripts.gone": "0" * 16,
        "retu.runtime.usage": "1",
        "retu.training.loss_curve": "0",
    }
    code = record.code.model_copy(update={"modules": modules})
    reasons = made_study.list_own_reasons(record.model_copy(update={"code": code}))
    assert "workflow_scripts/gone.py: is gone" in reasons
    assert "retu/training/loss_curve.py: is used no longer" in reasons


def test_code_that_does_not_parse_is_one_line(made_study: MadeStudy, package: Path) -> None:
    plan, lineage = made_study.plan, made_study.lineage
    (package / "workflow_scripts" / "table_4.py").write_text("def (:\n")
    clear_caches()
    with pytest.raises(InputError, match=r"table_4\.py: .*not valid Python \(line 1"):
        build_stale_report(lineage, plan)


def test_another_script_for_the_rule(made_study: MadeStudy) -> None:
    record = made_study.lineage.records[TABLE_4]
    code = record.code.model_copy(update={"module": "workflow_scripts.audit_table_4"})
    reasons = made_study.list_own_reasons(record.model_copy(update={"code": code}))
    ran = "is what the rule runs now; it ran workflow_scripts/audit_table_4.py"
    assert reasons == [f"workflow_scripts/table_4.py: {ran}"]


def test_facts_that_change_come_and_go(made_study: MadeStudy, project_files: Path) -> None:
    template = next((project_files / PAGE_TEMPLATES).iterdir())
    template.write_text(template.read_text() + " ")
    assert made_study.list_reasons(REPORT) == [f"{PAGE_TEMPLATES}/{template.name}: has changed"]
    record = made_study.lineage.records[REPORT]
    facts = {
        name: h for name, h in record.facts.items() if name != f"{PAGE_TEMPLATES}/{template.name}"
    }
    reasons = made_study.list_own_reasons(
        record.model_copy(update={"facts": {**facts, "x.csv": "0"}})
    )
    assert reasons == [
        f"{PAGE_TEMPLATES}/{template.name}: is read now and was not",
        "x.csv: is read no longer",
    ]
    template.unlink()
    assert made_study.list_reasons(REPORT) == [f"{PAGE_TEMPLATES}/{template.name}: is gone"]
    report = build_stale_report(made_study.lineage, made_study.plan)
    assert [root.jobs for root in report.roots] == [(REPORT,)]


def test_a_setting_names_the_file_and_key_that_give_it(
    made_study: MadeStudy, studies: Path
) -> None:
    lab = studies / "lab.yaml"
    replace_text(lab, "learning_rate: 5.0e-3", "learning_rate: 7.5e-3")
    (root,) = build_stale_report(made_study.lineage, replan_study(made_study).plan).roots
    key = "models.LabQwen.pretraining.learning_rate"
    assert str(root.cause) == f"{lab}: {key}: 0.005 -> 0.0075"
    assert root.jobs == (f"{BASE}/train.record.json",)
    assert len(root.downstream) == len(JOBS) - 2


def test_a_setting_of_the_study_itself(made_study: MadeStudy, studies: Path) -> None:
    smoke = studies / "smoke.yaml"
    replace_text(smoke, "steps: 80", "steps: 90")
    (root,) = build_stale_report(made_study.lineage, replan_study(made_study).plan).roots
    assert str(root.cause) == f"{smoke}: models.LabQwen.pretraining.steps: 80 -> 90"


def test_a_seed_of_the_data(made_study: MadeStudy, studies: Path) -> None:
    replace_text(studies / "lab.yaml", "seed: 2512", "seed: 2513")
    (root,) = build_stale_report(made_study.lineage, replan_study(made_study).plan).roots
    assert str(root.cause) == f"{studies / 'lab.yaml'}: data.seed: 2512 -> 2513"
    assert root.jobs == (f"{DATA}.record.json",)
    assert len(root.downstream) == len(JOBS) - 1


def test_a_choice_of_config_yaml(made_study: MadeStudy) -> None:
    config = made_study.plan.config.model_copy(update={"branching": "guided"})
    plan = replace(made_study.plan, config=config)
    report = build_stale_report(made_study.lineage, plan)
    (root,) = report.roots
    assert str(root.cause) == 'config.yaml: branching: "exhaustive" -> "guided"'
    assert root.jobs == (f"{SFT}/subphases.record.json",)
    # Curves read no labels, but the plan puts labels before them.
    assert CURVES in root.downstream
    labels = f"{SFT}/subphases.record.json"
    assert f"{labels}: is stale itself" in [str(cause) for cause in report.reasons[CURVES]]


def test_a_default_is_a_matter_of_the_study(made_study: MadeStudy) -> None:
    def change(study: dict[str, Any]) -> None:
        study["execution"]["threads"] = 3

    (root,) = build_stale_report(made_study.lineage, made_study.change_study(change).plan).roots
    what = "execution.threads: 1 -> 3"
    assert str(root.cause) == f"studies/smoke.yaml: {what}"
    assert root.jobs == (
        f"{BASE}/train.record.json",
        TRAIN,
        f"{SFT}/generations.record.json",
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: s.update(seeds=[1]), "no seed 0"),
        (lambda s: s.update(sft_runs=s["sft_runs"][1:]), "no SFT run of LabQwen on LabFull"),
    ],
    ids=["seed", "run"],
)
def test_jobs_that_the_study_has_no_longer(
    made_study: MadeStudy, change: Callable[[dict[str, Any]], object], reason: str
) -> None:
    report = build_stale_report(made_study.lineage, made_study.change_study(change).plan)
    (root,) = report.roots
    assert str(root.cause) == f"studies/smoke.yaml: asks for this job no longer ({reason})"
    assert TRAIN in root.jobs
    assert CURVES in root.downstream


def test_rules_and_wildcards_that_are_no_more(made_study: MadeStudy) -> None:
    record = made_study.lineage.records[TRAIN]
    gone = "studies/smoke.yaml: asks for this job no longer"
    for changes, reason in (
        ({"rule": "distil"}, "(no rule distil)"),
        ({"wildcards": {"model": "LabQwen"}}, "(no train_sft for {'model': 'LabQwen'})"),
        ({"rule": "grade", "wildcards": {"run": "x"}}, "(no grade for {'run': 'x'})"),
    ):
        reasons = made_study.list_own_reasons(record.model_copy(update=changes))
        assert reasons == [f"{gone} {reason}"]


def test_a_run_that_is_added(made_study: MadeStudy) -> None:
    """The records of all other runs are as they were, so that only the gathering is stale."""

    def change(study: dict[str, Any]) -> None:
        study["models"]["Other"] = study["models"]["LabQwen"] | {"layers": 1}
        study["rl_runs"].append({"start": "base", "recipe": "dapo_dc", "models": ["Other"]})

    made_study.rewrite_record(CURVES, inputs=[])
    (root,) = build_stale_report(made_study.lineage, made_study.change_study(change).plan).roots
    assert root.jobs == (CURVES,)
    what = "gives curves other inputs now, and they are not made ("
    assert root.cause.what.startswith(what)
    assert "1 pretrain_base" in root.cause.what


def test_a_run_that_is_left_out(made_study: MadeStudy) -> None:
    more = read_record(made_study.root / CURVES).inputs
    report = read_record(made_study.root / REPORT)
    made_study.rewrite_record(CURVES, key="0" * 16, inputs=[*more, report.outputs[0]])
    made_study.rewrite_record(REPORT, inputs=[])
    (root,) = build_stale_report(made_study.lineage, made_study.plan).roots
    assert str(root.cause) == (
        f"studies/smoke.yaml: gives curves other inputs now, without {REPORT}"
    )


def test_what_a_script_is_told_by_options(made_study: MadeStudy) -> None:
    made_study.rewrite_record(TABLE_4, key="0" * 16, command=["--order", "LabSmall,LabFull"])
    told = "--order LabFull,LabSmall now; it was LabSmall,LabFull"
    assert made_study.list_reasons(TABLE_4) == [f"studies/smoke.yaml: tells make_table_4 {told}"]
    made_study.rewrite_record(TABLE_4, key="0" * 16, command=["--out", "x"])
    told = "--order LabFull,LabSmall now; it was (none)"
    assert made_study.list_reasons(TABLE_4) == [f"studies/smoke.yaml: tells make_table_4 {told}"]
