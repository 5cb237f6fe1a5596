"""Stage keys: a changed fact makes exactly the stages stale that depend on it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from retu.config.load import read_study
from retu.config.study import Config, Study
from retu.planning import stages as stage
from retu.planning.lab_plan import LabPlan
from retu.planning.load_plan import load_plan
from retu.planning.stages import Stage, digest_lock

Edit = Callable[[dict[str, Any]], object]

DATA = {"data"}
BASE = {"base"}
REFERENCE = {"reference", "reference_generations", "reference_grades", "full_set", "small_set"}
STATISTICS = {"dataset_stats", "table_3", "report", "summary"}
SFT = {"full_sft", "small_sft", "full_labels", "small_labels", "subphases"}
ANSWERS = {"base_answers", "full_answers", "small_answers"}
GRADES = {"base_grades", "full_grades", "small_grades", "pure_grades", "branch_grades"}
RL = {"pure_rl", "branch_rl"}
RL_GRADES = {"pure_grades", "branch_grades"}
FITS = {"fits", "table_4", "figure_3", "answer", "report", "summary"}
CURVES = {"curves", *FITS}
EVERYTHING = DATA | BASE | REFERENCE | STATISTICS | SFT | ANSWERS | GRADES | RL | CURVES
# All that follows from the reference model: Pure RL and the base model's scores do not.
SELECTED = EVERYTHING - DATA - BASE - {"base_answers", "base_grades", "pure_rl", "pure_grades"}
SMALL = {"small_sft", "small_labels", "subphases", "small_answers", "small_grades"}


def edit_smoke_study(edit: Edit = lambda study: study) -> Study:
    """The smoke study after an edit."""
    content = read_study("smoke")
    edit(content)
    return Study.model_validate(content)


def list_sample_stages(study: Study, config: Config | None = None) -> dict[str, Stage]:
    """One stage of every kind."""
    plan = LabPlan(study, config or Config())
    base, full, small = (
        plan.pretrain_base("LabQwen"),
        *(plan.train_sft("LabQwen", name, "0") for name in ("LabFull", "LabSmall")),
    )
    return {
        "data": plan.make_data(),
        "base": base,
        "reference": plan.train_reference(),
        "reference_generations": plan.generate_reference(),
        "reference_grades": plan.grade("reference"),
        "full_set": plan.select_sft_set("LabFull"),
        "small_set": plan.select_sft_set("LabSmall"),
        "full_sft": full,
        "small_sft": small,
        "full_labels": plan.label_subphases("LabQwen", "LabFull", "0"),
        "small_labels": plan.label_subphases("LabQwen", "LabSmall", "0"),
        "base_answers": plan.plan_generation(base),
        "full_answers": plan.plan_generation(full),
        "small_answers": plan.plan_generation(small),
        "base_grades": plan.grade("base/LabQwen"),
        "full_grades": plan.grade("sft/LabQwen/LabFull/seed0"),
        "small_grades": plan.grade("sft/LabQwen/LabSmall/seed0"),
        "pure_rl": plan.train_rl("LabQwen", "none", "0", "dapo_dc", "0"),
        "branch_rl": plan.train_rl("LabQwen", "LabFull", "20", "dapo_dc", "0"),
        "pure_grades": plan.grade("rl/LabQwen/none/step0/dapo_dc/seed0"),
        "branch_grades": plan.grade("rl/LabQwen/LabFull/step20/dapo_dc/seed0"),
        "subphases": plan.subphases(),
        "curves": plan.curves(),
        "fits": plan.fit_curves("robust"),
        "dataset_stats": plan.dataset_stats(),
        **{name: plan.plan_artefact(name) for name in ("table_3", "table_4", "figure_3")},
        "answer": plan.answer(),
        "summary": plan.summary(),
        "report": plan.make_report(),
    }


def list_stale_stages(edit: Edit, config: Config | None = None) -> set[str]:
    """Names of the stages whose key an edit of the smoke study changes."""
    before = {name: stage.key for name, stage in list_sample_stages(edit_smoke_study()).items()}
    after = {
        name: stage.key
        for name, stage in list_sample_stages(edit_smoke_study(edit), config).items()
    }
    return {name for name in before if before[name] != after[name]}


def make_section_edit(*path: str | int, **values: object) -> Edit:
    """An edit that sets keys of the section at `path`."""

    def edit_content(content: dict[str, Any]) -> None:
        section: Any = content
        for part in path:
            section = section[part]
        section.update(values)

    return edit_content


CHANGES: dict[str, tuple[Edit, set[str]]] = {
    "nothing": (lambda study: study, set()),
    "data seed": (make_section_edit("data", seed=1), EVERYTHING),
    "size of a benchmark": (make_section_edit("benchmarks", "Chain1", problems=13), EVERYTHING),
    "samples of a benchmark": (
        make_section_edit("benchmarks", "Chain1", samples=2),
        ANSWERS | GRADES | RL | CURVES,
    ),
    "a benchmark out of distribution": (
        make_section_edit("benchmarks", "Chain1", out_of_distribution=True),
        CURVES,
    ),
    "pre-training steps": (
        make_section_edit("models", "LabQwen", "pretraining", steps=81),
        EVERYTHING - DATA,
    ),
    "attempts of the reference": (
        make_section_edit("reference", attempts=5),
        SELECTED - {"reference"},
    ),
    "SFT recipe": (make_section_edit("recipes", "sft", "standard", learning_rate=2e-3), SELECTED),
    "rows of a data set": (
        make_section_edit("datasets", "LabSmall", rows=33),
        {"small_set"} | STATISTICS | SMALL | CURVES,
    ),
    "checkpoints of a run": (
        make_section_edit("sft_runs", 1, checkpoints=[10, 30]),
        SMALL | CURVES,
    ),
    "where RL branches": (
        make_section_edit("sft_runs", 1, branching="exhaustive"),
        {"small_labels", "subphases"} | CURVES,
    ),
    "sub-phase threshold": (
        lambda study: study.update(labels={"delta": 0.03}),
        {"full_labels", "small_labels", "subphases"} | CURVES,
    ),
    "RL recipe": (
        make_section_edit("recipes", "rl", "dapo_dc", learning_rate=1e-4),
        RL | RL_GRADES | CURVES,
    ),
    "temperature": (
        make_section_edit("evaluation", temperature=0.9),
        ANSWERS | GRADES | RL | CURVES,
    ),
    "temperature of the reference": (
        make_section_edit("reference", "sampling", temperature=0.9),
        SELECTED - {"reference"},
    ),
    "grader": (make_section_edit("evaluation", grader={"float_rounding": 5}), GRADES | CURVES),
    "reward": (
        make_section_edit("recipes", "rl", "dapo_dc", reward={"float_rounding": 5}),
        RL | RL_GRADES | CURVES,
    ),
    "grader of the reference": (
        make_section_edit("reference", grader={"float_rounding": 5}),
        SELECTED - {"reference", "reference_generations"},
    ),
    "fit": (make_section_edit("fit", n_bootstrap=21), FITS),
    "title": (lambda study: study.update(title="Another"), {"report", "summary"}),
}


@pytest.mark.parametrize(("edit", "expected"), CHANGES.values(), ids=CHANGES.keys())
def test_a_fact_makes_stale_what_depends_on_it(edit: Edit, expected: set[str]) -> None:
    assert list_stale_stages(edit) == expected


def test_a_new_seed_leaves_the_runs_of_the_old_ones() -> None:
    assert list_stale_stages(make_section_edit(seeds=[0, 1])) == {"subphases"} | CURVES


def test_the_configuration_overrides_branching() -> None:
    guided = list_stale_stages(lambda study: study, Config(branching="guided"))
    assert guided == {"full_labels", "subphases"} | CURVES


@pytest.mark.parametrize(
    ("lock", "package", "expected"),
    [
        ("lab", "torch", EVERYTHING),
        # RL is rewarded by a grader, the SFT sets are drawn by graded answers of the reference.
        ("lab", "math-verify", SELECTED - {"reference", "reference_generations"} | GRADES | RL),
        ("analysis", "numpy", {"full_labels", "small_labels", "subphases"} | STATISTICS | CURVES),
    ],
)
def test_environments(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lock: str, package: str, expected: set[str]
) -> None:
    before = {name: stage.key for name, stage in list_sample_stages(edit_smoke_study()).items()}

    def upgrade_lock(path: Path, packages: tuple[str, ...] = ()) -> str:
        text = path.read_text()
        copy = tmp_path / path.name
        copy.write_text(
            text.replace(f"\n{package}==", f"\n{package}==9") if path.stem == lock else text
        )
        return digest_lock(copy, packages)

    monkeypatch.setattr(stage, "digest_lock", upgrade_lock)
    after = {name: stage.key for name, stage in list_sample_stages(edit_smoke_study()).items()}
    assert {name for name in before if before[name] != after[name]} == expected


def test_runs_of_the_plan() -> None:
    def keep_two_runs(content: dict[str, Any]) -> None:
        content.update(seeds=[0, 4], rl_runs=content["rl_runs"][:2])

    plan = LabPlan(edit_smoke_study(keep_two_runs), Config())
    assert [run.path for run in plan.list_sft_runs()] == [
        *("sft/LabQwen/LabFull/seed0", "sft/LabQwen/LabFull/seed4"),
        *("sft/LabQwen/LabSmall/seed0", "sft/LabQwen/LabSmall/seed4"),
    ]
    branches = plan.list_rl_runs(lambda run: [10] if run.dataset == "LabSmall" else [])
    assert [run.path for run in branches] == [
        *("rl/LabQwen/none/step0/dapo_dc/seed0", "rl/LabQwen/none/step0/dapo_dc/seed4"),
        *("rl/LabQwen/LabSmall/step10/dapo_dc/seed0", "rl/LabQwen/LabSmall/step10/dapo_dc/seed4"),
    ]


def test_rl_may_be_limited_to_some_data_sets() -> None:
    plan = LabPlan(
        edit_smoke_study(make_section_edit("rl_runs", 1, datasets=["LabSmall"])), Config()
    )
    assert {run.dataset for run in plan.list_rl_runs(lambda run: [10])} == {"none", "LabSmall"}


def test_jobs_are_told_what_they_need_and_no_more() -> None:
    spec = json.loads(list_sample_stages(edit_smoke_study())["full_answers"].spec)
    assert spec.keys() == {"samples", "sampling", "execution"}
    chains = {"Chain1": 1, "Chain2": 1, "Chain3": 1, "Chain6": 4}
    assert spec["samples"] == chains | {"Worded": 1, "Choice": 1}


def test_another_option_makes_stale_what_it_is_told_and_what_follows() -> None:
    plan = LabPlan(edit_smoke_study(), Config())
    table, figure = plan.plan_artefact("table_4"), plan.plan_artefact("figure_3")
    assert table.options == (("order", "LabFull,LabSmall"),)
    for options in ((), (("order", "LabSmall,LabFull"),), (("by", "LabFull,LabSmall"),)):
        other = replace(table, options=options)
        assert other.key != table.key
        assert replace(figure, after=(other,)).key != replace(figure, after=(table,)).key


@pytest.mark.parametrize("name", ["smoke", "released"])
@pytest.mark.parametrize(
    "changes", [{"mirror": "elsewhere"}, {"grader": "exact"}, {"study": "studies/NAME.yaml"}]
)
def test_how_a_study_is_called_makes_nothing_stale(
    name: str, changes: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(stage.ROOT)
    otherwise = {key: value.replace("NAME", name) for key, value in changes.items()}
    plans = [load_plan(Config.model_validate({"study": name, **c})) for c in ({}, otherwise)]
    assert plans[0].make_report().key == plans[1].make_report().key


def test_the_choice_of_branches_is_a_fact_of_the_study() -> None:
    described = LabPlan(edit_smoke_study(), Config(branching="guided", mirror="x")).describe()[
        "resolved"
    ]
    assert described["config"] == {"branching": "guided"}
