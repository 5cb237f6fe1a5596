"""The stages of a regrade: they change with grades and graders, and with nothing else."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from retu.config.load import read_study
from retu.config.study import Config, Study
from retu.core.run_paths import Run
from retu.evaluation.curve_table import tabulate_curves
from retu.planning import stages
from retu.planning.jobs import CompareJob, GradeJob
from retu.planning.lab_plan import LabPlan
from retu.planning.stages import digest_lock
from retu.planning.training_plan import COMPARED_ARTEFACTS

RUN = "sft/LabQwen/LabFull/seed0"
RULES = ("regrade_curves", "regrade_make_table_4", "regrade_make_figure_2", "regrade_make_figure_8")


def make_regrade_plan(grader: str | None = None, **settings: object) -> LabPlan:
    """The plan of the smoke study; `settings` are those of its own grader."""
    content = read_study("smoke")
    content["evaluation"]["grader"] = settings
    return LabPlan(Study.model_validate(content), Config(study="smoke", grader=grader))


def list_regrade_keys(of: LabPlan, grader: str) -> dict[str, str]:
    """The key of every rule of a regrade."""
    found = {rule: of.get_stage(rule, grader=grader).key for rule in (*RULES, "compare_graders")}
    found["regrade_grade"] = of.get_stage("regrade_grade", grader=grader, run=RUN).key
    found["regrade_fit_curves"] = of.get_stage(
        "regrade_fit_curves", grader=grader, protocol="robust"
    ).key
    return found


def test_the_studys_own_grader_gives_its_own_stages() -> None:
    own, again = make_regrade_plan(), list_regrade_keys(make_regrade_plan(), "math_verify")
    assert again["regrade_grade"] == own.grade(RUN).key
    assert again["regrade_curves"] == own.curves().key
    assert again["regrade_fit_curves"] == own.fit_curves("robust").key
    assert [again[f"regrade_make_{name}"] for name in COMPARED_ARTEFACTS] == [
        own.plan_artefact(name).key for name in COMPARED_ARTEFACTS
    ]


def test_another_grader_gives_others() -> None:
    one, other = (
        list_regrade_keys(make_regrade_plan(), "paper_lenient"),
        list_regrade_keys(make_regrade_plan(), "paper_strict"),
    )
    assert not set(one.values()) & {
        *other.values(),
        *list_regrade_keys(make_regrade_plan(), "math_verify").values(),
    }


def test_what_config_names_is_no_part_of_a_stage() -> None:
    assert list_regrade_keys(
        make_regrade_plan("paper_strict"), "paper_lenient"
    ) == list_regrade_keys(make_regrade_plan(), "paper_lenient")


def test_a_setting_of_the_studys_grader_reaches_the_comparison_alone() -> None:
    before = list_regrade_keys(make_regrade_plan(), "paper_lenient")
    after = list_regrade_keys(make_regrade_plan(float_rounding=5), "paper_lenient")
    assert {rule for rule in before if before[rule] != after[rule]} == {"compare_graders"}


def test_the_reference_keeps_its_grader() -> None:
    other = make_regrade_plan().replace_grader("paper_lenient")
    assert other.study.evaluation.grader.name == "paper_lenient"
    assert other.train_sft("LabQwen", "LabFull", "0").key == (
        make_regrade_plan().train_sft("LabQwen", "LabFull", "0").key
    )


def test_a_benchmark_keeps_a_grader_of_its_own() -> None:
    content = read_study("smoke")
    plain = LabPlan(Study.model_validate(content), Config(study="smoke"))
    content["benchmarks"]["Chain1"]["grader"] = {"name": "multiple_choice"}
    own = LabPlan(Study.model_validate(content), Config(study="smoke"))
    other = own.replace_grader("paper_lenient")
    told = [GradeJob.model_validate_json(plan.grade(RUN).spec) for plan in (own, other)]
    assert [job.grader.name for job in told] == ["math_verify", "paper_lenient"]
    assert all(job.own["Chain1"].name == "multiple_choice" for job in told)
    compared = CompareJob.model_validate_json(own.compare_graders("paper_lenient").spec)
    assert list(compared.own) == ["Chain1", "Choice"]
    assert own.generate_base("LabQwen").key == plain.generate_base("LabQwen").key
    assert own.grade("reference").key == plain.grade("reference").key
    assert own.grade(RUN).key != plain.grade(RUN).key


def test_an_unknown_grader_has_no_stages() -> None:
    with pytest.raises(LookupError, match="no grader mine"):
        make_regrade_plan().get_stage("regrade_curves", grader="mine")
    with pytest.raises(LookupError, match="grader"):
        make_regrade_plan().get_stage("regrade_curves")
    with pytest.raises(LookupError, match="no rule nothing"):
        make_regrade_plan().get_stage("regrade_nothing", grader="math_verify")


@pytest.mark.parametrize("package", ["math-verify", "sympy"])
def test_another_version_of_the_engine_leaves_what_was_generated(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def list_generation_keys() -> list[str]:
        now = make_regrade_plan()
        data, reference = now.make_data(), now.generate_reference()
        return [data.key, reference.key, now.generate_base("LabQwen").key]

    before, kept = list_regrade_keys(make_regrade_plan(), "paper_lenient"), list_generation_keys()
    shutil.copytree(stages.ROOT / "envs", tmp_path / "envs")
    lock = tmp_path / "envs" / "lab.txt"
    lock.write_text(lock.read_text().replace(f"\n{package}==", f"\n{package}==9."))
    monkeypatch.setattr(
        stages,
        "digest_lock",
        lambda path, packages=(): digest_lock(tmp_path / "envs" / path.name, packages),
    )
    assert list_generation_keys() == kept
    after = list_regrade_keys(make_regrade_plan(), "paper_lenient")
    assert not set(before.values()) & set(after.values())


def test_curves_take_grades_from_elsewhere_and_compute_from_the_study(tmp_path: Path) -> None:
    base, sft = Run("base", "tiny"), Run("sft", "tiny", "easy")
    for folder, right in (("own", 0), ("other", 1)):
        for run, step in ((base, 0), (sft, 4)):
            place = tmp_path / folder / run.path
            place.mkdir(parents=True)
            row = {"step": step, "benchmark": "b", "problem_id": "p", "sample": 0, "correct": right}
            pd.DataFrame([row | {"parsed": "", "reason": ""}]).to_parquet(place / "grades.parquet")
    losses = pd.DataFrame({"step": [0, 4], "x_sft_eflops": [0.0, 2.0]})
    losses.to_csv(tmp_path / "own" / sft.path / "losses.csv", index=False)
    own, other = tmp_path / "own", tmp_path / "other"
    table = tabulate_curves("s", own, [sft], {}, other)
    assert table["score"].tolist() == [100.0] * 4
    assert table["x_sft_eflops"].tolist() == [0.0, 0.0, 2.0, 2.0]
    assert all(source.startswith(other.as_posix()) for source in table["source"])
    assert tabulate_curves("s", own, [sft], {})["score"].tolist() == [0.0] * 4
